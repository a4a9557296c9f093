"""Writing a file so that it is complete or not there at all."""

import os
import uuid
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file. If this raises `OSError` or `ValueError` (an invalid path), the file is as before."""
    draft = path.with_name(f".{uuid.uuid4().hex}.part")  # beside it: a rename is atomic on one disk only
    try:
        with draft.open("xb") as file:
            file.write(content)
        os.replace(draft, path)
    finally:
        with suppress(OSError, ValueError):  # after the rename it is gone already
            draft.unlink()
