"""What the form does for the embedded model, in full, and what it costs:

    python tests/benchmarks/bench_form.py [scratchpads] [lines] [worlds] [speed]

scratchpads: 60 replies of three characters that think first. lines: 48 lines of `npc-lab demo`, and how
each ended. worlds: 72 lines with the form and without it. speed: tokens a second with the form and without
it, taken by turns. All parts take ten minutes on two idle cores. The exit code is 1 if a limit was missed.
"""

import math
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import pairwise
from statistics import mean, median
from time import perf_counter
from typing import Any

from npc_lab import ChatArena, Message, NPCConfig, NPCFactory, ReplyError, SimpleChatNPC, connect
from npc_lab.measures import echoes
from npc_lab.scratchpad import SCRATCHPAD_INSTRUCTION
from npc_lab.text import words_in
from npc_lab.transcript import spoken
from npc_lab.wire.form import grammar
from npc_lab.worlds import WORLDS, load_world

OFF = {"request_options": {"grammar": ""}}
TURNS = 8
LIKELY = math.log(0.02)  # of the mark that ended a line, to the model itself
# What ends a line, judged apart from the form: no mark inside a word, or behind a blank or a comma.
WHOLE = re.compile(r"""[^\s,]["'”’)*]*[.!?]["'”’)*]*\Z""")
QUESTIONS = [
    "Hello! Who are you?",
    "What do you want?",
    "What do you hide from me?",
    "Tell me of this place.",
]
QUESTIONS += ["Do you trust me?", "What will you do next?", "Can you help me?", "I do not believe you."]
QUESTIONS += ["Why should I listen to you?", "Goodbye."]


class Recorder:
    """A client that keeps the replies as they came, with the log-probability of each token."""

    def __init__(self, client: Any):
        self.client, self.base_url, self.chat, self.completions = client, client.base_url, self, self
        self.choices: list[Any] = []

    def create(self, **request: Any) -> Any:
        """Pass the request on."""
        more = {name: request.pop(name) for name in ("grammar", "cache_prompt") if name in request}
        reply = self.client.chat.completions.create(**request, extra_body=more, logprobs=True, top_logprobs=1)
        self.choices.append(reply.choices[0])
        return reply


def runs(text: str, length: int = 4) -> set[tuple[str, ...]]:
    """The text's runs of so many words."""
    words = words_in(text)
    return set(zip(*(words[start:] for start in range(length)), strict=False))


def scratchpads(each: int = 20, seed: int | None = None) -> bool:
    """Replies of three characters that think first: half by `chat`, half by `stream`."""
    client, model = connect("local")
    good, alike, copied = 0, 0, 0
    for name in WORLDS:
        sheet = {**asdict(load_world(name).characters[0]), "has_scratchpad": True}
        npc = SimpleChatNPC(client, model, NPCConfig(**sheet))
        thoughts: list[str] = []
        for number in range(each):
            question, user = QUESTIONS[number % len(QUESTIONS)], f"user {number // len(QUESTIONS)}"
            if seed is not None:
                npc.seeds[user] = seed
            try:
                stream = npc.stream(question, user)
                if number % 2:
                    list(stream)
                    thought, answer = stream.reply.thought, stream.reply.text
                else:
                    answer = npc.chat(question, user)
                    thought = npc._reply_in(npc.chat_histories[user][-2:]).thought
            except ReplyError as error:
                print(f"{name}: {error}")
                continue
            print(f"{name}: ({thought}) {answer}")
            good += bool(thought.strip() and answer.strip())
            alike += thought in thoughts
            copied += bool(runs(thought) & runs(SCRATCHPAD_INSTRUCTION))
            thoughts.append(thought)
    print(f"a thought and an answer: {good} of {3 * each}; thoughts said before: {alike}; copied: {copied}")
    return good * 60 >= 58 * 3 * each and not alike and not copied


def talk(client: Any, model: str, name: str, seed: int, turns: int, **fields: Any) -> Any:
    """A talk of a shipped world, as `npc-lab demo` has it."""
    world = load_world(name)
    factory = NPCFactory(client, model)
    ids = [factory.register_npc(**{**asdict(each), **fields}) for each in world.characters]
    arena = ChatArena(factory)
    heard = arena.run_conversation(arena.start_conversation(*ids, world.opening, seed=seed), turns)
    assert len(heard) == turns + 1, "a reply failed"
    return heard


