"""What a chat box sends to the browser while a long reply streams.

    python tests/benchmarks/bench_traffic.py

A reply of 2,000 tokens (about 10 kB) at 50 tokens a second, over 6 earlier messages of 585 characters, in the
Jupyter of this environment, in a real browser. Bytes are counted at the page's WebSocket. The floor, in the
same run, is the way that comes to mind first: one HTML widget with the whole talk in it, sent anew at every
token.

It fails where a pump sends more than its limit. Bytes do not depend on the machine, so CI runs it.
"""

import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from browser import Jupyter, Notebook, running_jupyter
from loopback import DONE, Loopback, Pause, Stream, chunk

TOKENS = 2_000
TOKENS_PER_SECOND = 50
TOKENS_IN_A_PARAGRAPH = 80
LIMITS = {"thread": 0.6, "browser": 1.5}  # megabytes

SENTENCE = "the old sword has seen more winters than any merchant in this inn, and none of them was cheap"
WORDS = re.findall(r"\w+", SENTENCE)

SETUP = """
from npc_lab import NPCFactory, connect
factory = NPCFactory(*connect(base_url={base_url!r}, model="loopback-model", api_key="not-needed"))
npc = factory.register_npc("London, 1270.", "You are Sir Geoffrey.", name="Sir Geoffrey")
user = factory.register_user("you")
for _ in range(3):
    exchange = [{{"role": role, "content": "x " * 292 + "x"}} for role in ("user", "assistant")]
    factory.npcs[npc].give_back(user, exchange)
"""
BOX = """
from npc_lab.widgets import chat_box
box = chat_box(factory, npc)
box
"""
# The floor: what one writes first.
NAIVE = """
import html, threading
import ipywidgets as widgets
shown = [message["content"] for message in factory.get_npc_chat_history(npc, user)]
talk, button = widgets.HTML(), widgets.Button(description="Send")
def speak():
    words = ""
    for piece in factory.stream_with_npc(npc, user, "Tell me of the sword."):
        words += piece
        talk.value = "".join(f"<p>{html.escape(each)}</p>" for each in [*shown, words])
def send(_):
    threading.Thread(target=speak, daemon=True).start()
button.on_click(send)
widgets.VBox([talk, button])
"""


def reply() -> Stream:
    """2,000 tokens, one at a time; the last word tells that it is over."""
    steps: list[object] = [chunk("")]
    for number in range(1, TOKENS):
        word = WORDS[number % len(WORDS)]
        steps += [
            chunk(word + (".\n\n" if number % TOKENS_IN_A_PARAGRAPH == 0 else " ")),
            Pause(1 / TOKENS_PER_SECOND),
        ]
    return Stream([*steps, chunk("farewell"), chunk(None, "stop"), DONE])


def megabytes(jupyter: Jupyter, pump: str, cell: str) -> float:
    """What the page receives from the click on Send to the last word."""
    with Loopback(reply()) as server:
        setup = SETUP.format(base_url=server.base_url)
        with jupyter.open([setup, cell], environment={"NPC_LAB_PUMP": pump}) as notebook:
            before = notebook.bytes_received
            ask(notebook)
            notebook.outputs.get_by_text("farewell").wait_for(timeout=180_000)
            return (notebook.bytes_received - before) / 1e6


def ask(notebook: Notebook) -> None:
    """Press Send, with something to send where there is a line to write it in."""
    line = notebook.outputs.get_by_placeholder("Say something")
    if line.count():
        line.fill("Tell me of the sword.")
    notebook.outputs.get_by_role("button", name="Send").click()


def main() -> None:
    """Measure both pumps beside the floor, and fail where one is above its limit."""
    with running_jupyter(Path(tempfile.mkdtemp())) as jupyter:
        floor = megabytes(jupyter, "", NAIVE)
        print(f"the whole talk at every token   {floor:6.2f} MB")
        measured = {pump: megabytes(jupyter, pump, BOX) for pump in LIMITS}
    for pump, size in measured.items():
        print(
            f"chat box, {pump + ' pump':19} {size:6.2f} MB, {size / floor:.3f} of that (limit {LIMITS[pump]})"
        )
    if any(size > LIMITS[pump] for pump, size in measured.items()):
        sys.exit("A pump sends more than its limit.")


if __name__ == "__main__":
    main()
