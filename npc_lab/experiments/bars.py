"""The bar that counts while an experiment waits for replies.

with counting_bar(96, "turn", "temperature") as bar:
    bar.update()
"""

from __future__ import annotations

import sys
from typing import Any


def counting_bar(total: int, unit: str, name: str) -> Any:
    """Return a bar of tqdm. A notebook shows what goes to stderr in red, as if something had gone wrong."""
    from tqdm import tqdm

    file = sys.stdout if "ipykernel" in sys.modules else sys.stderr
    return tqdm(total=total, unit=unit, desc=name, file=file)
