"""Makes README's picture from a real run: `python tests/picture.py` (needs the embedded model).

It runs `npc-lab demo` in a pseudo-terminal, keeps what it showed, and draws that as an SVG.
"""

import os
import pty
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).resolve().parents[1] / "notebooks" / "images" / "demo.svg"
COMMAND = ["npc-lab", "demo", "--turns", "4"]
WIDTH = 92  # columns


def shown_by(command: list[str]) -> str:
    """What the command shows in a terminal, colours included."""
    parent, child = pty.openpty()
    environment = os.environ | {"COLUMNS": str(WIDTH), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with subprocess.Popen(command, stdin=child, stdout=child, stderr=child, env=environment) as process:
        os.close(child)
        shown = b""
        try:
            while piece := os.read(parent, 65536):
                shown += piece
        except OSError:  # how Linux says that the other side is closed
            pass
    if process.returncode:
        sys.exit(shown.decode())
    return shown.decode().replace("\r\n", "\n")


def main() -> None:
    """Run the demo and draw it."""
    console = Console(
        record=True, width=WIDTH, file=StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Text(f"$ {' '.join(COMMAND)}", style="bold"))
    console.print(Text.from_ansi(shown_by(COMMAND)))
    drawing = console.export_svg(title="npc-lab demo")
    # rich lets the reader fetch a font from the network; a picture must not.
    drawing = re.sub(r"@font-face \{.*?\}\n", "", drawing, flags=re.DOTALL)
    PICTURE.write_text(drawing, encoding="utf-8")
    print(f"written: {PICTURE}")


if __name__ == "__main__":
    main()
