"""One reply, one text: in `chat`, a stream, the arena, a chat box, and in what the partner is sent.

`python tests/reliability.py --part one_text` tries 100,000 cuts.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_text import Spoken, differences, differences_on_the_wire

from npc_lab import FakeClient, NPCConfig, SimpleChatNPC

pytestmark = pytest.mark.once


@given(choose=st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_a_reply_is_one_text_wherever_it_is_heard_and_cut(choose: random.Random) -> None:
    assert not differences(Spoken.made(choose))


@given(choose=st.randoms(use_true_random=False))
@settings(max_examples=3, deadline=None)
def test_so_it_is_from_a_real_endpoint_and_in_a_real_panel(choose: random.Random) -> None:
    spoken = Spoken.made(choose, cuts=1)
    assert not differences(spoken, has_panel=True)
    assert not differences_on_the_wire(spoken)


@pytest.mark.parametrize("ask", ["chat", "stream"])
def test_what_stands_before_a_mark_that_ends_a_reply_is_remembered(ask: str) -> None:
    npc = SimpleChatNPC(
        FakeClient(["Good day.<|im_end|>" + "And so on. " * 9]), "m", NPCConfig("London", "a knight")
    )
    assert "".join(getattr(npc, ask)("Hello!", "ann")) == "Good day."
    assert npc.chat_histories["ann"][1]["content"] == "Good day."
