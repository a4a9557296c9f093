"""A chat endpoint on this machine, which answers as a test planned: well, badly, late or not at all.

    with Loopback(["Hail.", Status(429, "Slow down.")]) as server:
        client = server.client()            # a real openai.OpenAI
        ...
    assert server.sent[0] == [{"role": "user", "content": "Hello!"}]

Replies are planned as a list (one after the other), as a function of the request's body, or as one reply
for every request. A reply is a text or one of the classes below. `Text` is streamed when the request asks
for a stream; `Stream` scripts a stream event by event, with all that can go wrong in one.

It speaks just enough HTTP and just enough of the OpenAI protocol. It does not check what it is sent: tests
do that, on `server.requests`. Only where a test gives it `moods` does it refuse requests, as some endpoints
refuse what others take.
"""

import atexit
import contextlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import openai

# A fake key that cannot be overlooked: no message, repr or traceback may ever hold it.
KEY = "sk-loopback-0123456789-NEVER-SHOW-THIS-KEY"
MODEL = "loopback-model"
# Long enough for a machine under load, short enough to fail a test before anybody loses patience.
PATIENCE = 10.0
# Until a request arrives: a whole process may have to start first, on a busy machine.
ARRIVAL = 60.0
LOOK_AGAIN = 0.02

DONE = "[DONE]"


class Mishap:
    """What can happen to a stream between two events, by name."""

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return self.name


CUT = Mishap("CUT")  # the server closes the connection, as a crashing one does
RESET = Mishap("RESET")  # the connection is reset, as a firewall does it


