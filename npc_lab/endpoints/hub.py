"""A file of the Hugging Face hub: fetched once, checked, and kept in the hub's own cache.

    file = HubFile("lmstudio-community/Qwen2.5-1.5B-Instruct-GGUF", "Qwen2.5-1.5B-Instruct-Q4_K_M.gguf")
    file.cached()       its path if it was fetched before; asks no network
    file.fetch()        its path; the first call fetches it

The package huggingface_hub does the work, with its progress bar. It goes on after a broken connection, lets
one process fetch while others wait, and gives the file its name when it is complete. It does not hash what
arrives: that is done here. HF_HOME, HF_ENDPOINT and HF_TOKEN, and HF_HUB_CACHE, are read at each call.
"""

import errno
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from npc_lab.endpoints.room import need_disk, need_memory
from npc_lab.endpoints.weights import INSTALL, sha256_of
from npc_lab.errors import ConnectError

_HUB = "https://huggingface.co"
_SHA256 = re.compile("[0-9a-f]{64}")
_PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)
_WITHOUT_A_NETWORK = (
    "Without a network: connect('local') takes the shipped model if it was used here before, "
    "model='a/path.gguf' a file that you bring along, and connect('fake') needs no model."
)
# kind -> what happened, and what to do next
_FAULTS = {
    "no_hub": (
        "What answers as {host} is not the Hugging Face hub. Perhaps a sign-in page of your network "
        "stands in between: open any web page, sign in, and try again. "
        f"{_WITHOUT_A_NETWORK}"
    ),
    "wrong_hash": (
        "What arrived as {file} is not the file whose hash the hub states, and was deleted. Try again; "
        "if it happens again, something between you and the hub changes files on their way."
    ),
    "gated": (
        "{repository} is given only to those who accept its terms. Do so at {page}, make a token at "
        "https://huggingface.co/settings/tokens, and put it into the environment variable HF_TOKEN. "
        "Those that `npc-lab models` lists need none."
    ),
    "offline": (
        "{file} is not here yet, and the environment variable HF_HUB_OFFLINE forbids to fetch it. Remove "
        "it and start Python again. "
        f"{_WITHOUT_A_NETWORK}"
    ),
    "no_repository": (
        "The hub has no repository {repository} that you may read, and there is no file "
        "{repository}/{file} here. Check the spelling; for a private one, put a token into the "
        "environment variable HF_TOKEN."
    ),
    "no_file": "There is no {file} in {repository}. Its files are listed at {page}/tree/main",
    "token": (
        "The hub does not accept the token in HF_TOKEN, or the one that was saved for it. Make a new one "
        "at https://huggingface.co/settings/tokens, or remove it: those that `npc-lab models` lists need "
        "none."
    ),
    "slow_down": "The hub asks us to slow down. Wait a few minutes and try again.",
    "server": "The hub has a problem of its own (HTTP {status}). Wait a minute and try again.",
    "no_folder": (
        "The model cannot be kept in {folder}. Set the environment variable HF_HOME to a folder that you "
        "can write to."
    ),
    "disk": "The disk ran full while the model was fetched. Make room and try again.",
    "network": (
        "{host} does not answer, so {file} cannot be fetched. Check the network and try again; once "
        "fetched, it needs none. "
        f"{_WITHOUT_A_NETWORK}"
    ),
    "broken": (
        "{file} did not arrive as the hub announced it ({error}). Perhaps the connection broke, or a "
        "sign-in page of your network stands in between. Try again. "
        f"{_WITHOUT_A_NETWORK}"
    ),
}


