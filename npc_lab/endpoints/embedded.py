"""The embedded model: llama.cpp's own OpenAI-compatible server, on this machine, with no key and no account.

    server = serve()            starts it on the first call
    server.base_url             "http://127.0.0.1:43521/v1/": what an `openai` client needs

The server runs in a child process, because the engine is C++ inside a Python package: it holds the
interpreter's lock while it loads, it crashes a Python that ends in the middle of a reply, and its own crash
would end a learner's notebook. The child stops as soon as its standard input closes, so it never outlives
us, however we end. Parent and child share nothing but that pipe and a web address.
"""

import atexit
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from npc_lab.endpoints.fast_copy import fast_copy
from npc_lab.endpoints.hub import HubFile
from npc_lab.endpoints.models import find, need_memory_for
from npc_lab.endpoints.weights import INSTALL, SMOLLM2
from npc_lab.errors import ConnectError

# What makes a request with a seed give the same reply again: part of a prompt read from the cache is computed
# in another order, and a word may change.
REPEAT = {"cache_prompt": False}
SLOTS = 2  # talks that the engine keeps in its cache and answers at once; further ones wait
CONTEXT_TOKENS = 4096  # of each slot: prompt and reply. What is longer is refused with an error, never cut
REPLY_TOKENS = 256  # the limit of a reply if the request sets none
READY_SECONDS = 120  # the shipped model needs one second; several GB from a slow disk may need a minute
# Names of environment variables that may hold a key. (keys.py and cli/find_keys.py look at values.)
_MAY_BE_A_KEY = re.compile("KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)


@dataclass
class Server:
    """A running server.

    base_url: its address, which ends with /v1/. model: the model's name in requests. path: the model's file.
    """

    base_url: str
    model: str
    path: Path
    _process: subprocess.Popen[str] = field(repr=False)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """Stop the server at once. It has nothing to save; closing it twice does no harm."""
        self._process.kill()
        with self._process:  # waits for its end and closes the pipes
            pass


_servers: dict[Path | None, Server] = {}
_lock = threading.Lock()


def is_installed() -> bool:
    """Return whether the engine is installed, without importing it."""
    return find_spec("xllamacpp") is not None


def serve(model: str | Path | None = None) -> Server:
    """Return the running server of a model (None: the shipped SmolLM2). The first call starts it.

    model: a name from npc_lab/endpoints/models.py, a file of the Hugging Face hub, or a path.
    Raise `ConnectError`.
    """
    found = find(model)
    if isinstance(found, Path):
        _check(found)
    if not is_installed():
        raise ConnectError(f"The embedded model's engine is not installed. Install it with: {INSTALL}")
    if isinstance(found, HubFile):
        found = found.fetch()
        _check(found)
    with _lock:
        server = _servers.get(found)
        if server is None or not server.is_running:
            path = found or fast_copy()
            need_memory_for(path)
            # The copy says the same as the weights; so talks and stores know both by one name.
            server = _servers[found] = _start(path, (found or Path(SMOLLM2.member)).stem)
            atexit.register(server.close)
        return server


def _check(path: Path) -> None:
    """Raise `ConnectError` if the file is plainly no model, before the engine reads it."""
    try:
        with path.open("rb") as content:
            first_bytes = content.read(4)
    except OSError as error:
        raise ConnectError(
            f"The model file {path} cannot be read: {error.strerror}. Check the path; it should name a file "
            "that ends with .gguf."
        ) from error
    if first_bytes != b"GGUF":
        raise ConnectError(f"{path.name} is not a GGUF model file. Download one whose name ends with .gguf.")


def _start(path: Path, name: str) -> Server:
    """Start the child, and wait for the line it prints when the model is loaded and can answer."""
    with TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "npc_lab.endpoints.embedded", str(path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=_environment(),
        )
        watchdog = threading.Timer(READY_SECONDS, process.kill)
        watchdog.start()
        try:
            address = next((line.strip() for line in process.stdout or () if line.startswith("http")), None)
            if address is None:
                raise ConnectError(_why_not(log, path))
        except BaseException:
            process.kill()
            with process:
                raise
        finally:
            watchdog.cancel()
    return Server(f"{address}/v1/", name, path, process)


def _environment() -> dict[str, str]:
    """Return the child's environment: it imports what we can import, and gets no keys.

    GOMP_SPINCOUNT lets threads that wait for each other stop spinning soon. That costs little on two idle
    cores (at most 5%) and helps a lot while a test suite runs: 30 tokens/s instead of 7 beside one busy
    process, 12 instead of 1 beside two.
    """
    search_path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
    no_keys = {name: value for name, value in os.environ.items() if not _MAY_BE_A_KEY.search(name)}
    return {"GOMP_SPINCOUNT": "1000", **no_keys, "PYTHONPATH": search_path}


def _why_not(log: BinaryIO, path: Path) -> str:
    """Return the reason from the engine's log in one sentence, and what to do next."""
    log.seek(0)
    reason = re.search(r"error loading model: (.+)", log.read().decode(errors="replace"))
    said = f"the engine says: {reason[1].replace(str(path), path.name)}" if reason else "the engine stopped"
    return (
        f"The model {path.name} could not be loaded; {said}. The file may be damaged, too new for the engine "
        "or too large for this machine's memory: download it again, or choose another."
    )


def _parameters(engine: Any, path: Path, name: str) -> Any:
    """Return the engine's settings. Measured over the later turns of two characters' talk, 80 tokens a line.

    Each slot keeps the prompt it read last. With two slots and a similarity of 0.5, each of two speakers
    finds its own slot again, however much of the world's description they share (with the usual 0.1 they
    take one from each other until a prompt is ten times as long as that description: 285 tokens a turn read
    anew). `n_cache_reuse` moves what is still remembered when older lines are forgotten: 92 tokens a turn
    read anew instead of 195, little more than the partner's new line; a sliding window then costs the same.

    That takes 350 MB. Four slots take 550 MB and find their speakers less often (218 tokens); a prompt cache
    in main memory (`cache_ram_mib`) takes 120 MB and more, and gains nothing; one context shared by all
    slots (`kv_unified`) lets replies fail when long prompts meet in it.

    Small models soon say one sentence over and over: in ten turns, 69% of a line's four-word groups had been
    said before. DRY, a penalty on repeated phrases, and a slight one on repeated words bring that to 2%. A
    stronger one on words (1.1) makes them forget their own names.
    """
    parameters = engine.CommonParams()
    parameters.model.path = str(path)
    parameters.model_alias = {name}
    parameters.port = 0  # any free one
    parameters.verbosity = 1  # errors only
    parameters.ui = False
    parameters.cors_origins = ""  # no web page may talk with the model behind the learner's back
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = cpus
    parameters.n_parallel = SLOTS
    parameters.n_ctx = SLOTS * CONTEXT_TOKENS
    parameters.slot_prompt_similarity = 0.5
    parameters.n_cache_reuse = 32  # tokens: shorter pieces are not worth moving
    parameters.cache_ram_mib = 0
    parameters.n_predict = REPLY_TOKENS
    sampling = parameters.sampling
    sampling.dry_multiplier, sampling.dry_allowed_length, sampling.dry_penalty_last_n = 0.8, 2, 1024
    sampling.penalty_repeat, sampling.penalty_last_n = 1.05, 64
    return parameters


def _run(path: Path, name: str) -> None:
    """Serve in the child process until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C and a notebook's stop button are for the parent
    xllamacpp = import_module("xllamacpp")  # no types come with it
    server = xllamacpp.Server(_parameters(xllamacpp, path, name))  # returns when the model is loaded
    print(server.listening_address, flush=True)
    sys.stdin.read()  # ends when the parent does
    os._exit(0)  # the engine's own shutdown waits up to 30 seconds for open streams


if __name__ == "__main__":
    _run(Path(sys.argv[1]), sys.argv[2])
