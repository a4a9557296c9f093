"""A question: scenes that differ in one thing, so many talks of each, and what is measured in a talk.

The first scene is what the others are compared with. Of the measures one is the main one: it gets a verdict,
for who looks at six measures finds by chance something in every fourth experiment.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from npc_lab.character import NPCConfig
from npc_lab.errors import ExperimentError, did_you_mean
from npc_lab.experiments.estimates import LEVEL, is_whole
from npc_lab.experiments.scene import Scene
from npc_lab.transcript import Transcript

Measure = Callable[[Transcript], Any]
_TAKEN = ("scene", "number", "ended")  # keys of a row


class Question:
    """What an experiment asks. Raise `ExperimentError` if it cannot be asked like this.

    scenes: names and scenes. measures: functions of a transcript that return a number, True or False, or None
    if it cannot be said; a mapping gives them other names than their own. talks: how many of each scene.
    main: the name of the measure that gets a verdict, the first if not named. prediction: what you expect,
    written down before.
    """

    def __init__(
        self,
        name: str,
        scenes: Mapping[str, Scene],
        measures: Sequence[Measure] | Mapping[str, Measure],
        *,
        talks: int = 20,
        main: str | None = None,
        prediction: str = "",
    ):
        if not isinstance(name, str) or not name.strip():
            raise ExperimentError(f"An experiment's name must be text, not {name!r:.60}.")
        if not is_whole(talks) or talks < 1:
            raise ExperimentError(
                f"talks must be a whole number, 1 or more, not {talks!r:.60}. With fewer than 10 of each "
                "scene only very large differences can be seen."
            )
        if not isinstance(prediction, str):
            raise ExperimentError(f"A prediction must be text, not {prediction!r:.60}.")
        self.name = name
        self.scenes = _checked_scenes(scenes)
        self.measures = _named(measures)
        self.talks = talks
        self.main = main if main is not None else next(iter(self.measures))
        self.prediction = prediction
        self.measure(self.main)

    def __repr__(self) -> str:
        scenes = ", ".join(map(repr, self.scenes))
        return f"{type(self).__name__}({self.name!r}: {scenes}; {self.talks} talks each)"

    @property
    def baseline(self) -> str:
        """The name of the scene that the others are compared with."""
        return next(iter(self.scenes))

    @property
    def others(self) -> list[str]:
        """The names of the scenes that are compared with it."""
        return list(self.scenes)[1:]

    @property
    def level(self) -> float:
        """The level of a comparison: with k scenes 1 - .05/(k - 1): together they err 1 time in 20."""
        return 1 - (1 - LEVEL) / max(len(self.others), 1)

    def measure(self, name: str) -> Measure:
        """Return the measure with this name. Raise `ExperimentError` if there is none."""
        if name not in self.measures:
            raise ExperimentError(f"There is no measure {name!r:.60}. {_meant(name, self.measures)}")
        return self.measures[name]

    def scene(self, name: str) -> Scene:
        """Return the scene with this name. Raise `ExperimentError` if there is none."""
        if name not in self.scenes:
            raise ExperimentError(f"There is no scene {name!r:.60}. {_meant(name, self.scenes)}")
        return self.scenes[name]

    def seed(self, scene: str, number: int) -> int:
        """Return the seed of a talk: the same in any store and process."""
        return int.from_bytes(hashlib.sha256(_json([self.name, scene, number])).digest()[:4]) >> 1

    def what_differs(self) -> str:
        """Return a warning if scenes differ in more than one thing, or in nothing; else ""."""
        first = _parts(self.scenes[self.baseline])
        for name in self.others:
            other = _parts(self.scenes[name])
            unlike = _unlike(first, other)
            if not unlike:
                return f"{name!r} is the same scene as {self.baseline!r}: what differs here is chance."
            if len(unlike) > 1:
                return (
                    f"{name!r} differs from {self.baseline!r} in more than one thing ({', '.join(unlike)}): "
                    "which of them makes a difference cannot be told."
                )
        return ""


def hashed(*content: Any) -> str:
    """Return the SHA-256 of JSON values, as hexadecimal digits."""
    return hashlib.sha256(_json(content)).hexdigest()


def _json(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True).encode("ascii")


def _meant(name: Any, known: Mapping[str, Any]) -> str:
    return did_you_mean(str(name), known, f"There are {', '.join(known)}.")


def _parts(scene: Scene) -> dict[str, Any]:
    """Return the things in which scenes can differ, each field of a character for itself."""
    parts = scene.content() | {
        "connection": scene.connection and [id(scene.connection[0]), scene.connection[1]]
    }
    for seat in ("first", "second"):
        if isinstance(getattr(scene, seat), NPCConfig):
            parts |= {f"{seat}.{name}": value for name, value in parts.pop(seat).items()}
    return parts


def _unlike(first: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the parts in which two scenes differ. The same change of both characters is one."""
    unlike = [part for part in sorted(first.keys() | other.keys()) if first.get(part) != other.get(part)]

    def is_as_in_the_first(part: str) -> bool:
        same = part.replace("second.", "first.", 1)
        return (
            same != part
            and same in unlike
            and all(each.get(part) == each.get(same) for each in (first, other))
        )

    return [part for part in unlike if not is_as_in_the_first(part)]


def _checked_scenes(scenes: Any) -> dict[str, Scene]:
    if not isinstance(scenes, Mapping) or not scenes:
        raise ExperimentError(
            "The scenes are a mapping from names to scenes, such as {'plain': Scene(knight)}, not "
            f"{scenes!r:.60}."
        )
    for name, scene in scenes.items():
        if not isinstance(name, str) or not name.strip():
            raise ExperimentError(f"A scene's name must be text, not {name!r:.60}.")
        if not isinstance(scene, Scene):
            raise ExperimentError(f"{name!r} must be a Scene, not {scene!r:.60}.")
    return dict(scenes)


def _named(measures: Any) -> dict[str, Measure]:
    """Return the measures by their names."""
    if isinstance(measures, Mapping):
        named = list(measures.items())
    elif isinstance(measures, Sequence) and not isinstance(measures, str):
        named = [(getattr(each, "__name__", ""), each) for each in measures]
    else:
        raise ExperimentError(f"The measures are a list of functions, or a mapping, not {measures!r:.60}.")
    if not named:
        raise ExperimentError("An experiment needs a measure: a function of a transcript.")
    found: dict[str, Measure] = {}
    for name, measure in named:
        if not callable(measure):
            raise ExperimentError(f"A measure is a function of a transcript, not {measure!r:.60}.")
        if not isinstance(name, str) or not name.strip() or name == "<lambda>":
            raise ExperimentError("A measure has no name: name it in a mapping, {'gold': lambda talk: ...}.")
        if name in found:
            raise ExperimentError(
                f"Two measures are called {name!r}: name it in a mapping, {{'name': function}}."
            )
        if name in _TAKEN:
            raise ExperimentError(
                f"A measure cannot be called {name!r}: a row has that already. Name it otherwise."
            )
        found[name] = measure
    return found