@dataclass(frozen=True)
class HubFile:
    """A file of a repository. memory: bytes that its model is known to need while it runs, if it is known."""

    repository: str
    name: str
    memory: int = 0

    def cached(self) -> Path | None:
        """Return its path in the cache, or None if it was not fetched yet."""
        if find_spec("huggingface_hub") is None:
            return None
        from huggingface_hub import try_to_load_from_cache

        with suppress(ValueError):  # no repository can have this name
            found = try_to_load_from_cache(self.repository, self.name, cache_dir=_cache_folder())
            return Path(found) if isinstance(found, str) else None
        return None

    def fetch(self) -> Path:
        """Return its path. Fetch it first if it is not in the cache. Raise `ConnectError` if that fails."""
        if find_spec("huggingface_hub") is None:
            raise ConnectError(
                f"Fetching {self.name} needs huggingface_hub, which is not installed. Install it with: "
                f"{INSTALL}"
            )
        if path := self.cached():
            return path
        if _PART.search(self.name):
            raise ConnectError(f"{self.name} is one part of several. Choose a model that is in one file.")
        try:
            return self._fetch()
        except ConnectError:
            raise
        except Exception as error:  # it may hold the request, and so the token
            raise ConnectError(self._what_went_wrong(error)) from None

    def _fetch(self) -> Path:
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

        endpoint, folder = _endpoint(), _cache_folder()
        address = hf_hub_url(self.repository, self.name, endpoint=endpoint)
        stated = get_hf_file_metadata(address, endpoint=endpoint)
        if not stated.commit_hash or not stated.etag:
            raise _NoHubError
        size = stated.size or 0
        need_memory(self.name, max(self.memory, size))
        need_disk(folder, size, "HF_HOME")
        path = Path(hf_hub_download(self.repository, self.name, cache_dir=folder, endpoint=endpoint))
        # The hub states the SHA-256 of every large file; of a small one in git, another hash.
        if _SHA256.fullmatch(stated.etag) and sha256_of(path) != stated.etag:
            path.resolve().unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise _WrongHashError
        return path

    def _what_went_wrong(self, error: Exception) -> str:
        """Return what happened and what to do next. The error's own words are not shown."""
        return _FAULTS[_kind_of(error)].format(
            file=self.name,
            repository=self.repository,
            page=f"{_HUB}/{self.repository}",
            # An address may hold a password.
            host=urlsplit(_endpoint()).hostname or "The hub",
            folder=_cache_folder(),
            status=_status(error),
            error=type(error).__name__,
        )


class _NoHubError(Exception):
    """What answers is not the hub."""


class _WrongHashError(Exception):
    """What arrived is not what the hub states."""


def _kind_of(error: Exception) -> str:
    """Return the key of `_FAULTS` for an error of huggingface_hub, of its HTTP library or of the system."""
    from huggingface_hub import errors

    if isinstance(error, errors.LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        return _kind_of(error.__cause__)
    kinds: list[tuple[type[Exception] | tuple[type[Exception], ...], str]] = [
        (_NoHubError, "no_hub"),
        (_WrongHashError, "wrong_hash"),
        (errors.GatedRepoError, "gated"),
        (errors.OfflineModeIsEnabled, "offline"),
        ((errors.RepositoryNotFoundError, errors.HFValidationError), "no_repository"),
        ((PermissionError, NotADirectoryError, FileExistsError), "no_folder"),
    ]
    if kind := next((kind for classes, kind in kinds if isinstance(error, classes)), ""):
        return kind
    if status := _status(error):
        return {401: "token", 403: "token", 404: "no_file", 429: "slow_down"}.get(status, "server")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "disk"
    # The root of network errors has this name in httpx and in httpx2: the hub's package uses one of them.
    is_network = any(each.__name__ == "TransportError" for each in type(error).__mro__)
    return "network" if is_network else "broken"


def _status(error: Exception) -> int | None:
    """Return the HTTP status that the hub answered with, if it did."""
    return getattr(getattr(error, "response", None), "status_code", None)


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "").strip().rstrip("/") or _HUB


def _cache_folder() -> Path:
    """Return where the hub's package keeps files, by its own variables as they are now.

    The package reads them once, when it is imported: too early for a notebook that sets them after a failure.
    """
    if chosen := os.environ.get("HF_HUB_CACHE"):
        return Path(chosen).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "huggingface" / "hub"
