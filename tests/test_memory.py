"""Forgetting: whole exchanges, oldest first, never more than history_size, and kind to prompt caches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_lab.memory import MEMORIES, ChatMessage, History, newest, recall_in_blocks

pytestmark = pytest.mark.python


def talk(turns: int, length: int = 5) -> list[ChatMessage]:
    """A talk of so many exchanges, every line different, each of so many characters."""
    return [
        {"role": role, "content": f"{role[0]}{turn}".ljust(length, ".")}
        for turn in range(turns)
        for role in ("user", "assistant")
    ]


SIZES = st.integers(min_value=0, max_value=40)
TURNS = st.integers(min_value=0, max_value=60)
FORGETTING = st.sampled_from(["blocks", "sliding"])


@given(FORGETTING, TURNS, SIZES)
def test_what_is_remembered_is_the_end_of_the_talk_in_whole_exchanges(
    memory: str, turns: int, size: int
) -> None:
    messages = talk(turns)
    remembered = MEMORIES[memory](messages, size)
    assert len(remembered) <= size
    assert remembered == messages[len(messages) - len(remembered) :]
    assert [message["role"] for message in remembered] == ["user", "assistant"] * (len(remembered) // 2)
    if size >= 2 and turns:
        assert remembered
    if len(messages) <= size:
        assert remembered == messages


@given(TURNS, SIZES)
def test_all_forgets_nothing(turns: int, size: int) -> None:
    assert MEMORIES["all"](talk(turns), size) == talk(turns)


def test_blocks_keep_half_once_full_and_sliding_forgets_one_at_a_time() -> None:
    assert recall_in_blocks(talk(5), 10) == talk(5)
    assert recall_in_blocks(talk(6), 10) == talk(6)[-4:]
    assert newest(talk(6), 10) == talk(6)[-10:]


def test_a_history_that_begins_in_the_middle_is_sent_from_the_next_user_message() -> None:
    messages = talk(3)[1:]
    for recall in MEMORIES.values():
        assert recall(messages, 10) == messages[1:]


def new_to_a_prompt_cache(memory: str, turns: int, length: int, history_size: int = 10) -> int:
    """Characters that differ from the prompt before, summed over a talk: what a prompt cache reads anew."""
    history, before, new = History(), "", 0
    for turn in range(turns):
        line = {"role": "user", "content": f"u{turn}".ljust(length, ".")}
        prompt = "".join(message["content"] for message in [*history, line])
        shared = next(
            (i for i, (a, b) in enumerate(zip(before, prompt, strict=False)) if a != b), len(before)
        )
        new += len(prompt) - shared
        before = prompt
        answer = {"role": "assistant", "content": f"a{turn}".ljust(length, ".")}
        history.add([line, answer], lambda messages: MEMORIES[memory](messages, history_size))
    return new


def test_blocks_leave_a_prompt_cache_at_most_a_third_of_the_work() -> None:
    sliding = new_to_a_prompt_cache("sliding", turns=100, length=400)
    blocks = new_to_a_prompt_cache("blocks", turns=100, length=400)
    assert sliding > 400_000
    assert blocks <= 0.35 * 407_000
    assert blocks <= 0.30 * sliding


@given(st.sampled_from(sorted(MEMORIES)), st.lists(st.booleans(), max_size=60), st.integers(0, 12))
def test_taking_back_undoes_exactly_one_exchange(memory: str, steps: list[bool], size: int) -> None:
    """True adds an exchange, False takes one back: the history is always that of the talk without it."""
    history, snapshots = History(), []
    exchanges = iter([talk(60)[i : i + 2] for i in range(0, 120, 2)])
    for adds in steps:
        if adds:
            exchange = next(exchanges)
            snapshots.append((list(history), list(history.forgotten), exchange))
            history.add(exchange, lambda messages: MEMORIES[memory](messages, size))
        elif snapshots:
            remembered, forgotten, exchange = snapshots.pop()
            assert history.take_back() == exchange
            assert (list(history), history.forgotten) == (remembered, forgotten)
    while snapshots:
        snapshots.pop()
        history.take_back()
    assert history.take_back() == []


def test_a_cleared_history_has_nothing_to_take_back() -> None:
    history = History()
    for exchange in (talk(1), talk(1), talk(1)):
        history.add(exchange, lambda messages: newest(messages, 2))
    history.clear()
    assert history.take_back() == []
    assert history.forgotten == []
