"""How a client was made, so that another process can make the same one.

    client, model = connect("nebius")
    ORIGINS[client]                          Origin(provider="nebius", model=None, base_url=None)
    connect(**ORIGINS[client].arguments())   the same again, with the key that is found there

No key is a part of it.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import asdict, dataclass
from typing import Any
from weakref import WeakKeyDictionary


@dataclass(frozen=True)
class Origin:
    """What `connect` was asked for. is_paced: whether `per_minute` was, which only one process can keep."""

    provider: str | None
    model: str | None
    base_url: str | None
    is_paced: bool = False

    def arguments(self) -> dict[str, str | None]:
        """Return the arguments for `connect`: plain data."""
        return {name: value for name, value in asdict(self).items() if name != "is_paced"}


ORIGINS: MutableMapping[Any, Origin] = WeakKeyDictionary()  # by clients, as long as they live
