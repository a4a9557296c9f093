"""What all panels share: the rooms behind them, and a scroll that sends only what is new."""

import ast
import re
from pathlib import Path

import ipywidgets as widgets
import pytest

import npc_lab.widgets
from npc_lab.widgets.lines import Scroll

pytestmark = pytest.mark.packages

ROOM = Path(npc_lab.widgets.__file__).parent


def test_the_room_lists_its_files() -> None:
    listed = re.findall(r"^    (\w+\.py) ", npc_lab.widgets.__doc__ or "", re.MULTILINE)
    beside = re.findall(r" (\w+_model\.py)", npc_lab.widgets.__doc__ or "")
    files = {path.name for path in ROOM.glob("*.py")} - {"__init__.py"}
    assert sorted([*listed, *beside]) == sorted(files)


@pytest.mark.parametrize("name", ["chat_model", "arena_model"])
def test_a_model_knows_no_widget(name: str) -> None:
    known = {"chat_model", "arena_model"}
    for node in ast.walk(ast.parse((ROOM / f"{name}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("npc_lab.widgets"):
            assert (node.module or "").rpartition(".")[2] in known
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert "ipywidgets" not in ast.unparse(node)


def test_a_new_line_is_sent_with_few_others() -> None:
    scroll = Scroll()
    lines = [widgets.HTML(str(number)) for number in range(101)]
    scroll.show(lines[:100])
    sent: list[object] = []
    for group in scroll.widget.children[0].children:
        group.observe(sent.append, "children")
    scroll.widget.children[0].observe(sent.append, "children")
    scroll.show(lines)
    assert sum(len(change["new"]) for change in sent) <= 2 * 20  # type: ignore[index]
    assert shown(scroll) == lines


@pytest.mark.parametrize("count", [0, 1, 19, 20, 21, 40, 99])
def test_a_scroll_shows_the_lines_in_order(count: int) -> None:
    scroll = Scroll()
    lines = [widgets.HTML(str(number)) for number in range(100)]
    for some in (lines[:count], lines, lines[:count], lines[::-1]):
        scroll.show(some)
        assert shown(scroll) == some


def shown(scroll: Scroll) -> list[widgets.Widget]:
    return [line for group in scroll.widget.children[0].children for line in group.children]
