"""`npc-lab doctor`: what is installed, which keys are found, and whether a reply arrives."""

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from npc_lab.character import NPCConfig
from npc_lab.cli.find_keys import warn_of_keys
from npc_lab.cli.screen import Screen
from npc_lab.cli.start import INSTALL_COURSE
from npc_lab.endpoints.connect import Connection
from npc_lab.endpoints.models import MODELS, SHIPPED
from npc_lab.endpoints.providers import PROVIDERS
from npc_lab.endpoints.weights import INSTALL, SMOLLM2, cache_folder
from npc_lab.errors import ReplyError
from npc_lab.npc import SimpleChatNPC
from npc_lab.reply import Reply
from npc_lab.wire.dialects import known

# package -> what to do if it is missing
_PACKAGES = {
    "npc-lab": "pip install npc-lab",
    "openai": "pip install openai",
    "ipywidgets": "pip install ipywidgets",
    "xllamacpp": f"for the embedded model: {INSTALL}",
    "huggingface_hub": f"for models by name: {INSTALL}",
    "jupyterlab": f"for the notebooks: {INSTALL_COURSE}",
}


def installed_version(package: str) -> str | None:
    """Return the package's version, or None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def show_findings(screen: Screen) -> None:
    """Print what is installed, which keys are found (never any part of one), and where the weights are."""
    screen.say("Installed", "bold")
    screen.rows([("Python", platform.python_version()), *((each, _state_of(each)) for each in _PACKAGES)])
    screen.say()
    screen.say("Keys in the environment (Colab's secrets are seen only from inside a notebook)", "bold")
    screen.rows([(provider.name, _state_of_key(provider.key_name)) for provider in PROVIDERS.values()])
    screen.say()
    screen.say("Embedded model", "bold")
    screen.rows([(SHIPPED, _state_of_weights()), *_fetched()])
    screen.say()
    warn_of_keys(screen, Path())


def ask_for_a_token(screen: Screen, connection: Connection) -> None:
    """Ask for one token in the way that a lesson asks. Raise `ReplyError` if no reply arrives."""
    config = NPCConfig("", "You answer with one word.", max_reply_tokens=1)
    started = time.perf_counter()
    stream = SimpleChatNPC(*connection, config).stream("Hello!", "doctor")
    try:
        for _ in stream:
            pass
    except ReplyError as error:
        # These two mean that a reply did arrive: its one token was a blank, or the beginning of a thought.
        if error.kind not in ("cut_off", "no_answer"):
            raise
    screen.say(f"A reply came after {time.perf_counter() - started:.1f} seconds. All is well.", "bold")
    for note in _notes(connection, stream.reply):
        screen.say(note)


def _notes(connection: Connection, reply: Reply) -> list[str]:
    """Return what is unusual about this endpoint, and what is done about it."""
    notes = [adaptation.note for adaptation in known(*connection)]
    if reply.usage is None:
        notes.append("This endpoint sends no token counts; they are estimated.")
    if reply.reasoning:
        notes.append("This endpoint sends private thoughts in a field of their own; they stay private.")
    return notes


def _state_of(package: str) -> str:
    return installed_version(package) or f"not installed ({_PACKAGES[package]})"


def _state_of_key(key_name: str) -> str:
    if not key_name:
        return "needs no key"
    is_set = bool(os.environ.get(key_name, "").strip())
    return f"{key_name} is set" if is_set else f"{key_name} is not set"


def _fetched() -> list[tuple[str, str]]:
    """Return the named models of the hub that are here, and in which folder."""
    files = {name: row.hub_file.cached() for name, row in MODELS.items() if row.hub_file}
    return [(name, f"in {file.parent}") for name, file in files.items() if file]


def _state_of_weights() -> str:
    file = cache_folder() / Path(SMOLLM2.member).name
    if file.is_file():
        return f"in {file.parent}"
    return f"not fetched yet; that happens once, by itself ({SMOLLM2.wheel_size / 1e6:.0f} MB)"
