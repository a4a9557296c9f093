"""A mapping whose values are read from the store when they are first asked for."""

import threading
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import TypeVar

Value = TypeVar("Value")


class LazyDict(MutableMapping[str, Value]):
    """Works like a dict that holds all these keys. `read` makes a key's value, once."""

    def __init__(self, keys: Iterable[str], read: Callable[[str], Value]):
        self._values: dict[str, Value | None] = dict.fromkeys(keys)  # None: not read yet
        self._read = read
        self._reading = threading.RLock()

    def __getitem__(self, key: str) -> Value:
        value = self._values[key]
        if value is None:
            with self._reading:  # of two threads that ask at once, both get the same one
                value = self._values[key]
                if value is None:
                    value = self._values[key] = self._read(key)
        return value

    def __setitem__(self, key: str, value: Value) -> None:
        self._values[key] = value

    def __delitem__(self, key: str) -> None:
        del self._values[key]

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._values))

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(dict(self))
