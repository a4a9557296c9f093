"""All exercises of the course, in the order of its lessons."""

from __future__ import annotations

from npc_lab.lessons.checking.exercise import Exercise
from npc_lab.lessons.exercises import (
    lesson00_setup,
    lesson01_messages,
    lesson02_memory,
    lesson03_scratchpad,
    lesson04_character,
    lesson05_arena,
    lesson06_counting,
    lesson07_experiment,
    lesson08_judging,
    lesson09_voting,
)

_LESSONS = (
    lesson00_setup,
    lesson01_messages,
    lesson02_memory,
    lesson03_scratchpad,
    lesson04_character,
    lesson05_arena,
    lesson06_counting,
    lesson07_experiment,
    lesson08_judging,
    lesson09_voting,
)
EXERCISES: dict[str, Exercise] = {each.name: each for lesson in _LESSONS for each in lesson.exercises}


def find(name: str) -> tuple[Exercise, str] | None:
    """Return the exercise and the part for a name such as "arena" or "arena.turn", or None."""
    if not isinstance(name, str):
        return None
    exercise, dot, part = name.partition(".")
    found = EXERCISES.get(exercise)
    if found is None or (dot and part not in found.parts()):
        return None
    return found, part
