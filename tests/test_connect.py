"""Choosing where replies come from: the order, the keys, and the words for what is missing."""

import os
import re
import ssl
import sys
import types
from pathlib import Path
from typing import Any

import openai
import pytest
from loopback import KEY
from typer.testing import CliRunner

import npc_lab.endpoints.embedded
from npc_lab import (
    ConnectError,
    FakeClient,
    MissingKeyError,
    NPCConfig,
    ReplyError,
    SimpleChatNPC,
    connect,
    fake_error,
)
from npc_lab.cli import app
from npc_lab.endpoints.providers import PROVIDERS

OTHER_KEY = "sk-another-marked-key-0987654321"


@pytest.fixture
def without_embedded_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where xllamacpp is not installed."""
    monkeypatch.setitem(sys.modules, "xllamacpp", None)


class Userdata(types.ModuleType):
    """Colab's `google.colab.userdata`, with its three ways to fail."""

    class SecretNotFoundError(Exception): ...

    class NotebookAccessError(Exception): ...

    class TimeoutException(Exception): ...  # noqa: N818 (Colab's own name)

    def __init__(self, secrets: dict[str, str | type[Exception]]):
        super().__init__("google.colab.userdata")
        self.secrets = secrets
        self.asked: list[str] = []

    def get(self, name: str) -> str:
        self.asked.append(name)
        answer = self.secrets.get(name, self.secrets.get("*", self.SecretNotFoundError))
        if isinstance(answer, str):
            return answer
        raise answer("Colab says no")


@pytest.fixture
def colab(monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(secrets: dict[str, str | type[Exception]]) -> Userdata:
        userdata = Userdata(secrets)
        colab_module = types.ModuleType("google.colab")
        colab_module.userdata = userdata  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))
        monkeypatch.setitem(sys.modules, "google.colab", colab_module)
        monkeypatch.setitem(sys.modules, "google.colab.userdata", userdata)
        return userdata

    return make


def test_the_named_provider_with_the_key_from_the_environment(monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setenv("NEBIUS_API_KEY", f"  {KEY}\n")
    client, model = connect("nebius")
    assert isinstance(client, openai.OpenAI)
    assert str(client.base_url) == "https://api.tokenfactory.nebius.com/v1/"
    assert client.api_key == KEY
    assert model == PROVIDERS["nebius"].model
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1
    assert "nebius" in printed.out
    assert KEY not in printed.out + printed.err


# As each provider's own pages name the environment variable of its key.
KEY_NAMES = {
    "nebius": "NEBIUS_API_KEY",
    "openai": "OPENAI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "groq": "GROQ_API_KEY",
    "together": "TOGETHER_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "ollama": "",
}


def test_a_key_is_found_under_the_name_that_its_provider_gives_it(monkeypatch: Any) -> None:
    assert {name: provider.key_name for name, provider in PROVIDERS.items()} == KEY_NAMES
    monkeypatch.setenv("MISTRAL_API_KEY", KEY)
    assert connect("mistral").client.api_key == KEY


def test_the_argument_goes_before_the_environment(monkeypatch: Any) -> None:
    monkeypatch.setenv("NPC_LAB_PROVIDER", "nebius")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert isinstance(connect("fake").client, FakeClient)
    assert "openai.com" in str(connect("openai").client.base_url)
    assert connect("OpenAI", api_key=OTHER_KEY).client.api_key == OTHER_KEY


def test_the_environments_provider_goes_before_found_keys(monkeypatch: Any) -> None:
    monkeypatch.setenv("NPC_LAB_PROVIDER", "fake")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert isinstance(connect().client, FakeClient)


def test_the_first_provider_whose_key_is_found_is_taken(monkeypatch: Any) -> None:
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "   ")
    assert "groq.com" in str(connect().client.base_url)


