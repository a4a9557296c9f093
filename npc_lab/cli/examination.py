"""`npc-lab doctor --full`: some twenty calls that try what the lessons need of an endpoint.

What comes of them is a report in Markdown that can be shown to others: it holds no key, no address but its
host, and none of the words that were exchanged.

    - **A reply in one piece**: after 0.8 s; it keeps to the sheet.
    - **A stream**: first words after 0.3 s, 21 pieces, all after 0.9 s; tokens are counted.
    - **Seeds**: the same seed gives the same reply, another seed another one.
    - **6 calls at once**: all answered, in 1.4 s.

A call that fails is a line of the report. After a failure that all others would share, such as a key that is
refused, nothing more is asked.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import replace
from datetime import date
from itertools import pairwise
from platform import python_version
from typing import Any
from urllib.parse import urlsplit

from npc_lab.character import NPCConfig
from npc_lab.cli.doctor import installed_version
from npc_lab.cli.screen import Screen
from npc_lab.endpoints.connect import Connection
from npc_lab.endpoints.origins import ORIGINS
from npc_lab.errors import ReplyError
from npc_lab.experiments.judging.asking import ask
from npc_lab.experiments.judging.cases import CASES
from npc_lab.experiments.judging.judge import Judge
from npc_lab.npc import SimpleChatNPC
from npc_lab.reply import ReplyStream
from npc_lab.wire.dialects import known
from npc_lab.wire.usage import Usage

# After one of these, every other call would fail in the same way.
_IN_VAIN = ("auth", "permission", "model_not_found", "bad_address", "quota", "connection")
_AT_ONCE = 6  # calls
_LIMIT = 5  # tokens
_SWORD, _GUEST, _LETTERS = "Gertrude", "Rosamund", "Grüße 漢字 🗡"
_SHEET = NPCConfig(
    "London, 1250.",
    f"You are Sir Guy, a knight. Your sword is called {_SWORD}. You answer in one short sentence.",
    max_reply_tokens=400,
)
_ASK_FOR_SWORD = "What is your sword called?"
_TELL = "Tell me of a dream you had."
_OPTIONS = {"top_p": 0.9, "presence_penalty": 0.1, "frequency_penalty": 0.1}


class Examination:
    """An endpoint that is being examined: each method asks it something and returns a sentence.

    usage: what all calls so far have cost. Methods raise `ReplyError` if no reply comes.
    """

    def __init__(self, connection: Connection):
        self._connection = connection
        self._npcs: list[SimpleChatNPC] = []
        self._others = Usage()  # calls without a character

    @property
    def usage(self) -> Usage:
        return sum((npc.usage() for npc in self._npcs), self._others)

    def whole(self) -> str:
        """Ask for a reply in one piece."""
        npc, started = self._npc(), time.perf_counter()
        text = npc.chat(_ASK_FOR_SWORD, "doctor")
        return f"after {_since(started)}; it {_does(_SWORD in text, 'keep')} to the sheet."

    def stream(self) -> str:
        """Ask for a stream, and look when its pieces come."""
        started, arrivals = time.perf_counter(), list[float]()
        stream = self._npc().stream(_TELL, "doctor")
        for _ in stream:
            arrivals.append(time.perf_counter() - started)
        counted = "are" if stream.reply.usage is not None else "are not"
        return (
            f"first words after {arrivals[0]:.1f} s, {len(arrivals)} pieces, all after {arrivals[-1]:.1f} s; "
            f"tokens {counted} counted."
        )

    def stop(self) -> str:
        """Stop a stream at its first piece."""
        stream = self._npc(max_reply_tokens=1_000).stream("Tell me a long story.", "doctor")
        next(stream)
        started = time.perf_counter()
        stream.close()
        return f"a reply ends {_since(started)} after it is told to."

    def memory(self) -> str:
        """Tell it a name, and ask for the name."""
        npc = self._npc()
        npc.chat(f"My name is {_GUEST}.", "doctor")
        return f"it {_does(_GUEST in npc.chat('What is my name?', 'doctor'), 'know')} what was said before."

    def thoughts(self) -> str:
        """Let it think in private first."""
        stream = self._read(self._npc(has_scratchpad=True), "Where is your gold?")
        return f"it {_does(bool(stream.reply.thought), 'think')} before it speaks."

    def letters(self) -> str:
        """Let it repeat letters that not every program takes."""
        npc = self._npc(character_description="You repeat what you are told, letter by letter.")
        text = npc.chat(_LETTERS, "doctor")
        return f"{sum(part in text for part in _LETTERS.split())} of 3 words in other letters come back."

    def limit(self) -> str:
        """Cut a reply short."""
        stream = self._read(self._npc(max_reply_tokens=_LIMIT), _TELL, may_be_cut=True)
        written = getattr(stream.reply.usage, "completion_tokens", None)
        of = "" if written is None else f" after {written} tokens"
        return f"asked for {_LIMIT} tokens, a reply ends{of} with “{stream.reply.finish_reason}”."

    def seeds(self) -> str:
        """Ask three times the same, twice with one seed."""
        texts = [self._with_seed(seed) for seed in (7, 7, 8)]
        same, other = (first == second for first, second in pairwise(texts))
        return (
            f"the same seed gives {'the same reply' if same else 'another reply'}, "
            f"another seed {'the same one' if other else 'another one'}."
        )

    def options(self) -> str:
        """Send further fields along; what is refused stands among the notes."""
        self._read(self._npc(request_options=_OPTIONS), _TELL)
        return f"a request with {', '.join(_OPTIONS)} is answered."

    def ends_at(self) -> str:
        """Name a text at which the reply shall end."""
        npc = self._npc(request_options={"stop": ["4"]}, character_description="You count in digits.")
        text = self._read(npc, "Count from 1 to 7.").reply.text
        return f"a reply {_does('4' not in text, 'end')} at the text in `stop`."

    def log_probabilities(self) -> str:
        """Ask for those of one letter."""
        messages = [{"role": "user", "content": "Is the earth round? Answer A for yes, B for no."}]
        answer = ask(*self._connection, messages, 1, letters=True)
        self._others += answer.usage
        return "none are sent." if answer.letters is None else f"of {len(answer.letters)} candidates."

    def verdict(self) -> str:
        """Let it judge a talk with a known answer."""
        question, cases = next(iter(CASES.items()))
        talk, truth = cases[0]
        judge = Judge(*self._connection, question)
        verdict = judge.verdict(talk)
        self._others += judge.usage()
        if verdict.answer is None:
            return f"cannot be read: {verdict.unscored.partition(' (')[0]}."
        return f"can be read, and is {'right' if verdict.answer == truth else 'wrong'}."

    def at_once(self) -> str:
        """Ask several times at once, as a class does."""
        started = time.perf_counter()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            failures = list(filter(None, pool.map(self._failure, [self._npc() for _ in range(_AT_ONCE)])))
        answered = f"{_AT_ONCE - len(failures)} of {_AT_ONCE}" if failures else "all"
        kinds = f"; the others: {', '.join(sorted(set(failures)))}" if failures else ""
        return f"{answered} answered, in {_since(started)}{kinds}."

    def _npc(self, **changes: Any) -> SimpleChatNPC:
        self._npcs.append(SimpleChatNPC(*self._connection, replace(_SHEET, **changes)))
        return self._npcs[-1]

    def _read(self, npc: SimpleChatNPC, words: str, may_be_cut: bool = False) -> ReplyStream:
        stream = npc.stream(words, "doctor")
        try:
            for _ in stream:
                pass
        except ReplyError as error:
            if not (may_be_cut and error.kind in ("cut_off", "no_answer")):
                raise
        return stream

    def _with_seed(self, seed: int) -> str:
        npc = self._npc(temperature=1.2)
        npc.seeds["doctor"] = seed
        return npc.chat(_TELL, "doctor")

    @staticmethod
    def _failure(npc: SimpleChatNPC) -> str:
        try:
            npc.chat(_ASK_FOR_SWORD, "doctor")
        except ReplyError as error:
            return error.kind
        return ""


_QUESTIONS: dict[str, Callable[[Examination], str]] = {
    "A reply in one piece": Examination.whole,
    "A stream": Examination.stream,
    "Stop": Examination.stop,
    "Memory": Examination.memory,
    "Private thoughts": Examination.thoughts,
    "Letters": Examination.letters,
    "A limit": Examination.limit,
    "Seeds": Examination.seeds,
    "Options": Examination.options,
    "An end": Examination.ends_at,
    "Log-probabilities": Examination.log_probabilities,
    "A verdict": Examination.verdict,
    f"{_AT_ONCE} calls at once": Examination.at_once,
}


def report_on(screen: Screen, connection: Connection) -> bool:
    """Ask all questions, print the report line by line, and return whether each got a reply."""
    examination, failures = Examination(connection), 0
    screen.say(_head(connection))
    screen.say()
    for name, question in _QUESTIONS.items():
        try:
            with redirect_stdout(io.StringIO()):  # what the endpoint refuses is said below, once
                found = question(examination)
        except ReplyError as error:
            failures += 1
            # Its detail, in the endpoint's own words, may name an account.
            screen.say(f"**{name}**: failed ({error.kind}). {error.what}", indent="- ")
            if error.kind in _IN_VAIN:
                screen.say("Nothing more was asked.", indent="- ")
                break
        else:
            screen.say(f"**{name}**: {found}", indent="- ")
    for adaptation in known(*connection):
        screen.say(adaptation.note, indent="- ")
    screen.say(f"In all: {examination.usage}.", indent="- ")
    return not failures


def _head(connection: Connection) -> str:
    client, model = connection
    origin = ORIGINS.get(client)
    host = urlsplit(str(getattr(client, "base_url", ""))).hostname
    where = (origin and origin.provider) or host or "an endpoint"
    kit, sdk = map(installed_version, ("npc-lab", "openai"))
    return (
        f"npc-lab {kit}, `{model}` of {where}, openai {sdk}, Python {python_version()}, "
        f"{date.today():%Y-%m-%d}"
    )


def _since(started: float) -> str:
    return f"{time.perf_counter() - started:.1f} s"


def _does(is_so: bool, verb: str) -> str:
    return f"{verb}s" if is_so else f"does not {verb}"
