"""The arena's check on right arenas in sixteen styles, and on more than sixty slips in them.

The styles and slips are in arena_styles.py. A slip is looked for in its own part of the check, and in the
whole check with `whole`. The first line must say what is wrong.
"""

import re

import arena_styles
import pytest
from arena_styles import RIGHT, SLIPS, Slip, wrong_arena

import npc_lab
from npc_lab.lessons import Report, check
from npc_lab.lessons.checking import exercise as checking
from npc_lab.lessons.exercises import lesson05_arena

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def _short_waits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses where no clock is looked at, and limits that a busy machine does not meet."""
    judged = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    if "slip" in judged and "mean time" not in judged["slip"].words:
        monkeypatch.setattr(lesson05_arena, "PAUSES", (0.002, 0.001))
        monkeypatch.setattr(lesson05_arena, "AFTERWARDS", 0)
    elif "slip" not in judged:
        monkeypatch.setattr(lesson05_arena, "PAUSES", tuple(0.2 * each for each in lesson05_arena.PAUSES))
    monkeypatch.setattr(checking, "STEP_SECONDS", 30)
    monkeypatch.setattr(checking, "ALL_SECONDS", 60)


def test_there_are_as_many_as_promised() -> None:
    assert len(set(RIGHT)) == len(RIGHT) >= 16
    assert len(set(SLIPS)) == len(SLIPS) >= 60


def odd_parts(style: str) -> list[str]:
    """Return the checks of what a style does in a way of its own: Plain's running, reading and measuring is
    that of many.
    """
    made, plain = getattr(arena_styles, style), arena_styles.Plain
    if style == "GapsBetweenLines":
        return ["arena.measure"]
    is_plain = style != "Plain" and all(
        getattr(made, name, None) is getattr(plain, name)
        for name in (
            "_talk",
            "_keep",
            "run_conversation",
            "get_conversation_history",
            "evaluate_conversation",
        )
    )
    return ["arena.start", "arena.turn"] if is_plain else ["arena"]


@pytest.mark.parametrize("style", RIGHT)
def test_every_style_passes(style: str) -> None:
    for part in odd_parts(style):
        expect_all_correct(check(part, getattr(arena_styles, style)))


@pytest.mark.whole
@pytest.mark.parametrize("style", RIGHT)
def test_every_style_passes_the_whole_check(style: str) -> None:
    expect_all_correct(check("arena", getattr(arena_styles, style)))


def expect_all_correct(report: Report) -> None:
    assert {step.outcome for step in report.steps if step.required} == {"correct"}, str(report)


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: f"{slip.style}-{slip.part}-{slip.new[:24]}")
def test_a_slip_is_named_in_the_first_line(slip: Slip) -> None:
    report = check(f"arena.{slip.part}", wrong_arena(slip))
    assert re.search(slip.words, report.headline()), str(report)
    wrong = [step for step in report.steps if step.outcome == "incorrect"]
    assert wrong, str(report)
    for step in wrong:
        told = dict(line.split(":", 1) for line in step.message.splitlines() if re.match(r"[A-Z]\w+: ", line))
        assert told["Expected"].strip() != told["Got"].strip(), step.message


@pytest.mark.whole
@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: f"{slip.style}-{slip.part}-{slip.new[:24]}")
def test_the_whole_check_names_a_slip_first(slip: Slip) -> None:
    report = check("arena", wrong_arena(slip))
    assert re.search(slip.words, report.headline()), str(report)


def test_of_an_arena_without_keys_every_step_that_a_caller_can_see_is_judged() -> None:
    report = check("arena", arena_styles.WithoutKeys)
    assert "no key" in report.headline() or "seven keys" in report.headline()
    outcomes = {step.name: step.outcome for step in report.steps if step.required}
    unseen = [name for name, outcome in outcomes.items() if outcome == "can't check"]
    assert all(re.search(r"npc1_user_id|Each seat has a user|current_turn", name) for name in unseen), unseen
    assert sum(outcome == "correct" for outcome in outcomes.values()) >= 40


def test_what_comes_from_the_kit_is_not_the_learners() -> None:
    class ChatArena(npc_lab.ChatArena):
        pass

    class OwnRun(npc_lab.ChatArena):
        def run_conversation(self, conversation_id, max_turns=10, verbose=False):  # type: ignore[no-untyped-def]
            return super().run_conversation(conversation_id, max_turns, verbose)

    for arena in (ChatArena, npc_lab.ChatArena):
        report = check("arena", arena)
        assert {step.outcome for step in report.steps} == {"not attempted"}
        assert "comes from npc_lab" in str(report)
    own = {step.name: step.outcome for step in check("arena", OwnRun).steps}
    assert own["Without verbose nothing is printed"] == "correct"
    assert own["NPC 1 speaks first"] == "not attempted"
