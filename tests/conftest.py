"""What holds for every test: no network, no keys of the person who runs it; and the loopback endpoint."""

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from browser import Jupyter, running_jupyter
from hypothesis import settings
from loopback import Loopback
from pytest_socket import SocketBlockedError, socket_allow_hosts

from npc_lab.lessons.checking import exercise
from npc_lab.lessons.exercises import made_up

# What runs in the background, or under nohup, inherits that Ctrl-C is ignored, and so do all processes made
# by it: kernels, servers, commands. With a handler set, those that are made from now on have their own.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Where no bytecode is kept, each of some two hundred processes would compile the package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# On a busy machine an example may take its time. Each run of the tests tries the same ones, so that it fails
# for what was changed and for nothing else; tests/reliability.py seeks new ones.
settings.register_profile("seek", deadline=None)
settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile("same")

THIS_MACHINE = ["127.0.0.1", "::1", "localhost"]
SETTINGS = ["NPC_LAB_PROVIDER", "HF_TOKEN", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"]

# Files that take long, the longest first: what begins last should be short.
LONGEST = ["lesson_arena", "cli", "arena_styles", "keys", "faults", "fault_surfaces", "patience", "chat_box"]
LONGEST += [
    "interrupts",
    "arena_controls",
    "door",
    "grade",
    "lessons",
    "kills",
    "store",
    "hostile",
    "weights",
]
LONGEST += ["weights", "character_form", "wheel", "hostile_store", "experiments", "judges", "notebooks"]

# Colab's pins run these two on the fake, and the first one on the embedded model.
ON_ALL_PINS = ["00_setup", "05_chat_arena"]


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let pytest-xdist begin with the files that take longest, and mark the notebooks' cells."""
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker("packages" if item.path.stem in ON_ALL_PINS else "once")
    order = {f"test_{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Connections reach this machine and nothing else; Unix sockets serve asyncio and Jupyter's kernels."""
    socket_allow_hosts(THIS_MACHINE, allow_unix_socket=True)
    made_up.dice.seed(item.nodeid)  # what checks make up is the same in each run of a test


# What holds for all tests alike is done once: thousands of them would do it thousands of times.
@pytest.fixture(scope="session", autouse=True)
def _no_name_is_looked_up() -> Iterator[None]:
    """A name server is network too, and pytest-socket lets it pass where some hosts are allowed."""
    with pytest.MonkeyPatch.context() as patch:
        for function in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
            patch.setattr(socket, function, only_this_machine(getattr(socket, function)))
        yield


def only_this_machine(look_up: Any) -> Any:
    def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name in (None, "", "0.0.0.0", "::", *THIS_MACHINE, socket.gethostname()):
            return look_up(host, *args, **kwargs)
        if str(name).endswith(".invalid"):
            # No such name can ever exist: what a machine without a network says of every name.
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        raise SocketBlockedError(f"A test tried to look up the address of {name!r}.")

    return guarded


@pytest.fixture
def little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """For code that never ends: a check gives a step half a second, not three."""
    monkeypatch.setattr(exercise, "STEP_SECONDS", 0.5)
    monkeypatch.setattr(exercise, "ALL_SECONDS", 1.5)


@pytest.fixture(scope="session", autouse=True)
def _nobodys_keys() -> Iterator[None]:
    with nobodys_keys():
        yield


@contextlib.contextmanager
def nobodys_keys() -> Iterator[None]:
    """Tests find the same environment everywhere: no key that could be spent."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.endswith(("_API_KEY", "_API_TOKEN", "_ADMIN_KEY")):
                patch.delenv(name)
        # A proxy of the person who runs the tests must not stand between them and this machine.
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, ",".join([*filter(None, [os.environ.get(name)]), *THIS_MACHINE]))
        yield


@pytest.fixture(autouse=True)
def _nothing_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor a provider, which the notebooks' kernels do choose."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def loopback() -> Iterator[Any]:
    """Starts endpoints: `server = loopback(["Hail.", Status(500)])`; they are gone after the test."""
    with contextlib.ExitStack() as servers:
        yield lambda replies, **options: servers.enter_context(Loopback(replies, **options))


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """This environment's Jupyter in Chromium, for tests marked `browser`."""
    with running_jupyter(tmp_path_factory.mktemp("jupyter")) as running:
        yield running
