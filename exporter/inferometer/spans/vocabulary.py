"""Which attributes and events are read from a span: those that a table names, and no others."""

from __future__ import annotations

from collections.abc import Iterable

_SHORT_KEY = 127  # bytes of a key that is remembered: their number has one byte in protobuf
_REMEMBERED = 8_192  # keys
_KEY = 0x0A  # the tag of an attribute's key in protobuf


class Vocabulary:
    """The names that are read, and up to which length each value is kept.

    A name may have one `*`, which stands for one word between dots; a prefix stands for whatever
    begins with it. Values of `long` names, and of prefixes, are documents of their own.
    """

    def __init__(self, names: Iterable[str], long: Iterable[str], prefixes: Iterable[str],
                 events: Iterable[str]) -> None:
        names = tuple(names)
        self._long = frozenset(long)
        self._prefixes = tuple(prefixes)
        self._patterns = tuple(tuple(name.split("*")) for name in names if "*" in name)
        self._events = frozenset(events)
        self._own = {name: name for name in (*names, *self._long) if "*" not in name}
        # A look-up is all that most attributes cost: the name, or None for one that is not read.
        # `names` has them by themselves, `heads` by the bytes that they are in protobuf.
        self.names: dict[str, str | None]
        self.heads: dict[bytes, str | None]
        self._forget()

    def _forget(self) -> None:
        self.names = dict(self._own)
        self.heads = {head(name): name for name in self._own if _short(name)}

    def name(self, key: str) -> str | None:
        """The attribute's name where a table has it, always the same object; else None."""
        try:
            return self.names[key]
        except KeyError:
            return self._learn(key)

    def _learn(self, key: str) -> str | None:
        name = key if key.startswith(self._prefixes) or any(
            fits(key, start, end) for start, end in self._patterns) else None
        if _short(key):
            if len(self.names) >= _REMEMBERED:
                self._forget()
            self.names[key] = self.heads[head(key)] = name
        return name

    def reads(self, key: str) -> bool:
        """Whether a table names this attribute."""
        return self.name(key) is not None

    def long(self, key: str) -> bool:
        """Whether its value is a document of its own."""
        return key in self._long or key.startswith(self._prefixes)

    def reads_event(self, name: str) -> bool:
        """Whether a table names this event."""
        return name in self._events


def _short(key: str) -> bool:
    return len(key) <= _SHORT_KEY and key.isascii()


def head(name: str) -> bytes:
    """A short key as an attribute in protobuf begins with it: its tag, its size and itself."""
    return bytes((_KEY, len(name))) + name.encode()


def fits(key: str, head: str, tail: str) -> bool:
    """Whether one word stands between head and tail."""
    return key.startswith(head) and key.endswith(tail) and len(key) > len(head) + len(tail) \
        and "." not in key[len(head):len(key) - len(tail)]


OF_RESOURCES = Vocabulary(("service.name",), (), (), ())
