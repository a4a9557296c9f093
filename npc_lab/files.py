"""Files that are there whole or not at all."""

import os
import uuid
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file. Where `OSError` or `ValueError` (no path at all) is raised, it is as it was before."""
    draft = path.with_name(f".{uuid.uuid4().hex}.part")  # beside it: a file moves at once on one disk only
    try:
        with draft.open("xb") as file:
            file.write(content)
        os.replace(draft, path)
    finally:
        with suppress(OSError, ValueError):  # it is gone already if all went well
            draft.unlink()
