"""Every fault that an endpoint can have, under the `ReplyError.kind` that it must become.

`test_faults.py` tries them on `chat` and `stream`, `test_fault_surfaces.py` on what is built on top of these.
"""

from typing import Any

from loopback import (
    CUT,
    DONE,
    KEY,
    Either,
    Json,
    Raw,
    Reply,
    Reset,
    Silence,
    Status,
    Stream,
    Text,
    chunk,
    web_page,
)


def event_error(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


LONG_CONTEXT = "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens."
LLAMA_CONTEXT = {
    "message": "the request exceeds the available context size, try increasing it",
    "type": "exceed_context_size_error",
    "code": 400,
}

ROLE = chunk(role="assistant", content="")

# What the endpoint answers, under the kind that it must become. All of these raise exceptions in `openai`.
EXCEPTIONS: dict[str, dict[str, Reply]] = {
    "auth": {
        "401": Status(401, "Invalid authentication.", code="invalid_api_key"),
        "401 as a page": web_page(401),
    },
    "permission": {"403": Status(403, "Your project may not use this model.")},
    "model_not_found": {
        "404 with a code": Status(404, "No access to this.", code="model_not_found"),
        "404 in openai's words": Status(404, "The model `some-model` does not exist."),
        "404 in ollama's words": Status(404, 'model "some-model" not found, try pulling it first'),
    },
    "bad_address": {
        "404 page": web_page(404, "Not Found"),
        "404 in FastAPI's words": Json({"detail": "Not Found"}, 404),
        "404 without a body": Raw(b"", status=404),
    },
    "bad_request": {
        "400": Status(400, "temperature must be at most 2."),
        "422": Status(422, "Field required."),
        "400 in three words": Raw(b"Bad Request", "text/plain", 400),
        "422 in FastAPI's words": Json({"detail": [{"loc": ["body"], "msg": "Field required"}]}, 422),
    },
    "context_length": {
        "error event first": Stream([{"error": LLAMA_CONTEXT}]),
        "400 with a code": Status(400, "Too long.", code="context_length_exceeded"),
        "400 in vLLM's words": Status(400, LONG_CONTEXT),
        "400 in llama.cpp's words": Json({"error": LLAMA_CONTEXT}, 400),
    },
    "rate_limit": {
        "error event first": Stream([event_error("Slow down.", code="rate_limit_exceeded")]),
        "429": Status(429, "Slow down.", code="rate_limit_exceeded", headers={"Retry-After": "1"}),
        "429 for minutes": Status(429, "Slow down.", headers={"Retry-After": "300"}),
        "429 without a body": Raw(b"", status=429),
        # In the words of OpenAI and Google, who speak of billing and quotas and mean the calls in a minute.
        "429 with advice on billing": Status(
            429,
            "Rate limit reached for gpt-4o on requests per min (RPM): Limit 3, Used 3. Try again in 20s. "
            "You can increase your rate limit by adding a payment method to your account at "
            "https://platform.openai.com/account/billing.",
            code="rate_limit_exceeded",
        ),
        "429 for a quota by the minute": Status(
            429, "You exceeded your current quota, please check your plan. Please retry in 35s."
        ),
    },
    "quota": {
        "429 without credit": Status(429, "You exceeded your quota.", code="insufficient_quota"),
        "429 in openai's words": Status(
            429,
            "You exceeded your current quota, please check your plan and billing details.",
            type="insufficient_quota",
            code="insufficient_quota",
        ),
        "402": Status(402, "Payment required."),
        "403 without credit": Status(403, "Insufficient balance."),
        "error event first": Stream([event_error("No credit.", code="insufficient_quota")]),
    },
    "cut_off": {
        "400 in openai's words": Status(
            400, "Could not finish the message because max_tokens or model output limit was reached."
        ),
    },
    "timeout": {"408": Status(408, "Request timed out.")},
    "server": {
        "500": Status(500),
        "502 page": web_page(502, "Bad Gateway"),
        "503": Status(503, "Loading model."),
        "529": Status(529, "Overloaded."),
        "409": Status(409, "Conflict."),
        "error event first": Stream([event_error("Out of memory.")]),
        "error event after the role": Stream([ROLE, event_error("Out of memory.")]),
    },
    "connection": {"reset": Reset(), "silence": Silence()},
    "malformed": {
        "bad JSON in an event": Either(
            Raw(b'{"choices": [{'), Stream([chunk("Well "), '{"choices": [', chunk("met", "stop"), DONE])
        ),
    },
    "interrupted_stream": {
        "cut": Stream([chunk("Well "), CUT]),
        "cut before a word": Stream([ROLE, CUT]),
        "error event": Stream([chunk("Well "), event_error("Out of memory.")]),
        "error event with a code": Stream([chunk("Well "), event_error("No.", code="server_error")]),
    },
}

# Replies that arrive in good order and still are none.
NO_REPLIES: dict[str, dict[str, Reply]] = {
    "malformed": {
        "a page": web_page(),
        "half a JSON text": Raw(b'{"choices": ['),
        "nothing": Raw(b""),
        "a text": Json("Hail!"),
        "a list": Json([]),
        "no choices": Json({"choices": []}),
        "null choices": Json({"choices": None}),
        "a null choice": Json({"choices": [None]}),
        "a choice without a message": Json({"choices": [{"finish_reason": "stop"}]}),
        "a null message": Json({"choices": [{"message": None, "finish_reason": "stop"}]}),
        "a number as choices": Json({"choices": 42}),
        "choices missing": Json({"id": "1"}),
        "a number as content": Either(
            Json({"choices": [{"message": {"content": 42}, "finish_reason": "stop"}]}),
            Stream([chunk(42), chunk(finish_reason="stop"), DONE]),  # type: ignore[arg-type]
        ),
    },
    "server": {"an error under 200": Json(event_error("Something is wrong."))},
    "interrupted_stream": {
        "end without a finish reason": Stream([chunk("Well met."), DONE]),
        "no end mark either": Stream([chunk("Well met.")]),
        "closed without a length": Stream([chunk("Well "), CUT], close_delimited=True),
    },
    "empty": {
        "empty": Text(""),
        "null": Text(None),
        "null everything": Text(None, nulls=True),
        "blanks": Text(" \n\t "),
        "a call of a tool": Text(None, finish_reason="tool_calls"),
    },
    "cut_off": {
        "empty": Text("", finish_reason="length"),
        "null": Text(None, finish_reason="length"),
        "blanks": Text("\n\n", finish_reason="length"),
    },
    "no_answer": {
        "reasoning_content": Text(None, reasoning_content="I must lie."),
        "reasoning": Text("", reasoning="I must lie."),
        "reasoning to the limit": Text(None, reasoning_content="I must", finish_reason="length"),
        "think": Text("<think>I must lie.</think>"),
        "unclosed think": Text("<think>I must lie."),
        "unclosed think to the limit": Text("<think>I must", finish_reason="length"),
    },
    "refused": {
        "refusal": Text(None, refusal="I cannot help with that."),
        "refusal and empty content": Text("", refusal="I cannot help with that."),
    },
    "filtered": {
        "null": Text(None, finish_reason="content_filter"),
        "after some words": Text("Well met", finish_reason="content_filter"),
    },
}


# Faults in which the endpoint repeats the key.
TELLING = f"Incorrect API key provided: {KEY}. You can find your key in your account."
TELLTALES = {
    "401": Status(401, TELLING, code="invalid_api_key"),
    "400": Status(400, TELLING),
    "403": Status(403, TELLING),
    "404": Status(404, TELLING),
    "429": Status(429, TELLING),
    "500": Status(500, TELLING),
    "401 page": web_page(401, TELLING),
    "404 page": web_page(404, TELLING),
    "500 of its own form": Json({"detail": {"headers": {"authorization": f"Bearer {KEY}"}}}, 500),
    "page under 200": web_page(200, TELLING),
    "error under 200": Json(event_error(TELLING)),
    "half a JSON text": Raw(f'{{"error": "{TELLING}'.encode()),
    "error event": Either(Status(500, TELLING), Stream([event_error(TELLING)])),
    "later error event": Either(Status(500, TELLING), Stream([chunk("Well "), event_error(TELLING)])),
    "bad JSON in an event": Either(Raw(TELLING.encode()), Stream([f'{{"error": "{TELLING}'])),
    "refusal": Text(None, refusal=TELLING),
}
