"""The command `npc-lab`. Here are its commands and their options; what each does is in a file of its own:

    screen.py       what the commands print, and how
    demo.py         watch two characters talk
    talk.py         talk with a character (`npc-lab chat`)
    doctor.py       what is installed, which keys are found, what is wrong
    examination.py  what an endpoint does with some twenty calls (`npc-lab doctor --full`)
    list_models.py  the models for the embedded engine (`npc-lab models`)
    find_keys.py    keys that were written into notebooks and programs
    start.py        the course's notebooks in a folder of the learner's own
    grade.py        check notebooks that were handed in
    gradescope.py   grade them on Gradescope
    log.py          the talks in a store's file, and the cards of its experiments
    hold_tournament.py  cards that were handed in: played, voted on, on one page (`npc-lab tournament`)

Nothing heavy is imported before a command needs it, so that `npc-lab --help` appears at once. A function here
is not named as its command, because the file is: `npc_lab.cli.demo` is a module.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from npc_lab.character import NPCConfig
from npc_lab.cli.screen import Screen, take_any_letter
from npc_lab.endpoints.connect import FAKE, LOCAL, Connection, connect
from npc_lab.errors import ConnectError, MissingKeyError, NPCLabError
from npc_lab.worlds import WORLDS, load_world

FAILED = 1
INTERRUPTED = 130  # the exit code that shells expect after Ctrl-C
LONGEST_REPLY = 1000  # tokens, of a model that stops by itself
ROOM_TO_THINK = 100  # tokens, of a small model's reply with private thoughts

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)

Provider = Annotated[
    str | None,
    typer.Option(
        help="Where replies come from: local, fake, nebius, openai, ollama, ... Without it: what the "
        "environment variable NPC_LAB_PROVIDER says, or else local, the embedded model, even with a key."
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="Another model of the provider. With local: a name that `npc-lab models` lists, "
        "owner/repository/file.gguf of the Hugging Face hub, or the path of a GGUF file."
    ),
]
BaseUrl = Annotated[str | None, typer.Option(help="Any other OpenAI-compatible address. Needs --model.")]
Scratchpad = Annotated[bool, typer.Option("--scratchpad", help="They think in private first.")]
WORLD_NAMES = ", ".join(WORLDS)


def _show_version(wanted: bool) -> None:
    if wanted:
        from npc_lab.cli.doctor import installed_version

        typer.echo(f"npc-lab {installed_version('npc-lab')}")
        raise typer.Exit


@app.callback()
def npc_lab(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Characters played by a language model: watch them, talk with them, learn to make them."""
    take_any_letter()


@app.command("demo")
def watch(
    world: Annotated[str, typer.Option(help=f"Where they meet: {WORLD_NAMES}.")] = "london",
    turns: Annotated[int, typer.Option(min=1, help="How many lines they say, both together.")] = 6,
    scratchpad: Scratchpad = False,
    provider: Provider = None,
    model: Model = None,
    base_url: BaseUrl = None,
) -> None:
    """Watch two characters talk with each other.

    With --scratchpad you read their thoughts, too.
    """
    from npc_lab.cli.demo import show_talk

    with plain_words() as screen:
        place, provider = load_world(world), _chosen(provider, base_url)
        for character in place.characters:
            _prepare(character, scratchpad, provider, model)
        show_talk(screen, place, _connect("demo", provider, model, base_url), turns)


@app.command("chat")
def talk(
    character: Annotated[
        str | None, typer.Option(help='With whom: a name, such as "Sir Geoffrey" or just geoffrey.')
    ] = None,
    world: Annotated[str | None, typer.Option(help=f"Somebody who lives there: {WORLD_NAMES}.")] = None,
    scratchpad: Scratchpad = False,
    provider: Provider = None,
    model: Model = None,
    base_url: BaseUrl = None,
) -> None:
    """Talk with a character.

    Ctrl-C stops a reply. Ctrl-C or Ctrl-D at your own turn ends the talk, with exit code 0.
    """
    from npc_lab.cli.talk import Chat, find_character

    with plain_words() as screen:
        (place, config), provider = find_character(character, world), _chosen(provider, base_url)
        _prepare(config, scratchpad, provider, model)
        Chat(screen, place, config, _connect("chat", provider, model, base_url)).run()


