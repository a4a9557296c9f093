"""Where the course's notebooks are: inside an installed package, beside the package in a checkout."""

from pathlib import Path

from npc_lab.errors import NPCLabError

_PACKAGE = Path(__file__).resolve().parents[1]


def course_folder() -> Path:
    """Return the folder of the notebooks. Raise `NPCLabError` if they did not come with the package."""
    for folder in (_PACKAGE / "_notebooks", _PACKAGE.parent / "notebooks"):
        if folder.is_dir():
            return folder
    raise NPCLabError("This npc-lab came without its notebooks. Install it again.")
