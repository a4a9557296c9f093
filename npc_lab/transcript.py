"""The record of an arena's talk: messages, a transcript that draws itself, and where the talk stands.

    talk = Transcript([Message("npc-1", "Good day.", datetime.now(), seat=1)], names={1: "Sir Guy"})
    print(talk)      [1] Sir Guy: Good day.

A message with a seat was spoken by an NPC. Others, such as the opening line, stand between the turns.
"""

import html
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from npc_lab.text import printable, untypeset, well_formed

DEFAULT_OPENING = "Hello! Who are you?"
SYSTEM = "system"  # the sender of the opening line
DIRECTOR = "director"  # the sender of a line dropped in from outside
SCRIPT = "script"  # the sender of a line that was read, not made (npc_lab/experiments/scene.py)
_NAMES_OF_OTHERS = {SYSTEM: "(opening)", DIRECTOR: "(director)"}
COLOURS = {1: "#2a78d6", 2: "#c4581c"}  # readable on white and on black
WIDTH = 88  # characters in a printed line


@dataclass(frozen=True)
class Message:
    """One line of a talk.

    sender: an NPC's id, "system" for the opening line, "director" for a line dropped in.
    content: what was said, without private thoughts. seat: 1 for the NPC that began, 2 for the one that
    answered, None for the others. seconds: how long the reply took, None if it is nobody's reply.
    """

    sender: str
    content: str
    timestamp: datetime
    seat: int | None = None
    seconds: float | None = None


def spoken(messages: Iterable[Message]) -> list[Message]:
    """Return the lines that an NPC spoke, without opening and director's lines."""
    return [message for message in messages if message.seat is not None]


def told_apart(names: Mapping[int, str]) -> dict[int, str]:
    """Return the names of both seats; if they are the same, with the seat behind each."""
    if names[1] != names[2]:
        return dict(names)
    return {seat: f"{name} (seat {seat})" for seat, name in names.items()}


class Transcript(list[Message]):
    """The messages of a talk, in order. `print` shows it as text, a notebook as a page.

    `names` maps seat 1 and 2 to the speakers' names. `stop_reason` says why the last run ended.
    """

    def __init__(
        self,
        messages: Iterable[Message] = (),
        names: Mapping[int, str] | None = None,
        stop_reason: str = "",
    ):
        super().__init__(messages)
        self.names = dict(names or {})
        self.stop_reason = stop_reason

    @property
    def spoken(self) -> list[Message]:
        """The lines that an NPC spoke, without opening and director's lines."""
        return spoken(self)

    def speaker(self, message: Message) -> str:
        """Return the name to print before this line."""
        if message.sender in _NAMES_OF_OTHERS:
            return _NAMES_OF_OTHERS[message.sender]
        return well_formed(self.names.get(message.seat or 0) or message.sender)

    def line(self, message: Message, turn_number: int | None = None) -> str:
        """Return the message as text: who speaks, in which turn, and the words, wrapped for reading."""
        turn = f"[{turn_number}] " if turn_number else ""
        words = printable(well_formed(message.content))
        paragraphs = f"{turn}{printable(self.speaker(message))}: {words}".splitlines()
        return "\n".join(textwrap.fill(each, WIDTH, subsequent_indent="    ") for each in paragraphs)

    def __str__(self) -> str:
        lines, turn_number = [], 0
        for message in self:
            turn_number += message.seat is not None
            lines.append(self.line(message, turn_number if message.seat else None))
        return "\n\n".join([*lines, self.ending()]).strip()

    def _repr_html_(self) -> str:
        lines = [self._html_line(message) for message in self] or ["<p>(nothing was said)</p>"]
        return untypeset("".join([*lines, f"<p>{html.escape(self.ending())}</p>"]))

    def ending(self) -> str:
        """Return why the last run ended, as a line to print."""
        return f"(Stopped: {well_formed(self.stop_reason).rstrip('.')}.)" if self.stop_reason else ""

    def _html_line(self, message: Message) -> str:
        colour = COLOURS.get(message.seat or 0, "gray")
        side = "margin-left: 3em" if message.seat == 2 else "margin-right: 3em"
        style = f"{side}; padding: .2em .8em; border-left: 4px solid {colour}; white-space: pre-wrap"
        words = html.escape(well_formed(message.content))
        words = words if message.seat else f"<i>{words}</i>"
        # The name has a direction of its own, so that the words alone decide about the line's.
        name = f"<b dir='auto'>{html.escape(self.speaker(message))}</b>"
        return f"<p dir='auto' style='{style}'>{name}\n{words}</p>"


