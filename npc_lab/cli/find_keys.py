"""Keys in the wrong place: written into a notebook or a program, or printed below a cell.

There is one rule: a literal of 16 or more characters that could be a key must not follow a name that ends
with `api_key` or `api_token`, or `Bearer`. The name decides, not the look of the key, so this finds what
general tools overlook: `connect(api_key="...")`. (keys.py hides a key that is known. The check of lesson 04
knows keys by their look.)

`npc-lab doctor` searches the folder in which it is called. pre-commit (see learners_pre_commit.yaml) searches
what is to be committed: `python -m npc_lab.cli.find_keys FILE...`. No part of a key is ever shown.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from npc_lab.cli.screen import Screen

ADVICE = (
    "A key seems to be written there, and all who read the file can use it. Take it out, and put it into the "
    "environment or type it with getpass. If the file was shared, ask the provider for another key."
)
_LARGEST_FILE = 50_000_000  # bytes
_LOOKED_AT = (".ipynb", ".py", ".env")

_NAME = r"api[_-]?(?:key|token)s?"
_SOME_KEY = r"(?!\w+api_(?:key|token)s?\b)[\w.:/+=~-]{16,}"  # but not the name of another variable
_LITERAL = re.compile(
    # api_key="...", api_key: str = "...", {"OPENAI_API_KEY": "..."}, os.environ["OPENAI_API_KEY"] = "..."
    rf"(?:{_NAME}[\"']?\]?(?:[ \t]*:[ \t]*str)?[ \t]*:?[=:]"
    # os.environ.setdefault("OPENAI_API_KEY", "...")
    rf"|(?:setdefault|putenv)\(\s{{0,80}}[\"']\w{{0,80}}{_NAME}[\"'],)"
    rf"[\s(\[]{{0,80}}[rbfu]{{0,2}}[\"']{{1,3}}{_SOME_KEY}[\"']"
    # %env OPENAI_API_KEY=..., and a line of a .env file; only a key has a digit, a variable's name has none
    rf"|{_NAME}(?:=|[ \t]+)(?=[^\s\d]*\d){_SOME_KEY}(?!\S)"
    # {"Authorization": "Bearer ..."}
    rf"|Bearer[ \t]+(?=[^\s\d]*\d){_SOME_KEY}",
    re.IGNORECASE,
)


def places(path: Path) -> list[str]:
    """Return where in the file a key seems to be: "cell 3" of a notebook, "line 7" of other files.

    Cells and lines are counted from 1. Raise `OSError` if the file cannot be read.
    """
    if path.stat().st_size > _LARGEST_FILE:
        return []
    text = path.read_bytes().decode("utf-8", errors="replace")
    if path.suffix.lower() == ".ipynb" and (cells := _cells(text)):
        return [f"cell {number}" for number, cell in enumerate(cells, 1) if _LITERAL.search(cell)]
    lines = (text.count("\n", 0, found.start()) + 1 for found in _LITERAL.finditer(text))
    return [f"line {number}" for number in lines]


def warn_of_keys(screen: Screen, folder: Path) -> None:
    """Say where in this folder's notebooks, programs and .env (not in folders below) a key seems to be."""
    files = sorted(file for file in folder.glob("*") if file.name.lower().endswith(_LOOKED_AT))
    if found := list(_found(files)):
        screen.notice("\n".join([*found, ADVICE]))
        screen.say()


def _found(files: list[Path]) -> Iterator[str]:
    for file in files:
        try:
            for place in places(file):
                yield f"{file}, {place}"
        except OSError:  # a folder with such a name, or a file that may not be read
            continue


def _cells(text: str) -> list[str]:
    """Return source and outputs of each cell as one text, or [] if this is no notebook."""
    try:
        return ["\n".join(_texts(cell)) for cell in json.loads(text)["cells"]]
    except (ValueError, RecursionError, LookupError, TypeError):
        return []


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in this JSON. A notebook may keep a text as a list of its lines."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list) and all(isinstance(line, str) for line in value):
        yield "".join(value)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


if __name__ == "__main__":
    found = list(_found([Path(name) for name in sys.argv[1:]]))
    for place in found:
        print(place)
    if found:
        print(ADVICE)
    sys.exit(bool(found))
