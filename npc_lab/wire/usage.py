"""How many tokens replies have cost: as the endpoint counted them, or estimated.

factory.usage()    Usage(calls=12, prompt_tokens=4210, completion_tokens=388, estimated=0)
"""

from dataclasses import dataclass
from typing import Any

CHARACTERS_PER_TOKEN = 4  # in English, roughly: the rule of thumb that OpenAI's help pages give


@dataclass(frozen=True)
class Usage:
    """What replies have cost. Add two to get their sum.

    calls: replies that an endpoint began to send, those that failed or were stopped included.
    prompt_tokens, completion_tokens: tokens read and written. estimated: how many of the calls came without
    a count of the endpoint's own; their tokens are estimated from their length.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.estimated + other.estimated,
        )

    def __str__(self) -> str:
        calls = f"{self.calls:,} call{'' if self.calls == 1 else 's'}"
        words = f"{calls} · {self.prompt_tokens:,} tokens read, {self.completion_tokens:,} written"
        return f"{words} (partly estimated)" if self.estimated else words


def usage_of(counted: Any, sent: int, written: int) -> Usage:
    """Return the usage of one reply.

    counted: the endpoint's own count, whatever it sent. sent, written: characters, for an estimate.
    """
    tokens = [_count(counted, f"{name}_tokens") for name in ("prompt", "completion")]
    if tokens[0] is not None and tokens[1] is not None:
        return Usage(1, tokens[0], tokens[1])
    return Usage(1, estimated_tokens(sent), estimated_tokens(written), estimated=1)


def estimated_tokens(characters: int) -> int:
    """Return how many tokens a text of so many characters has, roughly."""
    return max(1, round(characters / CHARACTERS_PER_TOKEN)) if characters else 0


def _count(counted: Any, name: str) -> int | None:
    value = counted.get(name) if isinstance(counted, dict) else getattr(counted, name, None)
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if is_count else None
