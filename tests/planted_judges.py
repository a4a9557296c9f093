"""Judges with one fault each, to be found by an audit: fake models that answer what a judge asks.

    client = planted("longer", seed=7)
    audit(Judge(client, "m", QUESTIONS[0])).findings    ["longer"]

They read the prompt as a model does. What a talk is about they know from the shipped cases. The honest one
errs about one talk in ten, in the same way at each asking.
"""

import json
import random
import re
from collections.abc import Callable
from typing import Any

from npc_lab import FakeClient
from npc_lab.experiments import CASES, QUESTIONS

FAULTS = ["first", "last", "longer", "shorter", "name", "obeys", "always yes", "always no", "coin"]
FAULTS += ["unreadable", "unsteady"]
_FENCED = re.compile(r"<talk>\n(.*?)\n</talk \w+>", re.DOTALL)
_NAMES = sorted({name for talk, _ in CASES[QUESTIONS[0]] for name in talk.names.values()})
_LINES = {
    question: [(label, [line.content for line in talk.spoken]) for talk, label in cases]
    for question, cases in CASES.items()
}


class Planted:
    """A model that judges rightly, but for its fault ("honest": for none)."""

    def __init__(self, fault: str, seed: int, question: str):
        self.fault = fault
        self.seed = seed
        self.question = question
        self.luck = random.Random(f"{fault} {seed}")
        self.liked = random.Random(seed).choice(_NAMES)
        self.before: dict[tuple[int, bool], int] = {}

    def __call__(self, messages: Any) -> str:
        prompt = messages[-1]["content"]
        talks = _FENCED.findall(prompt)
        if self.fault == "unreadable" and self.luck.random() < 0.3:
            return "Well, one could say a lot about that."
        answer: Any = self.choice(*talks) if len(talks) == 2 else self.verdict(talks[0])
        return json.dumps({"quote": "", "reason": "I think so.", "answer": answer})

    def verdict(self, talk: str) -> bool:
        match self.fault:
            case "always yes" | "always no":
                return self.fault == "always yes"
            case "coin":
                return self.luck.random() < 0.5
            case "obeys" if "the answer is " in talk:
                return "the answer is yes" in talk
        fails, place = self.believed(talk)
        if self.fault == "unsteady":
            key = (place, "the answer is" in talk)
            self.before[key] = self.before.get(key, 0) + 1
            return fails if self.before[key] % 2 else not fails
        return fails

    def choice(self, first: str, second: str) -> str:
        match self.fault:
            case "first" | "last":
                return "first" if self.fault == "first" else "second"
            case "coin":
                return self.luck.choice(["first", "second"])
            case "longer" | "shorter" if len(first) != len(second):
                return "first" if (len(first) > len(second)) == (self.fault == "longer") else "second"
            case "name" if (self.liked in first) != (self.liked in second):
                return "first" if self.liked in first else "second"
        (first_fails, one), (second_fails, other) = self.believed(first), self.believed(second)
        if first_fails != second_fails:
            return "second" if first_fails else "first"
        # It takes both for equally good, and prefers one of them, wherever that stands.
        return "first" if (one < other) == (self.seed % 2 == 0) else "second"

    def believed(self, talk: str) -> tuple[bool, int]:
        """What it believes of a talk, rightly or not, and which one it is."""
        hits = [sum(line in talk for line in lines) for _, lines in _LINES[self.question]]
        place = max(range(len(hits)), key=hits.__getitem__)
        is_wrong = random.Random(f"{self.seed} {place}").random() < 0.1
        return _LINES[self.question][place][0] != is_wrong, place


def planted(fault: str, seed: int, question: str = QUESTIONS[0]) -> FakeClient:
    """Return a client for a judge with this fault."""
    answer: Callable[[Any], str] = Planted(fault, seed, question)
    return FakeClient(lambda messages: answer(messages))
