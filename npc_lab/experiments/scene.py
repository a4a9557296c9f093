"""A scene: who meets whom, on which words, for how long.

    Scene(knight)                                     one question, one answer
    Scene(knight, merchant, turns=6)                  two NPCs talk
    Scene(knight, Script(["What is your name?", "And your lord's?"]), "Hail!")

In the last one the partner reads, and costs no call: the knight answers "Hail!", then each line of the
script; with the answer to the last line the talk ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import partial
from typing import Any

from npc_lab.character import NPCConfig
from npc_lab.errors import ExperimentError
from npc_lab.experiments.estimates import is_whole
from npc_lab.npc import SimpleChatNPC
from npc_lab.stops import StopCondition, StopWhen
from npc_lab.transcript import DEFAULT_OPENING, SCRIPT, Conversation, Message, spoken


@dataclass(frozen=True)
class Script:
    """A partner who reads these lines, one after the other, and hears nothing. It costs no call."""

    lines: Sequence[str]

    def __post_init__(self) -> None:
        if not _are_lines(self.lines):
            raise ExperimentError(
                f"A script is a list of lines, with one line at least, each with a word in it, not "
                f"{self.lines!r:.60}."
            )
        object.__setattr__(self, "lines", tuple(self.lines))


@dataclass(frozen=True)
class Scene:
    """Who meets whom. Raise `ExperimentError` if there can be no such scene.

    first, second: two characters; `first` speaks first, answering the opening. second may be a `Script`, or
    None: then there is exactly one answer. turns: how many lines both together say. remembers: exchanges
    (what was said, what it answered) that `first` remembers already. stop: when a talk ends early
    (npc_lab/stops.py). connection: another client and model than the experiment's. npc_class: who plays
    `first`; what such an object keeps besides its memory begins anew with each talk.
    """

    first: NPCConfig
    second: NPCConfig | Script | None = None
    opening: str = DEFAULT_OPENING
    turns: int = 6
    remembers: Sequence[tuple[str, str]] = field(default=(), kw_only=True)
    stop: StopCondition | None = field(default=None, kw_only=True)
    connection: tuple[Any, str] | None = field(default=None, kw_only=True)
    npc_class: Any = field(default=SimpleChatNPC, kw_only=True)

    def __post_init__(self) -> None:
        self._check()
        object.__setattr__(self, "remembers", tuple((said, answered) for said, answered in self.remembers))
        if self.second is None:
            object.__setattr__(self, "turns", 1)

    @property
    def most_turns(self) -> int:
        """How many lines a talk has at most: a script may be shorter than `turns`."""
        if isinstance(self.second, Script):
            return min(self.turns, 2 * len(self.second.lines) + 1)
        return self.turns

    def calls_from(self, turn: int) -> int:
        """Return how many calls a talk still costs if so many of its lines were spoken."""
        left = range(turn, self.most_turns)
        return sum(place % 2 == 0 for place in left) if isinstance(self.second, Script) else len(left)

    def stops(self) -> StopCondition:
        """Return when a talk ends before its turns are used up."""
        is_read = StopWhen(self._is_read, "the script was read to its end")
        return is_read | self.stop if self.stop else is_read

    def ended(self, talk: Sequence[Message], noted: str) -> str:
        """Return how a talk ended, as a kind: "turns", "stop", or what was noted ("" if it goes on).

        noted: as the arena wrote it. A program that was killed may have left a finished talk without it.
        """
        if noted in ("turns", "stop") or not spoken(talk):
            return noted
        try:
            if self.stops()(talk):
                return "stop"
        except Exception:  # a learner's own condition: what it raised was noted
            return noted
        return "turns" if len(spoken(talk)) >= self.turns else noted

    def content(self) -> dict[str, Any]:
        """Return what the scene is made of, as JSON values: two scenes with the same content are the same."""
        second: Any = self.second
        if isinstance(second, NPCConfig):
            second = _sheet(second)
        elif isinstance(second, Script):
            second = list(second.lines)
        return {
            "first": _sheet(self.first),
            "second": second,
            "opening": self.opening,
            "turns": self.turns,
            "remembers": [list(each) for each in self.remembers],
            "stop": _described(self.stop),
            "npc_class": _described(self.npc_class),
        }

    def _is_read(self, messages: Sequence[Message]) -> bool:
        return isinstance(self.second, Script) and len(spoken(messages)) > 2 * len(self.second.lines)

    def _check(self) -> None:
        if not isinstance(self.first, NPCConfig):
            raise ExperimentError(f"A scene's first is a character, an NPCConfig, not {self.first!r:.60}.")
        if not isinstance(self.second, NPCConfig | Script | None):
            raise ExperimentError(
                f"A scene's second is an NPCConfig, a Script(lines) or None, not {self.second!r:.60}."
            )
        if not isinstance(self.opening, str):
            raise ExperimentError(f"A scene's opening must be text, not {self.opening!r:.60}.")
        if not is_whole(self.turns) or self.turns < 1:
            raise ExperimentError(f"turns must be a whole number, 1 or more, not {self.turns!r:.60}.")
        if isinstance(self.remembers, str) or not all(
            isinstance(each, list | tuple) and len(each) == 2 and _are_lines(each) for each in self.remembers
        ):
            raise ExperimentError(
                "remembers must be a list of pairs (what was said, what it answered), not "
                f"{self.remembers!r:.60}."
            )
        if self.stop is not None and not isinstance(self.stop, StopCondition):
            raise ExperimentError(
                f"stop must be a stop condition, such as StopOnText('farewell'), not {self.stop!r:.60}."
            )
        if self.connection is not None and (
            not isinstance(self.connection, tuple) or len(self.connection) != 2
        ):
            raise ExperimentError("A scene's connection is what connect() returns: a client and a model.")
        if not callable(self.npc_class):
            raise ExperimentError(f"npc_class must be a class of NPCs, not {self.npc_class!r:.60}.")


class Reader:
    """Reads scripts: a partner for an arena, which knows by its talks what it has read in each."""

    def __init__(self) -> None:
        self.config = NPCConfig("", "", name=SCRIPT)
        self.seeds: dict[str, int] = {}
        self._scripts: dict[str, tuple[Script, Conversation]] = {}  # by the user who listens

    def take(self, script: Script, conversation: Conversation) -> None:
        """Read this script in this conversation."""
        self._scripts[conversation["npc1_user_id"]] = script, conversation

    def chat(self, user_message: str, user_id: str) -> str:
        """Return the next line of the script."""
        script, conversation = self._scripts[user_id]
        return script.lines[sum(message.seat == 2 for message in conversation["messages"])]


def _are_lines(lines: Any) -> bool:
    is_list = isinstance(lines, Sequence) and not isinstance(lines, str) and len(lines) > 0
    return is_list and all(isinstance(each, str) and each.strip() for each in lines)


def _sheet(config: NPCConfig) -> dict[str, Any]:
    """Return what stands on the sheet. A field at its default is no part: later kits may have more fields."""
    return {name: value for name, value in vars(config).items() if value != _DEFAULTS.get(name, MISSING)}


_DEFAULTS = {
    each.name: each.default_factory() if each.default_factory is not MISSING else each.default
    for each in fields(NPCConfig)
}


def _described(value: Any) -> Any:
    """Return a description that is the same in another process: functions and classes by their names."""
    if isinstance(value, partial):
        return [_described(value.func), _described(value.args), _described(value.keywords)]
    if isinstance(value, StopCondition):
        return [type(value).__name__, _described(vars(value))]
    if isinstance(value, Mapping):
        return {str(key): _described(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_described(each) for each in value]
    if value is None or isinstance(value, str | int | float):
        return value
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"
