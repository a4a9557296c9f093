"""Whether a model fits: on the disk before it is fetched, and into memory before it is started."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from npc_lab.errors import ConnectError


def need_disk(folder: Path, needed: int, variable: str) -> None:
    """Raise `ConnectError` if the folder's disk has fewer free bytes than needed.

    folder: where the file will be; it need not be there yet. variable: the environment variable that names
    another folder.
    """
    place = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise ConnectError(
            f"Fetching the model takes {needed / 1e6:,.0f} MB of free disk space in {folder}; there are "
            f"{free / 1e6:,.0f} MB. Make room, or set {variable} to a folder on another disk."
        )


def need_memory(name: str, needed: int) -> None:
    """Raise `ConnectError` if fewer bytes of memory are available than the model needs.

    Without psutil nothing is known of the memory, and the engine finds out by itself.
    """
    if find_spec("psutil") is None:
        return
    import psutil

    available = psutil.virtual_memory().available
    if available < needed:
        raise ConnectError(
            f"{name} is too large for this machine: it needs {needed / 1e9:.1f} GB of memory, and "
            f"{available / 1e9:.1f} GB are free. Close other programs, or choose a smaller model: "
            "`npc-lab models` lists what each takes."
        )
