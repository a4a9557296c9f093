"""The embedded model beside its limits, by hand and on an otherwise idle machine (Linux):

    python tests/benchmarks/bench_embedded.py [turns]

Fetches the weights first if they are not there. A talk of 40 turns for each memory: some four minutes.
"""

import os
import sys
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import Any

from openai import OpenAI

from npc_lab import ChatArena, NPCFactory
from npc_lab.endpoints.embedded import Server, serve
from npc_lab.endpoints.fast_copy import fast_copy

WORLD = (
    "London in the thirteenth century. Hanseatic merchants trade wool, furs and salt; knights come home from "
    "the crusades, poor and proud. The market is loud and the inns are crowded."
)
KNIGHT = (
    "You are Sir Geoffrey, an impoverished knight. You want to sell your grandfather's sword for 20 marks "
    "and never admit that you need them. You speak proudly. Answer in one to three sentences."
)
MERCHANT = (
    "You are Hildebrand, a merchant of the Hanse. You buy old weapons cheaply and sell them in Novgorod. You "
    "are friendly and shrewd and like to tell of your voyages. Answer in one to three sentences."
)
REPLY_TOKENS = 80
COUNTED_FROM = 12  # turns before that fill the memory
# Tokens read anew in turns 13 to 40: blocks and sliding as llama.cpp does it by itself.
LIMITS = {"blocks": "177", "sliding": "728", "all": "-"}


class Recorder:
    """A client that keeps the server's own `timings` of each reply."""

    def __init__(self, client: OpenAI):
        self.client, self.chat, self.completions = client, self, self
        self.timings: list[dict[str, float]] = []
        self.seconds: list[float] = []

    def create(self, **request: Any) -> Any:
        """Pass the request on; a seed makes runs alike."""
        start = perf_counter()
        reply: Any = self.client.chat.completions.create(**request, seed=len(self.timings))
        self.seconds.append(perf_counter() - start)
        self.timings.append(reply.timings)
        return reply


def memory_of(process_id: int) -> float:
    """Resident memory in MB."""
    status = Path(f"/proc/{process_id}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1000


def report(what: str, measured: str, limit: str) -> None:
    print(f"{what:44} {measured:>24}   {limit}", flush=True)


def seconds_to_first_words(server: Server) -> float:
    messages: Any = [
        {"role": "system", "content": f"WORLD SETTING: {WORLD}\n###\n{KNIGHT}"},
        {"role": "user", "content": "Hello! Who are you?"},
    ]
    start = perf_counter()
    client = OpenAI(base_url=server.base_url, api_key="none")
    for chunk in client.chat.completions.create(model=server.model, messages=messages, stream=True):
        if chunk.choices and chunk.choices[0].delta.content:
            break
    return perf_counter() - start


def talk(memory: str, turns: int) -> None:
    """One talk on a server of its own."""
    server = serve()
    recorder = Recorder(OpenAI(base_url=server.base_url, api_key="none", max_retries=0))
    factory = NPCFactory(recorder, server.model)
    knight, merchant = (
        factory.register_npc(WORLD, character, memory=memory, max_reply_tokens=REPLY_TOKENS)
        for character in (KNIGHT, MERCHANT)
    )
    arena = ChatArena(factory)
    conversation = arena.start_conversation(knight, merchant)
    spoken = len(arena.run_conversation(conversation, max_turns=turns)) - 1
    later = recorder.timings[COUNTED_FROM:]
    new, old, said, reading = (
        mean(each[name] for each in later) for name in ("prompt_n", "cache_n", "predicted_n", "prompt_ms")
    )
    report(
        f"{memory}: tokens read anew a turn",
        f"{new:.0f} of {new + old:.0f} in {reading / 1000:.1f} s",
        LIMITS[memory],
    )
    report(
        f"{memory}: seconds a turn", f"{mean(recorder.seconds[COUNTED_FROM:]):.1f} for {said:.0f} tokens", "-"
    )
    engine, python = memory_of(server._process.pid), memory_of(os.getpid())
    report(f"{memory}: memory after {spoken} turns", f"{engine:.0f} + {python:.0f} MB", "500 MB")
    server.close()


def main() -> None:
    """Everything the issue sets a limit for."""
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    fast_copy()
    report("", "measured", "limit")
    start = perf_counter()
    server = serve()
    report("seconds to ready, weights in the cache", f"{perf_counter() - start:.2f}", "5")
    report("seconds to the first words", f"{seconds_to_first_words(server):.2f}", "1")
    server.close()
    for memory in LIMITS:
        talk(memory, turns)


if __name__ == "__main__":
    main()
