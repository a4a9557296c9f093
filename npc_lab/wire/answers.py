"""What an endpoint answers.

`answer` sends a request and yields what comes back: a reply comes whole (`read_whole`) or in pieces
(`read_pieces`). Both become `Delta`s, so that the rest of the package knows one shape only:

    {"choices": [{"delta": {"content": "Good day."}, "finish_reason": null}]}    Delta(content="Good day.")

Endpoints leave fields out, send null, or send more than the protocol says: what can be read is read, and
what is no reply at all is `malformed`.
"""

import json
import re
import socket
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from inspect import Parameter, isawaitable, signature
from typing import Any, Protocol

from npc_lab.errors import ReplyError
from npc_lab.text import well_formed
from npc_lab.wire.abilities import ABILITIES
from npc_lab.wire.dialects import Adaptation, adapt, fitting, known, remember
from npc_lab.wire.faults import error_in_reply


@dataclass(slots=True)
class Delta:
    """A piece of a reply, as it arrived.

    finish_reason: one of those in `_MEANINGS`, or `UNKNOWN` and its words; None if there is none yet. usage:
    the endpoint's own token count. tool: the name of a tool that the model asks for. logprobs: of its tokens,
    as the endpoint sent them, where they were asked for.
    """

    content: str = ""
    reasoning: str = ""
    refusal: str = ""
    finish_reason: str | None = None
    model: str = ""
    usage: Any = None
    tool: str = ""
    logprobs: Any = None


_wanted: ContextVar[Callable[[], bool]] = ContextVar("wanted", default=lambda: True)


def ask_only_while(wanted: Callable[[], bool]) -> None:
    """Let this thread send requests only while `wanted` returns True."""
    _wanted.set(wanted)


def is_wanted() -> bool:
    """Whether somebody still waits for the answer to what this thread is about to send."""
    return _wanted.get()()


class Reader(Protocol):
    """Whoever reads an answer, as it is told of it."""

    def hold(self, response: Any) -> None:
        """Note the response that is being read, which can be hung up on; None at its end."""

    def check(self, size: int) -> None:
        """Raise `ReplyError` if a body that has so many bytes by now is too large, or takes too long."""


def answer(client: Any, request: dict[str, Any], reader: Reader) -> Iterator[Delta]:
    """Send the request through the client and yield the answer: whole, or in pieces if it is a stream.

    If the endpoint refuses a part of it that it does not know, the request is changed and sent once more,
    for each such part. Some say so only in a stream that they have begun. `request` is changed in place:
    afterwards it is what was really sent.
    """
    for adaptation in known(client, request["model"]):
        adapt(request, adaptation)
    tried: list[Adaptation] = []
    while True:
        has_spoken = False
        try:
            with closing(_answer_once(client, request, reader)) as deltas:
                for delta in deltas:
                    has_spoken = bool(delta.content or delta.reasoning or delta.finish_reason)
                    if has_spoken and tried:
                        remember(client, request["model"], tried)
                    yield delta
                    if has_spoken:  # nothing of the rest is looked at: a stream has many pieces
                        yield from deltas
            return
        except Exception as error:
            may_help = fitting(error, request)
            if may_help is None or has_spoken or not is_wanted():
                raise
        adapt(request, may_help)
        tried.append(may_help)


def _answer_once(client: Any, request: dict[str, Any], reader: Reader) -> Generator[Delta, None, None]:
    abilities = ABILITIES.get(str(getattr(client, "base_url", "")))
    if abilities is None:
        yield from _answer_to(client, request, reader)
    else:
        with abilities.used_for(request) as sent:
            yield from _answer_to(client, sent, reader)


