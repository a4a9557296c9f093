"""The vote box in a real browser: read, voted in with the keyboard, in light and dark, wide and narrow."""

import json
from pathlib import Path

import pytest
from browser import LAB, Jupyter
from test_hostile_in_browser import assert_unharmed
from test_panels_in_browser import CUT_OFF, TOO_FAINT, Panel

pytestmark = [pytest.mark.browser, pytest.mark.once]

BALLOT = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from datetime import datetime
from payloads import MARKS, ORDERS, PAYLOADS
from npc_lab import Message, Transcript
from npc_lab.text import well_formed
from npc_lab.widgets import vote_box

def talk(*lines, names=("Sir Guy", "Hans")):
    opening = "Good evening, sir knight. What do you want for that old sword?"
    said = [Message("system", opening, datetime.now())]
    said += [Message("npc", line, datetime.now(), 1 + place % 2) for place, line in enumerate(lines)]
    return Transcript(said, dict(zip((1, 2), names)))

long = "By my honour, this sword has seen the desert, and twenty marks is what it is worth. " * 3
pairs = [
    (("a", talk(long, "Eight marks, my friend.", "I am Sir Guy, and I say twenty.")), ("b", talk("No."))),
    (("c", talk("שלום עולם, אני אביר.")), ("d", talk("Verylongword" * 20, "Well."))),
    (("e", talk(*map(well_formed, PAYLOADS))), ("f", talk(*map(well_formed, [*MARKS, *ORDERS])))),
]
box = vote_box(pairs, "mia")
box
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_vote_is_read_and_given_by_the_keyboard(jupyter: Jupyter, dark: bool) -> None:
    if dark and jupyter.front_end is not LAB:
        pytest.skip("Notebook 6 has no dark theme.")
    theme = "dark" if dark else "light"
    with jupyter.open([BALLOT], dark=dark, size=(1200, 900)) as notebook:
        panel = Panel(notebook, 0)
        panel.see("Pair 1 of 3", "I am First, and I say twenty.")
        notebook.screenshot(f"vote-wide-{theme}")
        assert panel.root.evaluate(TOO_FAINT) == []
        assert panel.root.evaluate(CUT_OFF) == []
        notebook.page.set_viewport_size({"width": 400, "height": 1500})
        notebook.screenshot(f"vote-narrow-{theme}")
        assert panel.root.evaluate(CUT_OFF) == []
        panel.button("Left").focus()
        notebook.page.keyboard.press("Enter")
        panel.see("Pair 2 of 3", "Download")
        notebook.screenshot(f"vote-narrow-second-{theme}")
        assert panel.root.evaluate(CUT_OFF) == []
        direction = "part => getComputedStyle(part).direction"
        assert panel.root.get_by_text("שלום").evaluate(direction) == "rtl"
        notebook.page.keyboard.press("Tab")
        notebook.page.keyboard.press("Space")
        panel.see("Pair 3 of 3")
        assert_unharmed(notebook, "Which of these two talks is better?")
        panel.click("Right")
        panel.see("Thank you. You have voted on all 3 pairs.")
        lines = notebook.run("print(open(box.path, encoding='utf-8').read())").splitlines()
        assert [json.loads(line)["pair"] for line in lines] == [["a", "b"], ["c", "d"], ["e", "f"]]
        assert json.loads(lines[1])["winner"] is None
        notebook.run("box.path.unlink()")