@dataclass(frozen=True)
class Request:
    """One request as it arrived: header names in lower case, `arrived` on `time.perf_counter`'s clock."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    arrived: float

    @property
    def is_chat(self) -> bool:
        return self.method == "POST" and self.path.endswith("/chat/completions")

    @property
    def wants_stream(self) -> bool:
        return bool(self.body.get("stream"))

    @property
    def wants_usage(self) -> bool:
        return bool((self.body.get("stream_options") or {}).get("include_usage"))


class Reply:
    """A planned reply: it knows how to send itself over a connection."""

    def send(self, line: "Connection", request: Request) -> None:
        raise NotImplementedError


# --- what a chat reply looks like on the wire -----------------------------------------------------


def chunk(content: str | None = None, finish_reason: str | None = None, **delta: Any) -> dict[str, Any]:
    """One event of a stream; more fields of the delta (`reasoning_content`, `refusal`, ...) by name."""
    if content is not None:
        delta["content"] = content
    return chunk_of(delta, finish_reason)


def chunk_of(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
    return envelope("chat.completion.chunk", choices=[choice])


def envelope(kind: str, **more: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-loopback", "object": kind, "created": 1_700_000_000, "model": MODEL, **more}


def as_json(value: Any) -> bytes:
    """JSON in pure ASCII, so that half an emoji travels as an escape, as real servers send it."""
    return json.dumps(value).encode("ascii")


def words(text: str) -> list[str]:
    """The text cut before each word, so that the pieces join to the same text."""
    return re.findall(r"\s*\S+|\s+\Z", text)


# --- the replies a test can plan ------------------------------------------------------------------


@dataclass(frozen=True)
class Text(Reply):
    """A chat reply, streamed in `pieces` (by default word by word) when the request asks for a stream."""

    content: str | None = None
    pieces: Sequence[str] | None = None
    finish_reason: str | None = "stop"
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    # Many servers send every field of the protocol, the unused ones as null.
    nulls: bool = False
    usage: Mapping[str, int] | None = None

    def send(self, line: "Connection", request: Request) -> None:
        if request.wants_stream:
            Stream(self.events(request)).send(line, request)
        else:
            Json(self.whole(request)).send(line, request)

    def whole(self, request: Request) -> dict[str, Any]:
        message = {"role": "assistant", "content": self.text, **self.unused_fields(), **self.thoughts()}
        message["refusal"] = self.refusal
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason, "logprobs": None}
        body = envelope("chat.completion", choices=[choice], usage=self.count(request))
        return body | {"model": request.body.get("model", MODEL)}

    def events(self, request: Request) -> list[Any]:
        nulls = self.unused_fields()
        events = [chunk_of({"role": "assistant", "content": None if nulls else "", **nulls})]
        for name, text in (self.thoughts() | {"refusal": self.refusal or ""}).items():
            events += [chunk_of(nulls | {name: piece}) for piece in words(text)]
        events += [chunk_of(nulls | {"content": piece}) for piece in self.spoken_pieces()]
        events.append(chunk_of(nulls, self.finish_reason))
        if request.wants_usage:
            events.append(envelope("chat.completion.chunk", choices=[], usage=self.count(request)))
        model = request.body.get("model", MODEL)
        return [event | {"model": model} for event in events] + [DONE]

    @property
    def text(self) -> str | None:
        return "".join(self.pieces) if self.pieces is not None else self.content

    def spoken_pieces(self) -> Sequence[str]:
        return self.pieces if self.pieces is not None else words(self.content or "")

    def thoughts(self) -> dict[str, str]:
        fields = {"reasoning_content": self.reasoning_content, "reasoning": self.reasoning}
        return {name: text for name, text in fields.items() if text is not None}

    def unused_fields(self) -> dict[str, None]:
        names = ["tool_calls", "function_call", "audio", "refusal", "reasoning_content"] if self.nulls else []
        return dict.fromkeys(names)

    def count(self, request: Request) -> dict[str, int]:
        """The usage: planned, or one token for each word."""
        if self.usage is not None:
            return dict(self.usage)
        asked = sum(len(words(str(message.get("content")))) for message in request.body.get("messages", []))
        answered = len(self.spoken_pieces())
        return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


@dataclass(frozen=True)
class Pause:
    """A step of a stream: the server takes its time, as a model that thinks does."""

    seconds: float


@dataclass(frozen=True)
class Stream(Reply):
    """A stream, step by step, whatever the request asked for. Nothing is added: end it with `DONE` or not.

    A step is an event (sent as JSON), a text (the data of an event, as it stands), raw bytes, a `Pause`, a
    `threading.Event` to wait for, or a mishap (`CUT`, `RESET`), with which it is over.
    """

    steps: Iterable[dict[str, Any] | str | bytes | Pause | threading.Event | Mishap]
    # An old proxy sends no length and no chunks: the end of the connection is the end of the reply.
    close_delimited: bool = False

    def send(self, line: "Connection", request: Request) -> None:
        line.begin_stream(self.close_delimited)
        for step in self.steps:
            if step is CUT:
                line.cut()
                return
            if step is RESET:
                line.reset()
                return
            self.take(step, line)
        line.end_stream()

    @staticmethod
    def take(step: Any, line: "Connection") -> None:
        if isinstance(step, threading.Event):
            line.wait(step)
        elif isinstance(step, Pause):
            line.wait(seconds=step.seconds)
        elif isinstance(step, bytes):
            line.send_piece(step)
        else:
            data = step.encode() if isinstance(step, str) else as_json(step)
            line.send_piece(b"data: " + data + b"\n\n")


@dataclass(frozen=True)
class Json(Reply):
    """Any JSON value as the body, under status 200 unless said otherwise."""

    value: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def send(self, line: "Connection", request: Request) -> None:
        line.respond(self.status, "application/json", as_json(self.value), self.headers)


@dataclass(frozen=True)
class Status(Reply):
    """An error status with the JSON body that OpenAI-compatible endpoints send along."""

    status: int
    message: str = "Something is wrong."
    code: str | None = None
    type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    param: str | None = None

    def send(self, line: "Connection", request: Request) -> None:
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        Json({"error": error}, self.status, self.headers).send(line, request)


@dataclass(frozen=True)
class Raw(Reply):
    """A body as it stands: half of a JSON object, an empty one, plain text."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200

    def send(self, line: "Connection", request: Request) -> None:
        line.respond(self.status, self.content_type, self.body)


def web_page(status: int = 200, text: str = "Sign in to the campus network") -> Raw:
    """A web page where a reply should be: a wrong address (404), or a network's sign-in page (200)."""
    page = f"<!DOCTYPE html>\n<html><head><title>{text}</title></head>\n<body>{text}</body></html>\n"
    return Raw(page.encode(), "text/html; charset=utf-8", status)