def _answer_to(client: Any, request: dict[str, Any], reader: Reader) -> Generator[Delta, None, None]:
    create = _create(client)
    arguments = _as_arguments(create, request)
    if not request.get("stream") and _is_of_openai(create):
        yield read_whole(_body(create, arguments, reader))
        return
    response = create(**arguments)
    if isawaitable(response):
        response.close()  # type: ignore[attr-defined]  # never awaited, and Python would warn of it
        raise ReplyError("bad_request", "Use openai.OpenAI instead.", what="This client is asynchronous.")
    if not request.get("stream"):
        yield read_whole(response)
        return
    reader.hold(getattr(response, "response", None))
    try:
        yield Delta()  # it has begun to answer
        whole = _whole_in(response)
        yield from read_pieces(response) if whole is None else [read_whole(whole)]
    finally:
        reader.hold(None)  # from now on its connection may carry another reply
        if hasattr(response, "close"):
            response.close()


def _create(client: Any) -> Callable[..., Any]:
    """Return the function of the client that sends a request."""
    try:
        create: Callable[..., Any] = client.chat.completions.create
    except AttributeError:
        raise ReplyError(
            "bad_request",
            "Use a client of the openai package; `client, model = connect()` gives you one.",
            what=f"A client of type {type(client).__name__} has no chat.completions.create.",
        ) from None
    return create


def _is_of_openai(create: Callable[..., Any]) -> bool:
    """Whether it is the openai package's own method, of a client that is not asynchronous.

    A learner may have put a function of their own in its place, to count calls: that one is called then.
    """
    own = getattr(getattr(create, "__func__", None), "__module__", "").startswith("openai.")
    return own and type(create.__self__).__name__ == "Completions"  # type: ignore[attr-defined]


def _body(create: Any, arguments: dict[str, Any], reader: Reader) -> Any:
    """Send the request and return the body of the answer, as JSON, or as text if it is none.

    It is read piece by piece: so there is an end to one that never ends.
    """
    with create.__self__.with_streaming_response.create(**arguments) as response:
        reader.hold(response.http_response)
        try:
            pieces, size = [], 0
            for piece in response.iter_bytes():
                pieces.append(piece)
                size += len(piece)
                reader.check(size)
        finally:
            reader.hold(None)
    body = b"".join(pieces)
    try:
        return json.loads(body)
    except ValueError:
        if "json" in response.headers.get("content-type", ""):
            raise
        return body.decode(errors="replace")


_USUAL = {"model", "messages", "temperature", "max_tokens", "seed", "stream", "stream_options"}


def _as_arguments(create: Callable[..., Any], request: dict[str, Any]) -> dict[str, Any]:
    """Return the request as arguments: what `openai`'s `create` does not know goes into `extra_body`."""
    if request.keys() <= _USUAL:
        return request
    parameters = signature(create).parameters
    if any(each.kind is Parameter.VAR_KEYWORD for each in parameters.values()):
        return request
    unknown = {name: value for name, value in request.items() if name not in parameters}
    arguments = {name: value for name, value in request.items() if name in parameters}
    return {**arguments, "extra_body": unknown} if unknown else arguments


def _whole_in(response: Any) -> Any:
    """Return the reply that came whole although a stream was asked for; None if it streams."""
    http = getattr(response, "response", None)
    if "application/json" not in getattr(http, "headers", {}).get("content-type", ""):
        return None
    return json.loads(http.read())  # type: ignore[union-attr]


def read_whole(response: Any) -> Delta:
    """Convert a reply that came whole to one delta. Raise `ReplyError` if it is malformed."""
    if error := _fields(response).get("error"):
        raise error_in_reply(error)
    try:
        choices = _fields(response)["choices"]
        choice = _first(choices) or choices[0]
        message = _fields(choice)["message"]
    except (AttributeError, IndexError, KeyError, TypeError):
        raise ReplyError("malformed", detail=_what_came(response)) from None
    delta = _delta(message, choice, response)
    delta.content = well_formed(delta.content)
    return delta


