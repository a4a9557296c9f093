"""Three hosts whom every card of a tournament meets, in one scene: an inn where all worlds meet.

They are written as the shipped worlds are, so that a very small model can play them (npc_lab/worlds.py). Each
asks for something else: a story, a reason, an explanation.
"""

from __future__ import annotations

from collections.abc import Sequence

from npc_lab.character import NPCConfig
from npc_lab.errors import ExperimentError, did_you_mean

ABOUT = (
    "An inn where the roads of all worlds meet. It is late, it rains, and a traveller comes in from another "
    "world. One of three people of the house is at the door."
)
OPENING = "Good evening, traveller! Come in. Who are you, and what brings you here tonight?"
_MANNER = "Answer in one or two short sentences."


def hosts(names: Sequence[str] = ()) -> dict[str, NPCConfig]:
    """Return new sheets of these hosts, by name; of all three if none is named. Raise `ExperimentError`."""
    found = {host.name: host for host in (_innkeeper(), _guard(), _child())}
    for name in names:
        if name not in found:
            advice = did_you_mean(name, found, f"The hosts are {', '.join(found)}.")
            raise ExperimentError(f"There is no host {name!r:.60}. {advice}")
    return {name: found[name] for name in names} or found


def _innkeeper() -> NPCConfig:
    return _host(
        "Marta",
        "You are Marta, the innkeeper. You are warm and curious, and you have soup on the fire.",
        "Hear a story that you have never heard before.",
        [
            ("Who are you?", "I am Marta, and this soup has been waiting for you."),
            ("I come from far away.", "Then sit down and tell me! What was the strangest thing on the way?"),
        ],
    )


def _guard() -> NPCConfig:
    return _host(
        "Brandt",
        "You are Brandt, the guard at the inn's door. You are tired, suspicious, and fair.",
        "Find out whether the traveller may be trusted.",
        [
            ("Who are you?", "I am Brandt, and nobody goes in before I know why."),
            ("Let me in!", "First tell me one thing: who sent you here?"),
        ],
    )


def _child() -> NPCConfig:
    return _host(
        "Pim",
        "You are Pim, the innkeeper's child, eight years old. You should be in bed, and you ask why.",
        "Understand what the traveller does all day, and why.",
        [
            ("Who are you?", "I am Pim! Why are you wet?"),
            ("I am a knight.", "Why does a knight come here? Do you have a horse?"),
        ],
    )


def _host(name: str, description: str, goal: str, examples: list[tuple[str, str]]) -> NPCConfig:
    return NPCConfig(
        ABOUT,
        f"{description} {_MANNER}",
        name=name,
        goal=goal,
        examples=examples,
        history_size=4,
        max_reply_tokens=40,
    )