def test_any_openai_compatible_address_will_do(loopback: Any, capsys: Any) -> None:
    server = loopback(["Hail."])
    client, model = connect(base_url=server.base_url, model="my-model", api_key=KEY)
    npc = SimpleChatNPC(client, model, NPCConfig("w", "c"))
    assert npc.chat("Hello!", "u") == "Hail."
    assert server.requests[0].body["model"] == "my-model"
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in capsys.readouterr().out


def test_a_found_key_never_goes_to_an_address_of_your_own(monkeypatch: Any) -> None:
    monkeypatch.setenv("NPC_LAB_PROVIDER", "openai")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    client = connect(base_url="http://127.0.0.1:9/v1/", model="m").client
    assert client.api_key != KEY
    assert "127.0.0.1" in str(client.base_url)


@pytest.mark.parametrize("provider", ["local", "fake"])
def test_what_has_its_own_address_takes_no_other(provider: str) -> None:
    with pytest.raises(ConnectError, match="base_url"):
        connect(provider, base_url="http://127.0.0.1:9/v1/")


def test_an_endpoint_without_keys_needs_none() -> None:
    client, model = connect("ollama")
    assert "11434" in str(client.base_url)
    assert model


def test_the_time_out_is_a_minute_not_half_an_hour() -> None:
    assert connect("ollama").client.timeout == 60


def test_an_unknown_provider_is_named_with_the_near_one() -> None:
    with pytest.raises(ConnectError, match="Did you mean 'nebius'"):
        connect("nebbius")
    with pytest.raises(ConnectError, match=r"openai.*local.*fake"):
        connect("xyzzy")


@pytest.mark.parametrize("provider", [name for name, row in PROVIDERS.items() if row.key_name])
def test_a_missing_key_says_its_name_where_to_get_it_and_what_works_without(provider: str) -> None:
    with pytest.raises(MissingKeyError) as caught:
        connect(provider)
    for part in (PROVIDERS[provider].key_name, PROVIDERS[provider].keys_page, "connect('local')"):
        assert part in str(caught.value)


@pytest.mark.usefixtures("without_embedded_model")
def test_with_no_key_and_no_embedded_model_every_way_out_is_said() -> None:
    with pytest.raises(MissingKeyError) as caught:
        connect()
    for part in ("NEBIUS_API_KEY", "OPENAI_API_KEY", "getpass", "npc-lab[local]", 'connect("fake")'):
        assert part in str(caught.value)


def test_with_no_key_the_embedded_model_is_next(monkeypatch: Any, capsys: Any) -> None:
    served = types.SimpleNamespace(
        base_url="http://127.0.0.1:1/v1/", model="SmolLM2-135M-Instruct", path=Path("m.gguf")
    )
    monkeypatch.setattr(npc_lab.endpoints.embedded, "is_installed", lambda: True)
    monkeypatch.setattr(npc_lab.endpoints.embedded, "serve", lambda gguf: served)
    client, model = connect()
    assert (str(client.base_url), model) == (served.base_url, served.model)
    assert "no key needed" in capsys.readouterr().out


@pytest.mark.parametrize("key", ["sk-schlüssel", "sk-one sk-two", "sk-a\nsk-b", "sk-\u200bx"])
def test_a_key_that_cannot_be_one_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ConnectError) as caught:
        connect("openai", api_key=key)
    assert "Copy it again" in str(caught.value)
    assert key not in str(caught.value)


@pytest.mark.parametrize("argument", ["provider", "model", "api_key", "base_url"])
def test_an_argument_that_is_no_text_is_named_without_its_value(argument: str) -> None:
    with pytest.raises(ConnectError, match=argument) as caught:
        connect(**{argument: 987654321})  # type: ignore[arg-type]
    assert "987654321" not in str(caught.value)


def test_a_broken_key_in_the_environment_is_named(monkeypatch: Any) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "one two")
    with pytest.raises(ConnectError, match="GROQ_API_KEY"):
        connect()


@pytest.mark.parametrize("address", ["api.openai.com/v1", "ftp://x", ""])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    if address:
        with pytest.raises(ConnectError, match="https://"):
            connect(base_url=address, model="m")
    with pytest.raises(ConnectError, match="model"):
        connect(base_url="http://127.0.0.1:9/v1/")