class Conversation(TypedDict):
    """One talk. `npc1_user_id` is the user as whom NPC 1 speaks to NPC 2, and the other way round.

    `current_turn` is the id of the NPC that speaks next, `metrics` what was measured last,
    `stop_reason` why the last run ended, in words, and `ended` its kind: "" (none has), "turns", "stop",
    "interrupted", or "failed:" and the kind of the error. `seed` is None unless the talk has one.
    """

    npc1_id: str
    npc2_id: str
    npc1_user_id: str
    npc2_user_id: str
    messages: list[Message]
    current_turn: str
    metrics: dict[str, Any]
    stop_reason: str
    ended: str
    seed: int | None


def seats_of(conversation: Conversation) -> dict[int, tuple[str, str]]:
    """Return for each seat the NPC's id, and the id of the user as whom its partner speaks to it."""
    return {
        1: (conversation["npc1_id"], conversation["npc2_user_id"]),
        2: (conversation["npc2_id"], conversation["npc1_user_id"]),
    }


def seat_of(message: Message, conversation: Conversation) -> int | None:
    """Return who said it: 1, 2, or None for others. Lines that were put there by hand may lack a seat."""
    if message.seat is None and message.sender == conversation["npc1_id"]:
        return 1
    return 2 if message.seat is None and message.sender == conversation["npc2_id"] else message.seat


def spoken_in(conversation: Conversation) -> list[Message]:
    """Return the lines that its NPCs spoke."""
    return [message for message in conversation["messages"] if seat_of(message, conversation)]


def seconds_spoken(conversation: Conversation) -> float:
    """Return how long all replies took; a reply that was not measured counts from the line before it."""
    messages, seconds = conversation["messages"], 0.0
    for before, message in zip([None, *messages], messages, strict=False):
        if message.seconds is not None:
            seconds += message.seconds
        elif before and seat_of(message, conversation):
            seconds += message.timestamp.timestamp() - before.timestamp.timestamp()
    return seconds


def last_seat(conversation: Conversation) -> int | None:
    """Return who spoke last, 1 or 2; None if nobody has."""
    spoken = spoken_in(conversation)
    return seat_of(spoken[-1], conversation) if spoken else None


def next_seat(conversation: Conversation) -> int:
    """Return whose turn it is, 1 or 2. If both seats have the same NPC, it is who did not speak last."""
    if conversation["npc1_id"] == conversation["npc2_id"]:
        return 2 if last_seat(conversation) == 1 else 1
    return 1 if conversation["current_turn"] == conversation["npc1_id"] else 2


def since_last_spoken(conversation: Conversation) -> list[Message]:
    """Return what was recorded after the last line of a speaker: the opening, director's lines."""
    messages = conversation["messages"]
    places = [place for place, message in enumerate(messages) if seat_of(message, conversation)]
    return messages[places[-1] + 1 :] if places else messages


def cue(conversation: Conversation) -> str:
    """Return what the next speaker hears: the partner's last line, then what the director said since."""
    said = [message.content for message in conversation["messages"] if message.sender != DIRECTOR]
    directed = [message.content for message in since_last_spoken(conversation) if message.sender == DIRECTOR]
    return "\n\n".join([said[-1] if said else DEFAULT_OPENING, *directed])
