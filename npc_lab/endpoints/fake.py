"""A fake: a client like `openai.OpenAI` that asks no model.

It answers `chat.completions.create` with the real types of the `openai` package, whole or streamed,
and notes every call. What it answers is up to you:

    FakeClient(["Good day.", "Farewell."])                  one after the other
    FakeClient(lambda messages: messages[-1]["content"])    computed from what was sent
    FakeClient(["Good day.", fake_error("rate_limit")])     a planned failure
    FakeClient([FakeReply("It was a dark", "length")])      an odd ending
    FakeClient(lambda messages, fields: f"Seed {fields['seed']}")    computed from the other fields, too
"""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from inspect import Parameter, signature
from types import SimpleNamespace
from typing import Any
from zlib import crc32

from npc_lab.character import name_in
from npc_lab.errors import NPCLabError, ReplyError
from npc_lab.memory import ChatMessage


@dataclass
class FakeReply:
    """A reply that is more than a text.

    finish_reason: how it ends; None makes a stream that breaks off. reasoning: a private thought in a field
    of its own. refusal: why the model refuses. pieces: the pieces of a stream; by default single words.
    """

    text: str = ""
    finish_reason: str | None = "stop"
    reasoning: str = ""
    refusal: str = ""
    pieces: Sequence[str] | None = None

    def stream_pieces(self) -> Sequence[str]:
        """Return the pieces in which a stream brings the text."""
        return self.pieces if self.pieces is not None else re.findall(r"\s*\S+\s*?(?=\s|$)|\s+", self.text)


Planned = str | FakeReply | Exception
Replies = Sequence[Planned] | Callable[..., Planned]


class FakeClient:
    """A client whose replies you write yourself.

    replies: a list, used in order, or a function of the messages; a function with a second parameter is
    given the request's other fields, too, as a dict. Each reply is a text, a `FakeReply`, or
    an exception to raise. budget: how many calls it answers before it fails with "quota", so that an endless
    loop ends; None for any number. seconds_per_piece: how long a stream waits before each piece. calls: the
    arguments of every call so far.
    """

    base_url = "fake://npc_lab"

    def __init__(self, replies: Replies, budget: int | None = None, seconds_per_piece: float = 0.0):
        if isinstance(replies, str) or not (callable(replies) or isinstance(replies, Sequence)):
            raise NPCLabError("FakeClient takes a list of replies, or a function of the messages.")
        self.replies = replies
        self.budget = budget
        self.seconds_per_piece = seconds_per_piece
        self.calls: list[dict[str, Any]] = []
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=self._create))
        self._failures: list[Exception] = []
        self._answered = 0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"FakeClient({len(self.calls)} calls so far)"

    def fail_next(self, *kinds: str) -> None:
        """Let the next calls fail, one for each of these kinds of `ReplyError`, before the replies go on."""
        with self._lock:
            self._failures += [fake_error(kind) for kind in kinds]

    def _create(
        self, *, model: str, messages: list[ChatMessage], stream: bool = False, **options: Any
    ) -> Any:
        planned = self._next({"model": model, "messages": deepcopy(messages), "stream": stream, **options})
        if isinstance(planned, Exception):
            raise planned
        reply = FakeReply(planned) if isinstance(planned, str) else planned
        usage = _count(messages, reply)
        if stream:
            return FakeStream(self._chunks(model, reply, usage))
        return _completion(model, reply, usage)

    def _next(self, call: dict[str, Any]) -> Planned:
        """Note the call and return what is planned for it."""
        with self._lock:
            self.calls.append(call)
            if self.budget is not None and len(self.calls) > self.budget:
                what = f"This fake answers {self.budget} calls and no more."
                return ReplyError("quota", "Look for a loop that never ends.", what=what)
            if self._failures:
                return self._failures.pop(0)
            if not callable(self.replies):
                return self._next_in_list(self.replies)
        # Outside the lock: the function may take long, or ask another NPC.
        messages = deepcopy(call["messages"])
        if not _takes_fields(self.replies):
            return self.replies(messages)
        return self.replies(messages, {name: call[name] for name in call if name != "messages"})

    def _next_in_list(self, replies: Sequence[Planned]) -> Planned:
        if self._answered == len(replies):
            what = f"The fake had {len(replies)} replies and gave them all."
            return ReplyError("quota", "Give it more replies.", what=what)
        self._answered += 1
        return replies[self._answered - 1]

    def _chunks(self, model: str, reply: FakeReply, usage: dict[str, int]) -> Iterator[Any]:
        from openai.types.chat import ChatCompletionChunk

        def chunk(delta: dict[str, str], finish_reason: str | None = None) -> Any:
            choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
            return ChatCompletionChunk.construct(**_envelope(model, "chat.completion.chunk", [choice]))

        yield chunk({"role": "assistant", "content": ""})
        if reply.reasoning:
            yield chunk({"reasoning_content": reply.reasoning})
        if reply.refusal:
            yield chunk({"refusal": reply.refusal})
        for piece in reply.stream_pieces():
            if self.seconds_per_piece:
                time.sleep(self.seconds_per_piece)
            yield chunk({"content": piece})
        if reply.finish_reason:
            yield chunk({}, reply.finish_reason)
            yield ChatCompletionChunk.construct(**_envelope(model, "chat.completion.chunk", [], usage))


