"""What a chat box knows of its talk: turns, and for each turn the takes, as in a film.

A turn is something the learner said and the answer to it. To regenerate, or to edit what was said, makes
another take of the same turn. All takes are kept; the character remembers one of them, or none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from npc_lab.memory import ChatMessage
from npc_lab.reply import Reply
from npc_lab.scratchpad import split_thoughts
from npc_lab.transcript import Message, Transcript

CHARACTERS_PER_TOKEN = 4  # in English, roughly: the rule of thumb that OpenAI's help pages give


@dataclass(eq=False)  # two tries are two, however alike they are
class Take:
    """One try at a turn: what was said, and what there is of the answer.

    exchange: the two messages as the character remembers them; empty if it was stopped, or failed.
    mark: why an answer is not whole, in a few words. error: why it failed, if it did.
    """

    question: str
    reply: Reply = field(default_factory=Reply)
    exchange: list[ChatMessage] = field(default_factory=list)
    mark: str = ""
    error: Exception | None = None
    began: datetime = field(default_factory=lambda: datetime.now().astimezone())

    @classmethod
    def remembered(cls, exchange: list[ChatMessage], has_scratchpad: bool) -> Take:
        """A take of which only the character's memory is left."""
        reply = Reply()
        for answer in exchange[1:]:
            reply.text, _ = split_thoughts(answer["content"], has_scratchpad)
            reply.thought = thought_in(answer, has_scratchpad)
        return cls(exchange[0]["content"], reply, exchange)

    def facts(self) -> str:
        """Model, seconds and tokens of the reply, as far as they are known; what is estimated says so."""
        reply = self.reply
        if not reply.raw and not reply.reasoning:
            return ""
        facts = [reply.model or "model unknown", f"{reply.seconds:.1f} s"]
        read, written = (getattr(reply.usage, f"{name}_tokens", None) for name in ("prompt", "completion"))
        if isinstance(read, int) and isinstance(written, int):
            facts.append(f"{read} tokens read, {written} written")
        else:  # an endpoint may send no count, or half of one
            facts.append(
                f"about {estimated_tokens(len(reply.raw + reply.reasoning))} tokens written (estimated)"
            )
        if reply.finish_reason == "length":
            facts.append("cut at its token limit")
        return " · ".join(facts)


@dataclass(eq=False)
class Turn:
    """One turn. shown: the place in `takes` of the one that is seen. chosen: the one that is remembered."""

    takes: list[Take]
    shown: int = 0
    chosen: Take | None = None

    @property
    def take(self) -> Take:
        """The take that is shown."""
        return self.takes[self.shown]

    @property
    def exchange(self) -> list[ChatMessage]:
        """What the character remembers of this turn; empty if nothing."""
        return [] if self.chosen is None else self.chosen.exchange

    def settle(self) -> None:
        """Show what the character remembers, because the talk goes on from there."""
        if self.chosen is not None:
            self.shown = self.takes.index(self.chosen)

    def choose(self, take: Take) -> None:
        """Show this take; the character remembers it."""
        self.chosen = take
        self.settle()

    def add(self, take: Take) -> None:
        """Another try, which is shown. Earlier ones of which nothing came are in the way now."""
        self.takes = [each for each in self.takes if each.reply.text or each is self.chosen]
        self.takes.append(take)
        self.shown = len(self.takes) - 1

    def drop(self, take: Take) -> None:
        """Forget a take of which nothing came, unless its question would be lost with it."""
        others = [each for each in self.takes if each is not take]
        if any(each.question == take.question for each in others):
            self.takes, self.shown = others, len(others) - 1
            self.settle()


def as_transcript(turns: list[Turn], user: str, npc_id: str, name: str) -> Transcript:
    """The talk as it is shown, to be saved: the learner in seat 1, the character in seat 2."""
    messages = []
    for take in (turn.take for turn in turns):
        messages.append(Message(user, take.question, take.began, seat=1))
        if take.reply.text:
            words = take.reply.text + (f"\n\n({take.mark})" if take.mark else "")
            messages.append(Message(npc_id, words, take.began, seat=2, seconds=take.reply.seconds or None))
    return Transcript(messages, {1: user, 2: name})


def thought_in(answer: ChatMessage, has_scratchpad: bool) -> str:
    """The private thought in an answer as an NPC remembers it, or ""."""
    _, thought = split_thoughts(answer["content"], has_scratchpad)
    return "\n".join(filter(None, (answer.get("reasoning_content", ""), thought)))


def estimated_tokens(characters: int) -> int:
    """How many tokens a text of so many characters has, roughly."""
    return max(1, round(characters / CHARACTERS_PER_TOKEN)) if characters else 0