def test_no_key_is_in_what_connect_gives(monkeypatch: Any) -> None:
    connection = connect("openai", api_key=KEY)
    assert KEY not in repr(connection) + str(connection)
    assert KEY not in repr(SimpleChatNPC(*connection, NPCConfig("w", "c")))


# --- Colab's secrets ------------------------------------------------------------------------------


def test_a_colab_secret_is_found_after_the_environment(colab: Any, monkeypatch: Any) -> None:
    userdata = colab({"OPENAI_API_KEY": f" {KEY} "})
    assert connect("openai").client.api_key == KEY
    monkeypatch.setenv("OPENAI_API_KEY", OTHER_KEY)
    assert connect("openai").client.api_key == OTHER_KEY
    assert userdata.asked == ["OPENAI_API_KEY"]


def test_without_a_provider_all_names_are_looked_up_in_colab(colab: Any) -> None:
    colab({"TOGETHER_API_KEY": KEY})
    assert "together" in str(connect().client.base_url)


@pytest.mark.usefixtures("without_embedded_model")
def test_after_a_first_time_out_colab_is_asked_for_no_further_names(colab: Any) -> None:
    userdata = colab({"*": Userdata.TimeoutException})
    with pytest.raises(MissingKeyError, match="did not answer"):
        connect()
    with pytest.raises(MissingKeyError):
        connect()
    assert len(userdata.asked) == 1


@pytest.mark.usefixtures("without_embedded_model")
def test_a_closed_secret_says_which_switch_opens_it(colab: Any) -> None:
    colab({"NEBIUS_API_KEY": Userdata.NotebookAccessError})
    with pytest.raises(MissingKeyError, match="NEBIUS_API_KEY exists: switch on its 'Notebook access'"):
        connect("nebius")


def test_a_closed_secret_is_mentioned_even_where_the_embedded_model_steps_in(
    colab: Any, monkeypatch: Any, capsys: Any
) -> None:
    colab({"NEBIUS_API_KEY": Userdata.NotebookAccessError})
    served = types.SimpleNamespace(base_url="http://127.0.0.1:1/v1/", model="m", path=Path("m.gguf"))
    monkeypatch.setattr(npc_lab.endpoints.embedded, "is_installed", lambda: True)
    monkeypatch.setattr(npc_lab.endpoints.embedded, "serve", lambda gguf: served)
    connect()
    assert "NEBIUS_API_KEY exists: switch on its 'Notebook access'" in capsys.readouterr().out


@pytest.mark.usefixtures("without_embedded_model")
def test_a_colab_that_fails_in_some_new_way_is_no_key(colab: Any) -> None:
    userdata = colab({"*": RuntimeError})
    with pytest.raises(MissingKeyError):
        connect()
    assert len(userdata.asked) > 3


