"""One reply, five texts: of `chat`, of a stream, of the arena, of a panel, and what the partner is sent.

They are the same, whatever the reply is made of and wherever it is cut.

    Spoken.made(random)      a reply of wrappings, marks, names and words, and some cuts of it
    differences(spoken)      its texts by name if they are not all the same, or {}
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from loopback import Loopback, Text

from npc_lab import ChatArena, FakeClient, NPCFactory, ReplyError
from npc_lab.endpoints.fake import FakeReply
from npc_lab.widgets import chat_box
from npc_lab.widgets.chat_model import Talk

NAME = "Sir Guy"
MARKS = "#SCRATCHPAD|# Scratchpad|**#SCRATCHPAD:**|[SCRATCHPAD]|- #scratchpad|＃SCRATCHPAD|#ANSWER|## Answer"
MARKS += "|**#ANSWER**|#answer:|ANSWER:"
TAGS = "<think>|</think>|<thinking>|</think >|[THINK]|[/THINK]|<reasoning>|</reasoning>|<seed:think>"
TAGS += (
    "|</seed:think>|◁think▷|◁/think▷|<scratchpad>|</scratchpad>|<think effort=high>|<s>|</s>|[/INST]|[INST]"
)
TAGS += "|<start_of_turn>model\n|<end_of_turn>|<mm:think>|</mm:think>"
PIPES = ["<|channel|>analysis<|message|>", "<|end|>", "<|start|>assistant<|channel|>final<|message|>"]
PIPES += ["<|channel|>final<|message|>", "<|channel|>commentary to=x <|constrain|>json<|message|>"]
PIPES += ["<|channel>thought\n", "<channel|>", "<|im_end|>", "<|im_start|>user\n", "<|im_start|>assistant\n"]
PIPES += ["<|start_header_id|>assistant<|end_header_id|>\n\n", "<|begin_of_thought|>", "<|end_of_thought|>"]
PIPES += ["<|inner_prefix|>", "<|inner_suffix|>", "<|START_THINKING|>", "<|END_THINKING|>", "<|eot_id|>"]
WORDS = (
    'analysisWe |assistantfinalGood|Guy: |**Guy**: |Sir Guy:|Good day. |I say |before I |word|,| |\n|`|"|<|#'
)
WORDS += "|**|a|assist|:|é|😀"
FRAGMENTS = [*MARKS.split("|"), *TAGS.split("|"), *PIPES, *WORDS.split("|"), "<|", "|>"]


@dataclass(frozen=True)
class Spoken:
    """A reply. cuts: the pieces of each stream that brings it. is_short: whether its token limit ended it."""

    text: str
    cuts: tuple[tuple[str, ...], ...]
    has_scratchpad: bool
    is_short: bool

    @classmethod
    def made(cls, choose: random.Random, cuts: int = 3) -> "Spoken":
        text = "".join(choose.choice(FRAGMENTS) for _ in range(choose.randint(1, 9)))
        cut = tuple(_cut(text, choose) for _ in range(cuts))
        return cls(text, cut, choose.random() < 0.5, choose.random() < 0.2)

    @property
    def ending(self) -> str:
        return "length" if self.is_short else "stop"

    def client(self, pieces: tuple[str, ...] = ()) -> Any:
        """A client that answers with this, and then with something else. A new one has learned nothing."""
        return FakeClient([FakeReply(self.text, self.ending, pieces=pieces), "And to you."])


def differences(spoken: Spoken, has_panel: bool = False) -> dict[str, str]:
    """The texts by name, if they are not the same. An error counts as a text: its kind.

    has_panel: also with a real chat box, which takes longer than its talk alone.
    """
    texts: dict[str, str] = {}
    stage = _Stage(spoken, spoken.client)
    texts["chat"] = stage.chat()
    texts["arena"], texts["partner"] = stage.arena(lambda client: client.calls[1]["messages"])
    for number, pieces in enumerate(spoken.cuts):
        stage = _Stage(spoken, partial(spoken.client, pieces))
        texts[f"stream {number}"], texts[f"talk {number}"] = stage.stream(), stage.talk()
        if has_panel:
            texts[f"say {number}"] = stage.say()
    return texts if len(set(texts.values())) > 1 else {}


def differences_on_the_wire(spoken: Spoken) -> dict[str, str]:
    """The same with the real client of the openai package and an endpoint on this machine."""
    texts: dict[str, str] = {}
    reply = Text(pieces=spoken.cuts[0], finish_reason=spoken.ending)
    with Loopback(lambda body: _partners(body) or reply) as server:
        # What a client has learned of a model is not to help the next one.
        stage = _Stage(spoken, server.client)
        texts["chat"], texts["stream"] = stage.chat(), stage.stream()
        server.requests.clear()
        texts["arena"], texts["partner"] = stage.arena(lambda client: server.sent[1])
        texts["say"] = stage.say()
    return texts if len(set(texts.values())) > 1 else {}


def _partners(body: Any) -> str:
    return "And to you." if "the partner" in body["messages"][0]["content"] else ""


def _cut(text: str, choose: random.Random) -> tuple[str, ...]:
    longest, places = choose.choice([1, 1, 3, 8, 20]), [0]
    while places[-1] < len(text):
        places.append(places[-1] + choose.randint(1, longest))
    return tuple(text[start:end] for start, end in pairwise(places))


class _Stage:
    """The reply, heard in one way after the other, each with a client of its own."""

    def __init__(self, spoken: Spoken, client: Callable[[], Any]):
        self._spoken, self._client = spoken, client

    def chat(self) -> str:
        factory, npc_id, user_id = self._npc()
        return _heard(lambda: factory.chat_with_npc(npc_id, user_id, "Hello!"))

    def stream(self) -> str:
        factory, npc_id, user_id = self._npc()
        stream = factory.stream_with_npc(npc_id, user_id, "Hello!")

        def read() -> str:
            for _ in stream:
                pass
            return stream.reply.text

        return _heard(read)

    def arena(self, sent_to_partner: Callable[[Any], Any]) -> tuple[str, str]:
        factory, npc_id, _ = self._npc()
        partner = factory.register_npc("A harbour.", "You are the partner.", name="Hans")
        arena = ChatArena(factory)
        talk = arena.start_conversation(npc_id, partner)
        lines = [each for each in arena.run_conversation(talk, 2) if each.seat]
        if not lines:
            kind = arena.conversations[talk]["ended"].removeprefix("failed:")
            return f"error: {kind}", f"error: {kind}"
        return lines[0].content, sent_to_partner(factory.client)[-1]["content"]

    def talk(self) -> str:
        factory, npc_id, _ = self._npc()
        talk = Talk(factory, npc_id, "you")
        turn = talk.new_turn("Hello!")
        talk.ask(turn)
        if isinstance(talk.error, ReplyError):
            return f"error: {talk.error.kind}"
        return turn.take.reply.text

    def say(self) -> str:
        factory, npc_id, _ = self._npc()
        box = chat_box(factory, npc_id)
        return _heard(lambda: box.say("Hello!"))

    def _npc(self) -> tuple[NPCFactory, str, str]:
        factory = NPCFactory(self._client(), "some-model")
        npc_id = factory.register_npc(
            "A harbour.", f"You are {NAME}.", has_scratchpad=self._spoken.has_scratchpad, name=NAME
        )
        return factory, npc_id, factory.register_user("ann")


def _heard(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except ReplyError as error:
        return f"error: {error.kind}"
