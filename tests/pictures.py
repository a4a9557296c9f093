"""Makes README's pictures from real runs: `python tests/pictures.py` (needs the embedded model and Chromium).

One is `npc-lab demo` in a pseudo-terminal, drawn as an SVG. Others are photographed in JupyterLab: a chat box
and an arena's desk, used as a learner would, and the card of README's own experiment. The last is the page of
a tournament on the fake, with simulated voters: `python tests/pictures.py tournament` makes it alone.
"""

import math
import os
import pty
import random
import re
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from browser import Notebook, chromium, running_jupyter
from rich.console import Console
from rich.text import Text

from npc_lab import NPCConfig, connect
from npc_lab.endpoints.weights import cache_folder
from npc_lab.experiments import Ballot, agreement, schedule, strengths, tournament_page
from npc_lab.experiments.voting.tournament import Tournament

IMAGES = Path(__file__).resolve().parents[1] / "notebooks" / "images"
COMMAND = ["npc-lab", "demo", "--turns", "4"]
WIDTH = 92  # columns
SETUP = """
from dataclasses import asdict
from npc_lab import ChatArena, NPCFactory, connect
from npc_lab.widgets import arena_controls, chat_box
from npc_lab.worlds import load_world

factory, world = NPCFactory(*connect()), load_world("london")
first, second = (factory.register_npc(**asdict(each)) for each in world.characters)
"""
NICKNAMES = (
    "ada bela chris dana emil fatima gus hana ivo jun kaya lars leon mei mia nadia noor omar otto pia quin "
    "rosa sam tuva uma vito wren xenia yusuf zoe"
)
LINES = ["Good evening, sir! Whose sword is that?", "It looks old. What do you want for it?"]


def shown_by(command: list[str]) -> str:
    """What the command shows in a terminal, colours included."""
    parent, child = pty.openpty()
    environment = os.environ | {"COLUMNS": str(WIDTH), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with subprocess.Popen(command, stdin=child, stdout=child, stderr=child, env=environment) as process:
        os.close(child)
        shown = b""
        try:
            while piece := os.read(parent, 65536):
                shown += piece
        except OSError:  # how Linux says that the other side is closed
            pass
    if process.returncode:
        sys.exit(shown.decode())
    return after_what_was_taken_back(shown.decode().replace("\r\n", "\n"))


def after_what_was_taken_back(shown: str) -> str:
    """What a terminal still shows where a command went up, to a column, and cleared all that follows."""
    while cleared := re.search(r"\r(?:\x1b\[(\d+)A)?(?:\x1b\[(\d+)C)?\x1b\[J", shown):
        up, column = (int(number or 0) for number in cleared.groups())
        lines = shown[: cleared.start()].split("\n")
        *kept, last = lines[: len(lines) - up]
        shown = "\n".join([*kept, Text.from_ansi(last).plain[:column] + shown[cleared.end() :]])
    return shown


def draw_demo() -> None:
    """Run the demo and draw it."""
    console = Console(
        record=True, width=WIDTH, file=StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Text(f"$ {' '.join(COMMAND)}", style="bold"))
    console.print(Text.from_ansi(shown_by(COMMAND)))
    drawing = console.export_svg(title="npc-lab demo")
    # rich lets the reader fetch a font from the network; a picture must not.
    drawing = re.sub(r"@font-face \{.*?\}\n", "", drawing, flags=re.DOTALL)
    (IMAGES / "demo.svg").write_text(drawing, encoding="utf-8")


def photograph_panels() -> None:
    """Use a chat box and an arena's desk, on the embedded model, and photograph each."""
    environment = {"NPC_LAB_PROVIDER": "local", "NPC_LAB_CACHE": str(cache_folder())}
    with tempfile.TemporaryDirectory() as folder, running_jupyter(Path(folder)) as jupyter:
        with jupyter.open([SETUP, "chat_box(factory, first)"], environment=environment) as notebook:
            use_chat_box(notebook)
            photograph(notebook, "chat_box.png")
        desk = "arena_controls(ChatArena(factory), first, second, world.opening, max_turns=4)"
        with jupyter.open([SETUP, desk], environment=environment) as notebook:
            use_desk(notebook)
            photograph(notebook, "arena.png")


def photograph_card() -> None:
    """Run README's experiment on the embedded model, then once more in a notebook, where it makes no call."""
    readme = (IMAGES.parents[1] / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    code = next(each for each in blocks if "Experiment(" in each)
    environment = {"NPC_LAB_PROVIDER": "local", "NPC_LAB_CACHE": str(cache_folder())}
    with tempfile.TemporaryDirectory() as folder, running_jupyter(Path(folder) / "jupyter") as jupyter:
        subprocess.run([sys.executable, "-c", code], cwd=folder, env=os.environ | environment, check=True)
        cells = [f"import os; os.chdir({folder!r})", code]
        with jupyter.open(cells, environment=environment, size=(680, 900)) as notebook:
            notebook.outputs.locator("svg[role=img]").locator("..").screenshot(path=IMAGES / "card.png")


def use_chat_box(notebook: Notebook) -> None:
    for number, line in enumerate(LINES, start=1):
        notebook.outputs.get_by_placeholder("Say something").fill(line)
        notebook.outputs.get_by_role("button", name="Send").click()
        notebook.outputs.get_by_text(re.compile(rf"^{number} calls? ")).wait_for()
    notebook.outputs.get_by_role("button", name="What was sent").click()


def use_desk(notebook: Notebook) -> None:
    notebook.outputs.get_by_role("button", name="Start").click()
    notebook.outputs.get_by_text("4 of 4 turns done").wait_for()


def photograph(notebook: Notebook, name: str) -> None:
    notebook.outputs.locator(".npc-lab").screenshot(path=IMAGES / name)


def photograph_tournament() -> None:
    """Play a tournament of thirty on the fake, with voters who see the truth as Bradley and Terry say."""
    luck = random.Random(4)
    truth = {name: luck.gauss(0, 1) for name in NICKNAMES.split()}
    tournament = Tournament(
        {name: NPCConfig("", f"You are {name}.", name=f"{name[::-1].title()} the Great") for name in truth}
    )
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        talks = tournament.talks(tournament.experiment.run(*connect("fake"), Path(folder) / "talks.db"))
        ballots = []
        for number, (first, second) in enumerate(schedule(list(truth), 10)):
            for voter in ("one", "other"):
                is_first = luck.random() < 1 / (1 + math.exp(truth[second] - truth[first]))
                pair = first, second
                ballots.append(Ballot(pair, pair, first if is_first else second, f"{voter} {number % 15}"))
        tournament_page(strengths(ballots), talks, page, agreement=agreement(ballots))
        with chromium() as browser:
            shown = browser.new_page(viewport={"width": 1000, "height": 760})
            shown.goto(page.as_uri())
            shown.screenshot(path=IMAGES / "tournament.png")


if __name__ == "__main__":
    if sys.argv[1:] != ["tournament"]:
        draw_demo()
        photograph_panels()
        photograph_card()
    photograph_tournament()
    print(f"written: {IMAGES}")