@app.command("doctor")
def examine(
    provider: Annotated[
        str | None,
        typer.Option(help="Which to ask. Without it: the one that connect() chooses by the keys it finds."),
    ] = None,
    model: Model = None,
    base_url: BaseUrl = None,
    is_full: Annotated[
        bool,
        typer.Option("--full", help="Ask some twenty times, for a report in Markdown on this endpoint."),
    ] = False,
) -> None:
    """Show what is installed, ask for a reply, say what is wrong.

    The reply is one token long. Exit code 0 means that it arrived. No part of a key is ever shown.
    """
    from npc_lab.cli.doctor import ask_for_a_token, show_findings

    with plain_words() as screen:
        show_findings(screen)
        connection = connect(provider, model=model, base_url=base_url)
        if not is_full:
            ask_for_a_token(screen, connection)
            return
        from npc_lab.cli.examination import report_on

        screen.say()
        if not report_on(screen, connection):
            raise typer.Exit(FAILED)


@app.command("models")
def list_models() -> None:
    """List the models for the embedded engine.

    Any of them: npc-lab demo --model NAME. It is fetched the first time, from the Hugging Face hub.
    """
    from npc_lab.cli.list_models import show_models

    with plain_words() as screen:
        show_models(screen)


@app.command("start")
def begin(
    folder: Annotated[Path, typer.Argument(help="Your folder; it is made if it is not there.")] = Path(
        "npc_lab_course"
    ),
    is_opened: Annotated[bool, typer.Option("--open/--no-open", help="Open JupyterLab there.")] = True,
    allow_root: Annotated[
        bool, typer.Option("--allow-root", help="Open it as root, too: in a container of your own.")
    ] = False,
) -> None:
    """Open the course in a folder of your own.

    Only files that are missing there are added: your work is never overwritten.
    """
    from npc_lab.cli.start import copy_course, open_jupyterlab

    with plain_words() as screen:
        copy_course(screen, folder)
        if is_opened:
            raise typer.Exit(open_jupyterlab(screen, folder, allow_root))


@app.command("grade")
def mark(
    notebooks: Annotated[
        list[Path],
        typer.Argument(help="Notebooks, and folders with notebooks in them.", exists=True, readable=False),
    ],
    out: Annotated[Path, typer.Option(help="The folder for the grades.")] = Path("grades"),
    timeout: Annotated[
        int, typer.Option(min=1, help="Seconds for each cell; all together have five times as many.")
    ] = 30,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="How many notebooks at once. Without it: one for each core.")
    ] = None,
    exercise: Annotated[
        list[str] | None,
        typer.Option(help="Check this one. May be repeated. Without it: all of the notebook's lesson."),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Write the feedback as feedback.md, too.")
    ] = False,
    is_by_student: Annotated[
        bool, typer.Option("--by-student", help="Write one row a student: canvas.csv and moodle.csv.")
    ] = False,
    roster: Annotated[
        Path | None,
        typer.Option(
            help="The students, as Canvas or Moodle exports them. With --by-student.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    pattern: Annotated[
        str,
        typer.Option(help="Where a file's path has the student's id: '{id}_*.ipynb'. With --by-student."),
    ] = "",
) -> None:
    """Grade notebooks that were handed in.

    This is no sandbox: their code runs as you on this machine, though without your keys.
    """
    from npc_lab.cli.grade import Students, grade_notebooks

    students = Students(roster, pattern) if is_by_student or roster or pattern else None
    with plain_words() as screen:
        if not grade_notebooks(screen, notebooks, out, timeout, jobs, exercise or [], markdown, students):
            raise typer.Exit(FAILED)


@app.command("gradescope")
def pack_for_gradescope(
    folder: Annotated[Path, typer.Argument(help="The folder for the package.")],
    exercise: Annotated[
        list[str] | None,
        typer.Option(help="Grade this one. May be repeated. Without it: all of each notebook's lesson."),
    ] = None,
    wheel: Annotated[
        Path | None,
        typer.Option(help="Install npc-lab from this file, not from the package index.", exists=True),
    ] = None,
    is_run: Annotated[
        bool, typer.Option("--run", help="Grade the submission in FOLDER, as Gradescope does in /autograder.")
    ] = False,
) -> None:
    """Write a package that grades notebooks on Gradescope.

    Upload its autograder.zip there. All notebooks of a submission give one result.
    """
    from npc_lab.cli.gradescope import grade_submission, write_package

    with plain_words() as screen:
        if is_run:
            grade_submission(screen, folder, exercise or [])
        else:
            write_package(screen, folder, exercise or [], wheel)