# --- settings of the machine ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY", "http_proxy"])
def test_this_machines_own_addresses_are_never_reached_through_a_proxy(
    loopback: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    for host in ("127.0.0.1", "localhost"):
        server = loopback(["Hail."])
        address = server.base_url.replace("127.0.0.1", host)
        client, model = connect(base_url=address, model="m")
        assert SimpleChatNPC(client, model, NPCConfig("w", "c")).chat("Hello!", "u") == "Hail."


# conda leaves such a variable behind; schools and companies set the others, as do programs for proxies
# (OpenHands/OpenHands-CLI#632, Realiserad/fish-ai#475).
SETTINGS = {
    "certificates that are not there": (
        {"SSL_CERT_FILE": "/nowhere/cacert.pem"},
        "SSL_CERT_FILE .* not there",
    ),
    "certificates that are empty": ({"SSL_CERT_FILE": os.devnull}, "SSL_CERT_FILE .* cannot be used"),
    "certificates that are a folder": ({"SSL_CERT_FILE": os.getcwd()}, "SSL_CERT_FILE .* cannot be used"),
    "a proxy of an unknown scheme": (
        {"HTTPS_PROXY": "foo://proxy:80"},
        "proxy in HTTPS_PROXY cannot be used",
    ),
    "a proxy without a scheme": ({"https_proxy": "proxy:80a"}, "in https_proxy cannot be used"),
    "SOCKS without its package": ({"ALL_PROXY": "socks5://proxy:80"}, "ALL_PROXY .* pip install socksio"),
}


def use(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]) -> None:
    """Set these variables, and no proxy of the person who runs the tests."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    settings, words = SETTINGS[name]
    use(monkeypatch, settings)
    with pytest.raises(ConnectError, match=words):
        connect("openai", api_key=KEY)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for command in ("doctor", "demo", "chat"):
        result = CliRunner().invoke(app, [command, "--provider", "openai"])
        assert result.exit_code == 1
        assert isinstance(result.exception, SystemExit), command
        assert re.search(words, " ".join(result.output.split())), command
        assert KEY not in result.output


ADDRESSES = ["https://host:port/v1", "https://[::1/v1", "https://a b/v1", "https://", "http:///v1"]
ADDRESSES += ["https://h:99999/v1", "https://999.999.999.999/v1", f"https://{'a' * 70}.com/v1"]
ADDRESSES += ["https://a..com/v1", "https://./v1"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_malformed_address_is_told_of_in_words(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    for settings in ({}, {"HTTPS_PROXY": "http://127.0.0.1:9"}):
        use(monkeypatch, settings)
        with pytest.raises(ConnectError, match=r"The base_url .* address"):
            connect(base_url=address, model="m")
    result = CliRunner().invoke(app, ["doctor", "--base-url", address, "--model", "m"])
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)


def asked(address: str) -> ReplyError:
    client, model = connect(base_url=address, model="m")
    with pytest.raises(ReplyError) as caught:
        SimpleChatNPC(client.with_options(max_retries=0), model, NPCConfig("w", "c")).chat("Hello!", "u")
    assert caught.value.kind == "connection"
    return caught.value


def test_without_a_network_the_message_says_so_and_names_the_ways_that_need_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(monkeypatch, {})
    said = str(asked("https://nowhere.invalid/v1"))
    assert said.startswith("The endpoint's address was not found: is there no network, or is it misspelt?")
    assert "or go on without a network: connect('local') or connect('fake')." in said
    use(monkeypatch, {"HTTPS_PROXY": "http://127.0.0.1:9"})
    assert "nowhere.invalid/v1/ (a proxy is set in HTTPS_PROXY)." in str(asked("https://nowhere.invalid/v1"))


def test_a_certificate_that_nobody_knows_is_told_of() -> None:
    """As of a network that reads along: openai-python#2113, DagsHub/client#610."""
    words = (
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate"
    )
    error = fake_error("connection")
    error.__cause__ = ssl.SSLCertVerificationError(words)
    with pytest.raises(ReplyError) as caught:
        SimpleChatNPC(FakeClient([error]), "m", NPCConfig("w", "c")).chat("Hello!", "u")
    assert str(caught.value).startswith("The endpoint's certificate was not accepted.")
    assert "SSL_CERT_FILE" in caught.value.hint


def test_blanks_around_an_address_and_capitals_do_no_harm(loopback: Any) -> None:
    server = loopback(["Hail."])
    client, model = connect(base_url=f"  {server.base_url.replace('http', 'HTTP')} ", model="m")
    assert SimpleChatNPC(client, model, NPCConfig("w", "c")).chat("Hello!", "u") == "Hail."


def test_where_nothing_answers_on_this_machine_the_embedded_model_is_no_advice() -> None:
    client, model = connect(base_url="http://127.0.0.1:9/v1", model="m")
    with pytest.raises(ReplyError, match="on this machine") as caught:
        SimpleChatNPC(client.with_options(max_retries=0), model, NPCConfig("w", "c")).chat("Hello!", "u")
    assert "connect('local')" not in str(caught.value)