def read_pieces(response: Any) -> Iterator[Delta]:
    """Yield the deltas of a streamed reply. Chunks without a choice bring the usage, or nothing."""
    try:
        chunks = iter(response)
    except TypeError:
        raise ReplyError("malformed", detail=_what_came(response)) from None
    high_half, any_chunk, has_spoken = "", False, False
    for chunk in chunks:
        any_chunk = True
        fields = _fields(chunk)
        if error := fields.get("error"):
            raise error_in_reply(error, has_spoken)
        choice = _first(fields.get("choices"))
        if choice is None:
            yield Delta(model=_text(fields, "model"), usage=fields.get("usage"))
            continue
        # Azure's asynchronous filter sends choices without a delta: nothing new was said.
        delta = _delta(_fields(choice).get("delta") or {}, choice, chunk)
        has_spoken = has_spoken or bool(delta.content or delta.reasoning)
        # Half an emoji waits for its other half.
        delta.content, high_half = _split_high_half(high_half + delta.content)
        yield delta
    if high_half:
        yield Delta(content=well_formed(high_half))
    if not any_chunk:  # a web page, or JSON where events should be: the openai package skips both
        raise ReplyError("malformed")


def hang_up(response: Any) -> None:
    """End the connection under a response of httpx, from another thread than the one that reads it.

    To close the response is not enough: a read that waits for the next piece would go on waiting, and
    the endpoint would go on writing. The sockets of httpx are reached as its documentation says.
    """
    with suppress(Exception):  # a fake has no connection, and another thread may have closed this one
        connection = response.extensions["network_stream"].get_extra_info("socket")
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _delta(message: Any, choice: Any, response: Any) -> Delta:
    said, ended, about = _fields(message), _fields(choice), _fields(response)
    content, thoughts = _parts(said.get("content"))
    if error := ended.get("error"):  # in OpenRouter's way
        raise error_in_reply(error, bool(content))
    if message is None:
        raise ReplyError("malformed", what=_NO_TEXT)
    return Delta(
        content=content,
        reasoning=thoughts or _text(said, "reasoning_content") or _text(said, "reasoning"),
        refusal=_text(said, "refusal"),
        finish_reason=known_as(ended.get("finish_reason")),
        model=_text(about, "model"),
        usage=_usage(about.get("usage")),
        tool=_tool(said),
        logprobs=ended.get("logprobs"),
    )


UNKNOWN = "unknown: "
_MEANINGS = {
    "stop": "stop stopped eos eos_token end end_turn end_of_turn stop_sequence complete completed finish"
    " finished done normal",
    "length": "length max_tokens max_token max_length max_output_tokens max_completion_tokens model_length"
    " token_limit output_limit incomplete truncated model_context_window_exceeded context_length_exceeded",
    "content_filter": "content_filter content_filtered content_filter_error filtered filter safety recitation"
    " blocklist blocked prohibited_content spii image_safety image_prohibited_content language model_armor"
    " sensitive guardrail guardrails guardrail_intervened refusal content_policy moderation",
    "tool_calls": "tool_calls tool_call tool_use function_call functions malformed_function_call"
    " unexpected_tool_call",
    "error": "error errored failed abort aborted cancel cancelled canceled network_error timeout"
    " insufficient_system_resource other finish_reason_unspecified unspecified",
}
_KNOWN = {word: meaning for meaning, words in _MEANINGS.items() for word in words.split()}
_NOT_YET = ("", "null", "none")  # as text, in every chunk but the last


def known_as(reason: Any) -> str | None:
    """Return what an endpoint's finish reason means, in any case and spelling; None if there is none yet.

    known_as("MAX_TOKENS")               "length"          Google
    known_as("FinishReason.STOP")        "stop"            an enumeration that was printed
    known_as("guardrail_intervened")     "content_filter"  Amazon
    known_as("flux_capacitor")           "unknown: flux_capacitor"

    What nobody knows counts as not complete: half a reply must not be taken for a whole one.
    """
    if not isinstance(reason, str) or reason.strip().lower() in _NOT_YET:
        return None
    words = reason.strip().rpartition(".")[2]
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[\s-]+", "_", words).lower().removeprefix("finish_reason_")
    return _KNOWN.get(words) or f"{UNKNOWN}{reason.strip()[:40]}"