def _takes_fields(replies: Callable[..., Any]) -> bool:
    """Whether the function has a second parameter to be filled, unlike `lambda messages, n=3: ...`."""
    try:
        parameters = list(signature(replies).parameters.values())
    except (TypeError, ValueError):  # some built-in functions have none to look at
        return False
    positional = [each for each in parameters if each.kind <= Parameter.POSITIONAL_OR_KEYWORD]
    return len(positional) > 1 and positional[1].default in (Parameter.empty, None)


class FakeStream:
    """Iterates and closes like a stream of the `openai` package."""

    def __init__(self, chunks: Iterator[Any]):
        self._chunks = chunks
        self._closed = False

    def __iter__(self) -> "FakeStream":
        return self

    def __next__(self) -> Any:
        if self._closed:
            raise StopIteration
        return next(self._chunks)

    def close(self) -> None:
        """End the stream: there are no further chunks."""
        self._closed = True

    def __enter__(self) -> "FakeStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _completion(model: str, reply: FakeReply, usage: dict[str, int]) -> Any:
    from openai.types.chat import ChatCompletion

    message = {
        "role": "assistant",
        "content": None if reply.refusal else reply.text,
        "refusal": reply.refusal or None,
    }
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason, "logprobs": None}
    return ChatCompletion.construct(**_envelope(model, "chat.completion", [choice], usage))


def _envelope(
    model: str, kind: str, choices: list[Any], usage: dict[str, int] | None = None
) -> dict[str, Any]:
    return {
        "id": "fake",
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "choices": choices,
        "usage": usage,
    }


def _count(messages: list[ChatMessage], reply: FakeReply) -> dict[str, int]:
    """Return token counts, roughly: the number of words."""
    prompt = sum(len(str(message.get("content", "")).split()) for message in messages)
    completion = len(f"{reply.reasoning} {reply.text}".split())
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


# kind of `ReplyError` -> (HTTP status, code), as real endpoints send them.
_FAILURES = {
    "auth": (401, "invalid_api_key"),
    "permission": (403, "permission_denied"),
    "model_not_found": (404, "model_not_found"),
    "bad_address": (404, None),
    "bad_request": (400, "invalid_request"),
    "context_length": (400, "context_length_exceeded"),
    "rate_limit": (429, "rate_limit_exceeded"),
    "quota": (429, "insufficient_quota"),
    "server": (500, "server_error"),
}


def fake_error(kind: str) -> Exception:
    """Return the exception that a real client raises for a `ReplyError` of this kind."""
    import openai

    request: Any = SimpleNamespace(url=FakeClient.base_url, method="POST", headers={})
    if kind == "timeout":
        return openai.APITimeoutError(request=request)
    if kind == "connection":
        return openai.APIConnectionError(request=request)
    if kind not in _FAILURES:
        return ReplyError(kind)
    status, code = _FAILURES[kind]
    response: Any = SimpleNamespace(status_code=status, request=request, headers={})
    body = {"message": f"planned failure: {kind}", "code": code, "type": code} if code else None
    classes = {
        400: openai.BadRequestError,
        401: openai.AuthenticationError,
        403: openai.PermissionDeniedError,
        404: openai.NotFoundError,
        429: openai.RateLimitError,
        500: openai.InternalServerError,
    }
    return classes[status](f"planned failure: {kind}", response=response, body=body)


# What `connect("fake")` says: small talk in the character's name, so that every lesson runs without a model.
_LINES = (
    "Well met. {name} is listening.",
    "{name} thinks on that for a while. Tell me more.",
    "That is a fine question for {name}. What do you believe yourself?",
    "Many a traveller has asked {name} the same. Few liked the answer.",
    "By my honour, {name} has heard stranger things before breakfast.",
    "Let {name} tell you a story about that another day.",
    "You speak plainly. {name} likes that.",
    "Hm. {name} would rather talk about the weather and the price of bread.",
    "What would you give {name} for an honest answer?",
    "{name} has no quarrel with that. Where did you learn it?",
    "My grandmother warned {name} about people who say such things.",
    "So it goes in this world. {name} has seen it with these eyes.",
)


def small_talk(messages: list[ChatMessage], fields: Mapping[str, Any] | None = None) -> str:
    """Return a line in the character's name, not the previous one, with both marks if they are asked for.

    Which line it is depends on what was said, and on the seed among the request's other fields, if any.
    """
    system = messages[0]["content"] if messages and messages[0]["role"] == "system" else ""
    name = name_in(system) or "Somebody"
    lines = [line.format(name=name) for line in _LINES]
    my_last = next((m["content"] for m in reversed(messages) if m["role"] == "assistant"), "")
    before = next((place for place, line in enumerate(lines) if my_last.endswith(line)), crc32(name.encode()))
    heard = messages[-1]["content"] if messages else ""
    heard += str((fields or {}).get("seed", ""))
    line = lines[(before + 1 + crc32(heard.encode()) % 5) % len(lines)]
    if "#SCRATCHPAD" not in system:
        return line
    return f"#SCRATCHPAD\nI am {name}. I will not say all I think.\n#ANSWER\n{line}"
