"""A character: who it is, what it wants, and how it remembers. No model and no memory yet.

    knight = NPCConfig("London, 1250.", "You are Sir Guy, a knight.", goal="Find your horse.")
    knight.called()    returns "Sir Guy"
    print(knight.system_message())

        WORLD SETTING: London, 1250.
        ###
        You are Sir Guy, a knight.

        Your goal: Find your horse.

Every field is explained at `NPCConfig`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from npc_lab.errors import CharacterError
from npc_lab.memory import MEMORIES
from npc_lab.scratchpad import SCRATCHPAD_INSTRUCTION

SEND_THOUGHTS = ("all", "last", "none")


@dataclass
class NPCConfig:
    """The character sheet. To give a field an invalid value raises `CharacterError` at once.

    world_description: the world it lives in.
    character_description: who it is, written to it: "You are ...". Both are sent whole, at every turn.
    history_size: how many earlier messages it remembers at most. Below 2, nothing.
    has_scratchpad: whether it thinks in private before it answers.
    name: what others call it.
    goal: what it wants to reach.
    secrets: what it knows and must not tell.
    taboo: what it never speaks of, for instance what its world cannot know.
    temperature: 0 for the likeliest words, higher for more surprising ones; None leaves it to the endpoint.
    max_reply_tokens: where a reply is cut, in tokens; None leaves it to the endpoint.
    memory: how it forgets: "blocks", "sliding" or "all" (npc_lab/memory.py).
    send_thoughts: which of its own private thoughts it is reminded of: "all", "last" or "none".
    examples: pairs (what a user says, what it answers, marks included), sent before each talk as if they
        had been said. They show a small model the form. Never forgotten, and in no history.
    greeting: what it says first, before a user has said anything. A chat box shows it.
    request_options: further fields of each request, by name: {"top_p": 0.9, "stop": ["###"]}.
    """

    world_description: str
    character_description: str
    history_size: int = 10
    has_scratchpad: bool = False
    name: str = ""
    goal: str = ""
    secrets: list[str] = field(default_factory=list)
    taboo: list[str] = field(default_factory=list)
    temperature: float | None = 0.6
    max_reply_tokens: int | None = None
    memory: str = "blocks"
    send_thoughts: str = "all"
    examples: list[tuple[str, str]] = field(default_factory=list)
    greeting: str = ""
    request_options: dict[str, Any] = field(default_factory=dict)

    def __setattr__(self, field_name: str, value: Any) -> None:
        if field_name in ("secrets", "taboo") and isinstance(value, str):
            value = [value] if value else []
        if field_name == "request_options":
            _refuse_options(value)
        if problem := _problem(field_name, value):
            raise CharacterError(f"{field_name} {problem}, not {value!r:.60}.")
        if field_name == "examples":  # read from a file, pairs are lists
            value = [(said, answered) for said, answered in value]
        super().__setattr__(field_name, value)

    def called(self) -> str:
        """Return the character's name, or the one that its description begins with, or ""."""
        return self.name or name_in(self.character_description)

    def system_message(self) -> str:
        """Return what the model is told before each talk: the world, the character, and how to think."""
        parts = [f"WORLD SETTING: {self.world_description}\n###\n{self.character_description}"]
        if self.name:
            parts.append(f"Your name is {self.name}.")
        if self.goal:
            parts.append(f"Your goal: {self.goal}")
        if self.secrets:
            parts.append("What you know and never tell:\n" + _bullets(self.secrets))
        if self.taboo:
            parts.append("What you never speak of:\n" + _bullets(self.taboo))
        if self.has_scratchpad:
            parts.append(SCRATCHPAD_INSTRUCTION)
        return "\n\n".join(parts)