def _first(choices: Any) -> Any:
    """Return the choice that counts: a reply has one, and some endpoints send several."""
    if not isinstance(choices, list) or not choices:
        return None
    return next((each for each in choices if not _fields(each).get("index")), None)


_NO_TEXT = "The endpoint sent a reply that is not text."


def _parts(content: Any) -> tuple[str, str]:
    """Return what is spoken of a content, and what is thought. It is a text, or a list of parts:

    [{"type": "thinking", "thinking": [{"type": "text", "text": "He lies."}]},
     {"type": "text", "text": "Hail."}]
    """
    if content is None or isinstance(content, str):
        return content or "", ""
    if not isinstance(content, list | dict):
        raise ReplyError("malformed", what=_NO_TEXT)
    spoken, thought = [], []
    for part in content if isinstance(content, list) else [content]:
        fields = {"type": "text", "text": part} if isinstance(part, str) else _part_fields(part)
        kind = str(fields.get("type", "text"))
        if kind in ("text", "output_text"):
            spoken.append(_text_in(fields.get("text")))
        elif "think" in kind or "reason" in kind:
            inner = (fields.get(name) for name in ("thinking", "reasoning", "summary", "text"))
            thought.append(_text_in(next(filter(None, inner), "")))
    return "".join(spoken), "".join(thought)


def _part_fields(part: Any) -> Mapping[str, Any]:
    return part if isinstance(part, dict) else getattr(part, "__dict__", {})


def _text_in(value: Any) -> str:
    """Return the text of a part: a text, or parts again."""
    if isinstance(value, list):
        return "".join(_text_in(each) for each in value)
    if isinstance(value, dict):
        return _text_in(value.get("text") or value.get("value"))
    return value if isinstance(value, str) else ""


def _tool(said: Mapping[str, Any]) -> str:
    """Return the name of the tool that the model asks for, "" if it does not."""
    calls = said.get("tool_calls") or said.get("function_call")
    if not calls:
        return ""
    call = _part_fields(calls[0] if isinstance(calls, list) else calls)
    function = _part_fields(call.get("function") or call)
    return str(function.get("name") or "without a name")


def _usage(usage: Any) -> Any:
    """Return the token count as the openai package's own type has it."""
    if not isinstance(usage, dict):
        return usage
    from openai.types import CompletionUsage

    return CompletionUsage.construct(**usage)


_CHUNK_FIELDS = ("choices", "model", "usage", "error")
_CHOICE_FIELDS = ("index", "delta", "message", "finish_reason", "error", "logprobs")
_MESSAGE_FIELDS = ("content", "reasoning_content", "reasoning", "refusal", "tool_calls", "function_call")


def _fields(thing: Any) -> Mapping[str, Any]:
    """Return the fields of a part of a reply, whatever type it has; none is sure to be there.

    The types of the openai package are read directly: asking them for a field that they do not have
    is slow, and would be done at every chunk of a stream.
    """
    if isinstance(thing, dict):
        return thing
    unknown_fields = getattr(thing, "model_extra", None)
    if isinstance(unknown_fields, dict):
        return {**vars(thing), **unknown_fields}
    return {name: getattr(thing, name, None) for name in (*_CHUNK_FIELDS, *_CHOICE_FIELDS, *_MESSAGE_FIELDS)}


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return well_formed(value) if value and isinstance(value, str) else ""


def _split_high_half(text: str) -> tuple[str, str]:
    """Split well-formed text from the first half of a surrogate pair at its end, if one stands there."""
    if text and "\ud800" <= text[-1] <= "\udbff":
        return well_formed(text[:-1]), text[-1]
    return well_formed(text), ""


def _what_came(response: Any) -> str:
    """Return a few words on a response that is no reply."""
    if isinstance(response, str) and "<html" in response[:1000].lower():
        return "It sent a web page."
    return "It sent no choices." if _fields(response).get("choices") is not None else ""
