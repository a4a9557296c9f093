"""Everything that can go wrong, in one tree.

    NPCLabError
    ├── CharacterError             a field of a character sheet has an invalid value
    │   └── CardError              a character file cannot be read or written
    ├── NPCFactoryError
    │   ├── NPCNotFoundError       no NPC has this id
    │   └── UserNotFoundError      no user has this id
    ├── ChatArenaError
    │   ├── ConversationNotFoundError
    │   └── NPCNotFoundInArenaError
    ├── ReplyError                 the model gave no usable reply; `.kind` says why
    ├── ExperimentError            an experiment cannot be planned, run or computed like this
    └── ConnectError               no model can be reached with what was asked for
        └── MissingKeyError        a key is needed and none was found

Each message says what happened and what to do next, and none ever holds a key:

    try:
        npc.chat("Hello!", "rosamund")
    except ReplyError as error:
        error.kind    "rate_limit"
        str(error)    "The endpoint asks us to slow down. Wait a minute and try again."
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class NPCLabError(Exception):
    """The root: `except NPCLabError` catches everything this package raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy the error as it is: a copy in another process says the same."""
        return _as_it_was, (type(self), self.args, vars(self))


class CharacterError(NPCLabError, ValueError):
    """A field of a character sheet has an invalid value, for instance a number as its world."""


class CardError(CharacterError):
    """A character file cannot be read or written."""


class NPCFactoryError(NPCLabError):
    """The root of what an `NPCFactory` raises."""


class ChatArenaError(NPCLabError):
    """The root of what a `ChatArena` raises."""


class NPCNotFoundError(NPCFactoryError):
    """No NPC of the factory has this id."""

    def __init__(self, npc_id: str, known: Iterable[str] = ()):
        self.npc_id = npc_id
        super().__init__(not_found("NPC", npc_id, known, "Make one with register_npc()."))


class UserNotFoundError(NPCFactoryError):
    """No registered user has this id."""

    def __init__(self, user_id: str, known: Iterable[str] = ()):
        self.user_id = user_id
        super().__init__(not_found("user", user_id, known, "Make one with register_user()."))


class ConversationNotFoundError(ChatArenaError):
    """No conversation of the arena has this id."""

    def __init__(self, conversation_id: str, known: Iterable[str] = ()):
        self.conversation_id = conversation_id
        super().__init__(
            not_found("conversation", conversation_id, known, "Make one with start_conversation().")
        )


class NPCNotFoundInArenaError(ChatArenaError):
    """The arena's factory has no NPC with this id."""

    def __init__(self, npc_id: str, known: Iterable[str] = ()):
        self.npc_id = npc_id
        super().__init__(not_found("NPC", npc_id, known, "Register it with the arena's factory first."))


class ExperimentError(NPCLabError):
    """An experiment cannot be planned, run or computed like this."""


class ConnectError(NPCLabError):
    """No model can be reached with what was asked for: an unknown provider, no weights, ..."""


class MissingKeyError(ConnectError):
    """A key is needed and none was found."""


# kind -> what happened, and what to do next. Each is one sentence that a tired student can act on.
REPLY_FAULTS: dict[str, tuple[str, str]] = {
    "auth": (
        "The endpoint did not accept the key.",
        "Check that the key is complete, still valid and belongs to this provider.",
    ),
    "permission": (
        "The key is valid, but it may not use this model.",
        "Ask the owner of the account for access, or choose another model.",
    ),
    "model_not_found": (
        "The endpoint has no model of this name.",
        "Check the spelling, or choose another model of this provider.",
    ),
    "bad_address": (
        "Something answers at this address, but it is not a chat API.",
        "Check the base URL; it usually ends with /v1/.",
    ),
    "bad_request": (
        "The endpoint refused the request.",
        "Read the reason it gives and change the message or the character's settings.",
    ),
    "context_length": (
        "The conversation is longer than the model can read at once.",
        "Send a shorter message or give the character a smaller history_size.",
    ),
    "rate_limit": (
        "The endpoint asks us to slow down.",
        "Wait a minute and try again.",
    ),
    "quota": (
        "No credit or budget is left.",
        "Add credit with the provider, or go on without a key: connect('local').",
    ),
    "timeout": (
        "The endpoint took too long to answer.",
        "Try again; if it happens often, choose a smaller model.",
    ),
    "connection": (
        "Nothing answers at the endpoint's address.",
        "Check network and base URL, or go on without a network: connect('local') or connect('fake').",
    ),
    "server": (
        "The endpoint has a problem of its own.",
        "Wait a minute and try again.",
    ),
    "malformed": (
        "The endpoint sent something that is not a chat reply.",
        "Check the base URL and that no sign-in page of your network stands in between.",
    ),
    "interrupted_stream": (
        "The reply broke off before its end.",
        "Try again; nothing of it was remembered.",
    ),
    "empty": (
        "The model answered with nothing.",
        "Try again, or say it in other words.",
    ),
    "no_answer": (
        "The model wrote private thoughts and no answer.",
        "Try again, or give the character a larger max_reply_tokens.",
    ),
    "cut_off": (
        "The model reached its token limit before it said anything.",
        "Give the character a larger max_reply_tokens.",
    ),
    "refused": (
        "The model refused to answer.",
        "Say it in other words, or soften the character's description.",
    ),
    "filtered": (
        "The provider's content filter held the reply back.",
        "Say it in other words.",
    ),
}


class ReplyError(NPCLabError):
    """The model gave no usable reply. Nothing was remembered; the next call may succeed.

    `kind` is a key of `REPLY_FAULTS`. `hint` is one sentence that says what to do next. `detail` is
    what the endpoint itself had to say; `what` says what happened if the usual words do not fit.
    The provider's own exception, if there is one, is the `__cause__`.
    """

    def __init__(self, kind: str, hint: str | None = None, detail: str = "", what: str | None = None):
        super().__init__(kind, hint, detail, what)
        usual_what, usual_hint = REPLY_FAULTS[kind]
        self.kind = kind
        self.hint = hint or usual_hint
        self.detail = detail
        self.what = what or usual_what

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.detail, self.hint) if part)


def no_text(who: str, returned: Any) -> ReplyError:
    """Return the error for a class of one's own that returned something else than text as its line."""
    what = f"{who} must return text, not {returned!r:.60}."
    return ReplyError("malformed", "Did you forget a return?", what=what)


def in_words(error: BaseException) -> str:
    """Return what went wrong, in words. Our own errors explain themselves, others are named."""
    if isinstance(error, NPCLabError):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _as_it_was(kind: type[NPCLabError], args: tuple[Any, ...], attributes: dict[str, Any]) -> NPCLabError:
    error = kind.__new__(kind, *args)
    vars(error).update(attributes)
    return error


def not_found(noun: str, wanted: str, known: Iterable[str], way_out: str) -> str:
    """Return the message for an unknown id: quote it, and name the nearest known one if one is close."""
    return f"There is no {noun} with the id {wanted!r:.80}. {did_you_mean(wanted, known, way_out)}"


def did_you_mean(wanted: str, known: Iterable[str], otherwise: str) -> str:
    """Return "Did you mean 'x'?" if a known name looks like the wanted one, else the other sentence."""
    near = nearest(wanted, known)
    return f"Did you mean {near!r}?" if near else otherwise


def nearest(wanted: str, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like the wanted one, or None."""
    close = get_close_matches(str(wanted), [str(name) for name in known], n=1)
    return close[0] if close else None