@app.command("log")
def look_back(
    file: Annotated[Path, typer.Argument(help='The file: what NPCFactory(..., store="lab.db") has written.')],
    talk: Annotated[int | None, typer.Argument(help="The number of a talk, to read it.")] = None,
    save_as: Annotated[
        Path | None,
        typer.Option("--export", help="Save the talk, or all of them, as .jsonl, .md or .html."),
    ] = None,
    thoughts: Annotated[bool, typer.Option("--thoughts", help="With what was thought in private.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many talks are listed.")] = 30,
    experiment: Annotated[
        str | None, typer.Option(help="The name of an experiment, to see its card.")
    ] = None,
) -> None:
    """List, read and save the talks in a store's file, and show the cards of its experiments.

    The file is not changed.
    """
    from npc_lab.cli.log import save_talks, show_card, show_talk, show_talks

    with plain_words() as screen:
        if experiment is not None:
            show_card(screen, file, experiment)
        elif save_as is not None:
            save_talks(screen, file, talk, save_as, thoughts)
        elif talk is not None:
            show_talk(screen, file, talk, thoughts)
        else:
            show_talks(screen, file, limit)


@app.command("tournament")
def compete(
    cards: Annotated[
        Path, typer.Argument(help="The folder of cards, each named as its owner's nickname: otto.json.")
    ],
    out: Annotated[Path, typer.Option(help="The page. Its talks and pairs are kept beside it.")] = Path(
        "tournament.html"
    ),
    votes: Annotated[
        Path | None, typer.Option(help="The folder of votes, one .jsonl file of each voter.")
    ] = None,
    judge: Annotated[
        bool, typer.Option("--judge", help="Let the model vote, too, if it passes a trial as a judge.")
    ] = False,
    is_plan: Annotated[bool, typer.Option("--plan", help="Only say how many calls it will take.")] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=0, help="Refuse a run of more calls; 0 for any number. Without it: 500."),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(help="The address of a Dask scheduler, whose workers play, each with its own key."),
    ] = None,
    provider: Provider = None,
    model: Model = None,
    base_url: BaseUrl = None,
) -> None:
    """Let cards compete, and show on one page how the class has voted.

    Each card talks with three shipped hosts. A file of pairs is written for the vote, and the page for the
    projector. The same command again goes on; with --votes it counts them. The page gives tiers, no ranks.
    """
    from npc_lab.cli.hold_tournament import cluster_at, enter, hold, limit_of, show_plan

    with plain_words() as screen:
        tournament = enter(screen, cards)
        client, name = _connect("tournament", _chosen(provider, base_url), model, base_url)
        if is_plan:
            show_plan(screen, tournament, client, name, out, judge)
        else:
            with cluster_at(dask) as executor:
                hold(screen, tournament, client, name, out, votes, limit_of(limit), executor, judge)


@contextmanager
def plain_words() -> Iterator[Screen]:
    """Yield a screen to print on; turn errors into a sentence and an exit code."""
    screen = Screen()
    try:
        yield screen
    except NPCLabError as error:
        screen.notice(str(error))
        if isinstance(error, MissingKeyError):
            screen.notice(f"On the command line: --provider {LOCAL}, or --provider {FAKE}.")
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        screen.notice("Stopped.")
        raise typer.Exit(INTERRUPTED) from None


def _chosen(provider: str | None, base_url: str | None) -> str | None:
    """Return the provider asked for, or else the embedded model: nobody's credit is spent by surprise.

    The environment's choice is read here, not by typer: beside an address it must not count, or the address
    would get a provider's key.
    """
    if provider or base_url:
        return provider
    return os.environ.get("NPC_LAB_PROVIDER", "").strip() or LOCAL


def _prepare(character: NPCConfig, has_scratchpad: bool, provider: str | None, model: str | None) -> None:
    """Raise the sheet's limits, which are for the embedded model: others stop and remember by themselves."""
    character.has_scratchpad = has_scratchpad
    if provider != LOCAL or model:
        character.max_reply_tokens, character.history_size = LONGEST_REPLY, NPCConfig.history_size
    elif has_scratchpad:
        character.max_reply_tokens = ROOM_TO_THINK


def _connect(command: str, provider: str | None, model: str | None, base_url: str | None) -> Connection:
    """Return what connect() returns. If the embedded model is missing, say what to do on the command line."""
    if provider == LOCAL:
        from npc_lab.endpoints.embedded import is_installed
        from npc_lab.endpoints.weights import INSTALL

        if not is_installed():
            raise ConnectError(
                f"The embedded model is not installed. To install it:\n  {INSTALL}\n"
                f"To look around without any model:\n  npc-lab {command} --provider {FAKE}"
            )
    return connect(provider, model=model, base_url=base_url)