# The kit writes these itself; what a character may choose among them has a field of its own.
_NOT_OPTIONS = {
    "temperature": "Write it into the field temperature.",
    "max_tokens": "Write it into the field max_reply_tokens.",
    "max_completion_tokens": "Write it into the field max_reply_tokens.",
    "extra_body": "Write its fields directly into request_options.",
    "n": "A character gives one reply at a time.",
    "timeout": "Give the client a timeout instead.",
    **dict.fromkeys(("model", "messages", "stream", "stream_options"), "The kit writes it itself."),
    **dict.fromkeys(
        ("tools", "tool_choice", "functions", "function_call", "modalities", "audio", "web_search_options"),
        "A character answers with text only.",
    ),
    **dict.fromkeys(
        ("store", "service_tier", "extra_headers", "extra_query"), "It is no part of a character."
    ),
}


def _refuse_options(options: Any) -> None:
    """Raise `CharacterError` unless these are options that a character may have."""
    if not isinstance(options, Mapping) or not all(isinstance(name, str) and name for name in options):
        raise CharacterError(f"request_options must be a dict of names and values, not {options!r:.60}.")
    for name, value in options.items():
        if name in _NOT_OPTIONS:
            raise CharacterError(f"request_options cannot hold {name!r}. {_NOT_OPTIONS[name]}")
        try:
            same = json.loads(json.dumps(value, allow_nan=False)) == value
        except (TypeError, ValueError, RecursionError):
            same = False
        if not same:
            raise CharacterError(f"request_options[{name!r}] must be a JSON value, not {value!r:.60}.")


FIELDS = tuple(each.name for each in fields(NPCConfig))

_TITLE = r"(?:(?:Dr|Mr|Mrs|Ms|St)\. )?"
_CAPITALISED = r"(?!An? |The )[A-ZÀ-ÖØ-Þ](?:[\w-]|['’](?!s\b))*"
_FULL_NAME = rf"{_TITLE}{_CAPITALISED}(?: (?:(?:of|the|von|de|van|du) )?{_CAPITALISED})*"
_NAME = re.compile(
    r"Your name is ([^\n]+?)\.(?:\n|$)"
    rf"|\bYou are ({_FULL_NAME})(?![\w'’])"
    rf"|(?:\A|###\n)({_FULL_NAME})(?= is\b|,)"
)


def name_in(description: str) -> str:
    """Return the name in "Your name is Ada.", "You are Sir Guy of Kent" or "Ada is a witch", or ""."""
    found = _NAME.search(description)
    return next(filter(None, found.groups())) if found else ""


def _is_pair(example: Any) -> bool:
    is_pair = isinstance(example, list | tuple) and len(example) == 2
    return is_pair and all(isinstance(each, str) and each.strip() for each in example)


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _problem(field_name: str, value: Any) -> str | None:
    """Return what is wrong with this value for this field, in the words that follow the field's name."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_whole = is_number and isinstance(value, int)
    match field_name:
        case "world_description" | "character_description" | "name" | "goal" | "greeting":
            right, needed = isinstance(value, str), "must be text"
        case "history_size":
            right, needed = is_whole and value >= 0, "must be a whole number of messages, 0 or more"
        case "has_scratchpad":
            right, needed = isinstance(value, bool), "must be True or False"
        case "secrets" | "taboo":
            right = isinstance(value, list | tuple) and all(isinstance(line, str) for line in value)
            needed = "must be a list of texts"
        case "examples":
            right = isinstance(value, list | tuple) and all(_is_pair(each) for each in value)
            needed = "must be a list of pairs (what a user says, what the character answers)"
        case "temperature":
            right, needed = value is None or (is_number and 0 <= value <= 2), "must be a number from 0 to 2"
        case "max_reply_tokens":
            right, needed = (
                value is None or (is_whole and value > 0),
                "must be a whole number of tokens above 0",
            )
        case "memory":
            right, needed = str(value) in MEMORIES, f"must be one of {', '.join(map(repr, MEMORIES))}"
        case "send_thoughts":
            right, needed = (
                str(value) in SEND_THOUGHTS,
                f"must be one of {', '.join(map(repr, SEND_THOUGHTS))}",
            )
        case _:
            return None
    return None if right else needed
