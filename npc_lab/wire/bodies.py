"""What an endpoint says in the body of an error, whatever its shape.

Every provider has a shape of its own:

    {"error": {"message": "Slow down.", "code": "rate_limit_exceeded"}}     OpenAI
    {"error": "model 'm' not found"}                                        Ollama, LM Studio
    [{"error": {"code": 400, "message": "API key not valid."}}]             Google
    {"detail": [{"loc": ["body"], "msg": "Field required"}]}                FastAPI
    {"error": {"message": "Provider returned error", "metadata": {"raw": "{...}"}}}   OpenRouter

`read_body` flattens all of them once, for the kind of the error and for the words that are quoted:

    read_body({"error": "model 'm' not found"})    Said(message="model 'm' not found", codes="", status=None)
"""

import json
from dataclasses import dataclass
from typing import Any

from npc_lab.text import well_formed

# In the order in which a person would read them.
_MESSAGES = ("message", "msg", "error_description", "detail", "details", "error", "errors", "title", "reason")
_CODES = ("code", "type", "status", "reason", "error_code", "error")
# Says nothing: what the model's own provider said stands in `metadata`.
_EMPTY_PHRASES = ("provider returned error", "upstream error")
_DEEPEST = 8  # levels: no real body is deeper


@dataclass(frozen=True)
class Said:
    """The endpoint's sentence, its code words, and the HTTP status that it names in the body, if any."""

    message: str = ""
    codes: str = ""
    status: int | None = None

    @property
    def words(self) -> str:
        """All of it in lower case, to look for the kind of the error in."""
        return f"{self.codes} {self.message}".lower()


def read_body(body: Any, depth: int = 0) -> Said:
    """Return what this body says. A web page says nothing."""
    if depth > _DEEPEST:
        return Said()
    if isinstance(body, str):
        return _read_text(body, depth)
    if isinstance(body, dict):
        return _read_fields(body, depth)
    if isinstance(body, list | tuple):
        parts = [read_body(each, depth + 1) for each in body[:10]]
        statuses = [each.status for each in parts if each.status]
        messages = dict.fromkeys(each.message for each in parts if each.message)
        return Said("; ".join(messages), " ".join(each.codes for each in parts), next(iter(statuses), None))
    inner = getattr(body, "model_extra", None)
    return read_body({**vars(body), **(inner or {})}, depth + 1) if hasattr(body, "__dict__") else Said()


def _read_text(text: str, depth: int) -> Said:
    text = well_formed(text).strip()
    if text[:1] in ("{", "["):
        try:
            return read_body(json.loads(text), depth + 1)
        except (ValueError, RecursionError):
            return Said(text)
    return Said() if text[:1] == "<" else Said(text)


def _read_fields(fields: dict[Any, Any], depth: int) -> Said:
    parts = [read_body(fields[name], depth + 1) for name in _MESSAGES if fields.get(name)]
    messages = [each.message for each in parts if each.message]
    if not messages or messages[0].lower().rstrip(".") in _EMPTY_PHRASES:
        metadata = read_body(fields.get("metadata"), depth + 1)
        raw = fields.get("raw")
        messages = [each for each in (metadata.message, read_body(raw, depth + 1).message, *messages) if each]
    codes = [fields.get(name) for name in _CODES]
    words = [each for each in codes if isinstance(each, str)] + [each.codes for each in parts]
    numbers = [_status_in(each) for each in codes] + [each.status for each in parts]
    return Said(next(iter(messages), ""), " ".join(words), next(filter(None, numbers), None))


def _status_in(code: Any) -> int | None:
    """Return the HTTP status of an error that this code is, or None."""
    is_number = isinstance(code, int) or (isinstance(code, str) and code.isdecimal() and len(code) == 3)
    return int(code) if is_number and 400 <= int(code) < 600 else None