@dataclass(frozen=True)
class CutBody(Reply):
    """The reply's length is announced, half of it is sent, and the connection closed."""

    text: str = "This sentence will never be read to its end."

    def send(self, line: "Connection", request: Request) -> None:
        body = as_json(Text(self.text).whole(request))
        line.respond(200, "application/json", body[: len(body) // 2], {"Content-Length": str(len(body))})
        line.cut()


@dataclass(frozen=True)
class Stalled(Reply):
    """A stream that says some words and then nothing. `hung_up` is set once the client has closed it."""

    words: str
    hung_up: threading.Event

    def send(self, line: "Connection", request: Request) -> None:
        line.begin_stream()
        Stream.take(chunk(self.words), line)
        line.wait_for_end(self.hung_up)


class Reset(Reply):
    """The connection is reset before any reply."""

    def send(self, line: "Connection", request: Request) -> None:
        line.reset()


class Silence(Reply):
    """The connection is closed in an orderly way before any reply."""

    def send(self, line: "Connection", request: Request) -> None:
        line.cut()


@dataclass(frozen=True)
class Held(Reply):
    """A reply that comes when `until` is set, or else after some seconds; with neither, it never comes."""

    reply: str | Reply
    until: threading.Event | None = None
    seconds: float | None = None

    def send(self, line: "Connection", request: Request) -> None:
        line.wait(self.until, self.seconds)
        as_reply(self.reply).send(line, request)


@dataclass(frozen=True)
class Either(Reply):
    """The same fault as a whole reply and as a stream has it."""

    whole: Reply
    streamed: Reply

    def send(self, line: "Connection", request: Request) -> None:
        (self.streamed if request.wants_stream else self.whole).send(line, request)


# --- moods: what some endpoints refuse, and how they say so -----------------------------------------

Body = dict[str, Any]


@dataclass(frozen=True)
class Mood:
    """Refuses the requests of which `minds` is true, with `refusal`."""

    minds: Callable[[Body], bool]
    refusal: Reply


def _roles(body: Body) -> list[str]:
    return [message["role"] for message in body["messages"]]


def has_system(body: Body) -> bool:
    return "system" in _roles(body)


def is_out_of_turn(body: Body) -> bool:
    """After one system message at most, it is the user's turn, then the assistant's, and so on."""
    roles = _roles(body)
    turns = roles[1:] if roles[:1] == ["system"] else roles
    return any(role != ("user", "assistant")[place % 2] for place, role in enumerate(turns))


def _openai(message: str, param: str, code: str = "unsupported_value") -> Status:
    return Status(400, message, code=code, type="invalid_request_error", param=param)


def _vllm(message: str) -> Json:
    error = {"object": "error", "message": message, "type": "BadRequestError", "param": None, "code": 400}
    return Json(error, 400)


def _too_late(message: str) -> Either:
    """Status 200 and then, in the body or in the stream, an error: the model's template was tried late."""
    error = {"error": {"message": message}}
    return Either(Json(error), Stream([b"event: error\n", error]))


def _lm_studio(message: str) -> Either:
    return _too_late(f'Error rendering prompt with jinja template: "{message}".')


def _extra(field: str) -> dict[str, Any]:
    return {"type": "extra_forbidden", "loc": ["body", field], "msg": "Extra inputs are not permitted"}


def _llama(message: str) -> Json:
    reason = "While executing CallExpression at line 19, column 27 in source:\n{{ raise_exception("
    message = f"\n------------\n{reason}...\nError: Jinja Exception: {message}"
    return Json({"error": {"code": 500, "message": message, "type": "server_error"}}, 500)


# In the words of real servers, as they stand in public issue threads.
_ALTERNATE = "Conversation roles must alternate user/assistant/user/assistant/..."
_AFTER_SYSTEM = (
    "After the optional system message, conversation roles must alternate user and assistant roles"
)
_UNSUPPORTED = "Unsupported value: '{}' does not support {} with this model. "
MOODS: dict[str, Mood] = {
    "temperature, OpenAI": Mood(
        lambda body: body.get("temperature", 1) != 1,
        _openai(
            _UNSUPPORTED.format("temperature", 0.6) + "Only the default (1) value is supported.",
            "temperature",
        ),
    ),
    "temperature, Azure": Mood(
        lambda body: "temperature" in body,
        _openai(
            "Unsupported parameter: 'temperature' is not supported with this model.",
            "temperature",
            "unsupported_parameter",
        ),
    ),
    "max_tokens, OpenAI": Mood(
        lambda body: "max_tokens" in body,
        _openai(
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        ),
    ),
    "stream_options, Azure": Mood(
        lambda body: "stream_options" in body,
        Status(400, "Unrecognized request argument supplied: stream_options", type="invalid_request_error"),
    ),
    "stream_options, Mistral on Azure": Mood(
        lambda body: "stream_options" in body, Json({"detail": [_extra("stream_options")]}, 422)
    ),
    "stream_options, vLLM": Mood(
        lambda body: "stream_options" in body, _vllm(f"[{_extra('stream_options')}]")
    ),
    "stream, OpenAI": Mood(
        lambda body: body.get("stream", False),
        _openai(_UNSUPPORTED.format("stream", "true") + "Supported values are: false.", "stream"),
    ),
    "stream, OpenAI unverified": Mood(
        lambda body: body.get("stream", False),
        _openai("Your organization must be verified to stream this model.", "stream"),
    ),
    "system, OpenAI": Mood(
        has_system,
        _openai(_UNSUPPORTED.format("messages[0].role", "'system'").strip(), "messages[0].role"),
    ),
    "system, Gemma in vLLM": Mood(has_system, _vllm("System role not supported")),
    "system, Gemma in llama.cpp": Mood(has_system, _llama("System role not supported")),
    "system, Google": Mood(
        has_system,
        Json(
            {
                "error": {
                    "code": 400,
                    "message": "Developer instruction is not enabled for models/gemma-3-27b-it",
                    "status": "INVALID_ARGUMENT",
                }
            },
            400,
        ),
    ),
    "system, Mistral": Mood(
        has_system, _vllm("Only user, assistant and tool roles are supported, got system.")
    ),
    "turns, a template that counts the system": Mood(
        lambda body: has_system(body) or is_out_of_turn(body), _vllm(_ALTERNATE)
    ),
    "turns, llama.cpp": Mood(is_out_of_turn, _llama(_AFTER_SYSTEM)),
    "system, LM Studio": Mood(has_system, _lm_studio("System role not supported")),
    "turns, LM Studio": Mood(is_out_of_turn, _lm_studio(_ALTERNATE)),
    "temperature, too late": Mood(
        lambda body: "temperature" in body,
        _too_late("Unsupported parameter: 'temperature' is not supported with this model."),
    ),
    "turns, Mistral": Mood(
        is_out_of_turn,
        Json(
            {
                "object": "error",
                "message": "Unexpected role 'user' after role 'user'",
                "type": "invalid_request_message_order",
                "param": None,
                "code": "3230",
            },
            400,
        ),
    ),
}


def as_reply(planned: str | Reply) -> Reply:
    return Text(planned) if isinstance(planned, str) else planned


# --- the server -----------------------------------------------------------------------------------

_first_client: openai.OpenAI | None = None


def first_client() -> openai.OpenAI:
    """The client of which all others are copies: loading the certificates takes longer than most tests."""
    global _first_client
    if _first_client is None or _first_client.is_closed():
        _first_client = openai.OpenAI(api_key=KEY, base_url="http://127.0.0.1/")
        atexit.register(_first_client.close)
    return _first_client


Plan = str | Reply | Iterable[str | Reply] | Callable[[dict[str, Any]], str | Reply]


class Loopback:
    """The endpoint. `hold_until=N` keeps every reply back until N chat requests have arrived.

    Leaving the `with` block fails the test where more was asked than was planned (a silent repetition), or
    where the plan itself raised. `accepted` are the bodies of the requests that no mood refused.
    """

    def __init__(
        self,
        replies: Plan,
        *,
        models: Sequence[str] = (MODEL,),
        hold_until: int = 0,
        moods: Sequence[Mood] = (),
    ):
        self.models = models
        self.moods = moods
        self.requests: list[Request] = []
        self.accepted: list[Body] = []
        self.most_at_once = 0
        self.connections = 0
        self.mistakes: list[BaseException] = []
        self._plan = plan_of(replies)
        self._hold_until = hold_until
        self._enough_arrived = threading.Event()
        self._in_progress = 0
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._server = Server(self)

    def __enter__(self) -> "Loopback":
        self._server.accepting.start()
        return self

    def __exit__(self, error_type: type | None, *_: object) -> None:
        self.close()
        # A failing test already has something to say; do not talk over it.
        if self.mistakes and error_type is None:
            raise self.mistakes[0]

    def close(self) -> None:
        """Let go of everything: whoever is still held, the connections, the port."""
        self._closing.set()
        self._server.close()

    @property
    def address(self) -> str:
        """Host and port, as an error message should name them."""
        host, port = self._server.server_address[:2]
        return f"{host}:{port}"

    @property
    def base_url(self) -> str:
        return f"http://{self.address}/v1/"

    def client(self, **options: Any) -> openai.OpenAI:
        """A real client of this server, without retries, with little patience and the marked key."""
        usual = {"base_url": self.base_url, "api_key": KEY, "max_retries": 0, "timeout": PATIENCE}
        return first_client().with_options(**(usual | options))

    # What arrived

    @property
    def sent(self) -> list[list[dict[str, Any]]]:
        """The messages of every chat request so far."""
        return [request.body["messages"] for request in list(self.requests) if request.is_chat]

    @property
    def in_progress(self) -> int:
        """How many requests have arrived and are not answered to their end yet."""
        return self._in_progress

    def wait_for_requests(self, count: int) -> None:
        """Come back when this many requests have arrived since the beginning."""
        self._wait(lambda: len(self.requests) >= count, f"{count} requests to arrive")

    def wait_until_idle(self) -> None:
        """Come back when no request is in progress."""
        self._wait(lambda: self._in_progress == 0, "all replies to end")

    def _wait(self, predicate: Callable[[], bool], what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(predicate, ARRIVAL):
                state = f"{len(self.requests)} arrived, {self._in_progress} in progress"
                raise AssertionError(f"Waited {ARRIVAL:g} s for {what}: {state}.")

    # What the connections' threads call

    def connect(self) -> None:
        with self._changed:
            self.connections += 1

    def arrive(self, request: Request) -> None:
        with self._changed:
            self.requests.append(request)
            self._in_progress += 1
            self.most_at_once = max(self.most_at_once, self._in_progress)
            if self._hold_until and len(self.sent) >= self._hold_until:
                self._enough_arrived.set()
            self._changed.notify_all()

    def depart(self) -> None:
        with self._changed:
            self._in_progress -= 1
            self._changed.notify_all()

    def answer(self, request: Request, line: "Connection") -> None:
        if self._hold_until:
            line.wait(self._enough_arrived)
        try:
            self.planned(request).send(line, request)
        except OSError:
            raise  # the client hung up, which is its right
        except Exception as mistake:
            self.mistakes.append(mistake)
            raise

    def planned(self, request: Request) -> Reply:
        for mood in self.moods:
            if mood.minds(request.body):
                return mood.refusal
        self.accepted.append(request.body)
        try:
            return as_reply(self._plan(request.body))
        except Exception as mistake:
            self.mistakes.append(mistake)
            return Status(500, f"The plan failed: {mistake!r}", headers={"x-should-retry": "false"})

    def wait(self, event: threading.Event | None, seconds: float | None) -> None:
        """Wait for an event of the test's, or for some seconds; closing the server ends the wait."""
        if event is None:
            self._closing.wait(seconds)
        # Python cannot wait for one of two events, so it looks now and then whether the server is closing.
        while event is not None and not self._closing.is_set() and not event.wait(LOOK_AGAIN):
            pass


def plan_of(replies: Plan) -> Callable[[dict[str, Any]], str | Reply]:
    """Any way to plan replies, as a function of the request's body."""
    if isinstance(replies, str | Reply):
        return lambda body: replies
    if callable(replies):
        return replies
    return scripted(list(replies))


def scripted(replies: Sequence[str | Reply]) -> Callable[[dict[str, Any]], str | Reply]:
    lock = threading.Lock()
    remaining = iter(replies)

    def next_reply(body: dict[str, Any]) -> str | Reply:
        with lock:
            for reply in remaining:
                return reply
        raise AssertionError(f"More requests than the {len(replies)} planned; the last: {body}")

    return next_reply


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # The usual five are too few for a class that begins to talk at the same moment.
    request_queue_size = 128

    def __init__(self, loopback: Loopback):
        self.loopback = loopback
        self._is_closing = False
        self.accepting = threading.Thread(target=self.serve_until_closed, name="loopback", daemon=True)
        self._connections: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(("127.0.0.1", 0), Connection)

    def serve_until_closed(self) -> None:
        # Not serve_forever(): it polls, and every test would wait half a second for its end.
        while True:
            connection, address = self.get_request()
            if self._is_closing:
                connection.close()
                return
            with self._changed:
                self._connections.add(connection)
            self.loopback.connect()
            self.process_request(connection, address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._changed:
            self._connections.discard(request)
            self._changed.notify_all()

    def close(self) -> None:
        self._is_closing = True
        with socket.create_connection(self.server_address[:2]):
            pass  # wakes the accepting thread, which then sees that it is over
        self.accepting.join(PATIENCE)
        with self._changed:
            for connection in self._connections:
                hang_up(connection)
            self._changed.wait_for(lambda: not self._connections, PATIENCE)
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: clients that hang up are the daily bread of these tests."""


def hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the client may have been quicker
        connection.shutdown(socket.SHUT_RDWR)


class Connection(BaseHTTPRequestHandler):
    """One connection, which may carry many requests; the `Line` of the planned replies."""

    server: Server
    protocol_version = "HTTP/1.1"
    # Replies leave at once and in one packet where they fit: benchmarks measure the kit, not this server.
    disable_nagle_algorithm = True
    wbufsize = -1
    chunked = False

    def do_GET(self) -> None:
        self.take_part(self.list_models)

    def do_POST(self) -> None:
        self.take_part(self.answer_chat)

    def take_part(self, answer: Callable[[Request], None]) -> None:
        request = self.read_request()
        self.server.loopback.arrive(request)
        try:
            answer(request)
            if not self.wfile.closed:
                self.wfile.flush()
        finally:
            self.server.loopback.depart()

    def read_request(self) -> Request:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        if len(raw) < length:
            raise ConnectionResetError("the client was killed in the middle of its request")
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.loads(raw) if raw else None
        return Request(self.command, self.path, headers, body, time.perf_counter())

    def list_models(self, request: Request) -> None:
        if request.path.endswith("/v1/models"):
            common = {"object": "model", "created": 1_700_000_000, "owned_by": "loopback"}
            models = [{"id": name, **common} for name in self.server.loopback.models]
            Json({"object": "list", "data": models}).send(self, request)
        else:
            web_page(404, "Not Found").send(self, request)

    def answer_chat(self, request: Request) -> None:
        if request.path.endswith("/v1/chat/completions"):
            self.server.loopback.answer(request, self)
        else:
            web_page(404, "Not Found").send(self, request)

    # The line

    def respond(self, status: int, content_type: str, body: bytes, headers: Mapping[str, str] = {}) -> None:
        self.send_response(status)
        usual = {"Content-Type": content_type, "Content-Length": str(len(body))}
        for name, value in (usual | dict(headers)).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def begin_stream(self, close_delimited: bool = False) -> None:
        self.chunked = not close_delimited
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        if close_delimited:
            self.send_header("Connection", "close")  # this also makes the base class close it afterwards
        else:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send_piece(self, piece: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if self.chunked else piece)
        self.wfile.flush()

    def end_stream(self) -> None:
        if self.chunked:
            self.wfile.write(b"0\r\n\r\n")

    def cut(self) -> None:
        self.close_connection = True

    def reset(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        # Not to linger makes closing a reset; detached, because the file objects around it would delay it.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.close(self.connection.detach())

    def wait(self, event: threading.Event | None = None, seconds: float | None = None) -> None:
        self.wfile.flush()  # what was said before is heard before
        self.server.loopback.wait(event, seconds)

    def wait_for_end(self, ended: threading.Event) -> None:
        """Wait until the client closes the connection: nothing else comes while it waits for its reply."""
        self.close_connection = True
        with contextlib.suppress(OSError):  # a reset is an end, too
            self.connection.recv(1)
        ended.set()

    def log_message(self, *_: Any) -> None:
        """Nothing: a test's output belongs to the test."""