def ended_by_itself(choice: Any) -> tuple[bool, float]:
    """Whether the model ended the reply, and the log-probability of its last mark before the grammar."""
    marks = [token.logprob for token in choice.logprobs.content if re.search(r"[.!?]", token.token)]
    return choice.finish_reason == "stop", marks[-1] if marks else -math.inf


def lines(seeds: Iterable[int] = (1, 2), turns: int = TURNS) -> bool:
    """Lines of the demo, and how each ended."""
    client, model = connect("local")
    good = count = 0
    for name in WORLDS:
        for seed in seeds:
            recorder = Recorder(client)
            heard = talk(recorder, model, name, seed, turns)
            print(f"\n{name}, seed {seed}: {heard[0].content}")
            for line, choice in zip(spoken(heard), recorder.choices, strict=True):
                itself, likely = ended_by_itself(choice)
                how = f"ended, {math.exp(likely):.2f}" if itself else "the rest left off"
                is_good = bool(WHOLE.search(line.content)) and (not itself or likely > LIKELY)
                print(f"{'  ' if is_good else '! '}{heard.speaker(line)}: {line.content}  [{how}]")
                good, count = good + is_good, count + 1
    print(f"\nwhole sentences: {good} of {count}")
    return good * 48 >= 46 * count


def own_repeats(heard: list[Message]) -> float:
    """The share of a line's runs of 4 words that its speaker has said before, on average."""
    said: dict[Any, set[Any]] = {1: set(), 2: set()}
    shares = []
    for line in spoken(heard):
        now = runs(line.content)
        shares.append(len(now & said[line.seat]) / max(len(now), 1))
        said[line.seat] |= now
    return mean(shares)


def distinct_2(heard: list[Message]) -> float:
    """The share of a talk's pairs of words that are different."""
    pairs = [pair for line in spoken(heard) for pair in pairwise(words_in(line.content))]
    return len(set(pairs)) / max(len(pairs), 1)


def worlds(seeds: Iterable[int] = (1, 2, 3), turns: int = TURNS) -> bool:
    """The shipped worlds with the form and without it."""
    client, model = connect("local")
    options: dict[str, dict[str, Any]] = {"with the form": {}, "without it": OFF}
    for what, fields in options.items():
        talks = [talk(client, model, name, seed, turns, **fields) for name in WORLDS for seed in seeds]
        measured: list[tuple[str, Callable[[Any], float]]] = [
            ("whole", lambda heard: mean(bool(WHOLE.search(line.content)) for line in spoken(heard))),
            ("distinct-2", distinct_2),
            ("own repeats", own_repeats),
            ("echo", lambda heard: mean(echoes(heard))),
            ("characters", lambda heard: mean(len(line.content) for line in spoken(heard))),
        ]
        numbers = ", ".join(f"{name} {mean(map(measure, talks)):.3f}" for name, measure in measured)
        print(f"{what} ({len(talks)} talks of {turns} turns): {numbers}", flush=True)
    return True


def speed(times: int = 20) -> bool:
    """Tokens a second with each grammar beside none, by turns, and the first words of a first reply."""
    client, model = connect("local")
    forms = {"no form": "", "a line": grammar(False, 100), "a thought and an answer": grammar(True, 100)}
    taken: dict[str, list[float]] = {name: [] for name in forms}
    for number in range(times):
        for name, form in forms.items():
            reply: Any = client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": f"Tell me of the knights of London. ({number})"}],
                max_tokens=100,
                extra_body={"grammar": form, "ignore_eos": True},
            )
            taken[name].append(reply.timings["predicted_per_second"])
    is_good = True
    for name, numbers in taken.items():
        ratio = median(one / other for one, other in zip(numbers, taken["no form"], strict=True))
        print(f"{name}: {median(numbers):.0f} tokens a second, {ratio:.2f} of those without a form")
        is_good = is_good and ratio >= 0.9
    first = NPCFactory(client, model)
    npc_id = first.register_npc(**asdict(load_world("london").characters[0]))
    start = perf_counter()
    next(first.stream_with_npc(npc_id, first.register_user("you"), "Hello! Who are you?"))
    print(f"first words of a first reply: {perf_counter() - start:.2f} s")
    return is_good


PARTS: dict[str, Callable[[], bool]] = {
    "scratchpads": scratchpads,
    "lines": lines,
    "worlds": worlds,
    "speed": speed,
}

if __name__ == "__main__":
    met = [PARTS[name]() for name in sys.argv[1:] or PARTS]
    sys.exit(int(not all(met)))
