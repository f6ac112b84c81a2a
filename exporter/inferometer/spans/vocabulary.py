"""Which attributes and events are read from a span: those that a table names, and no others."""

from __future__ import annotations

from collections.abc import Iterable

_SHORT_KEY = 128  # characters of a key that is remembered
_REMEMBERED = 8_192  # keys


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
        # Asked before `reads`: a look-up is all that most attributes cost.
        self.answers = {name: True for name in (*names, *self._long) if "*" not in name}
        self._patterns = tuple(tuple(name.split("*")) for name in names if "*" in name)
        self._events = frozenset(events)

    def reads(self, key: str) -> bool:
        """Whether a table names this attribute."""
        answer = self.answers.get(key)
        if answer is None:
            answer = key.startswith(self._prefixes) or any(
                fits(key, head, tail) for head, tail in self._patterns)
            if len(key) <= _SHORT_KEY and len(self.answers) < _REMEMBERED:
                self.answers[key] = answer
        return answer

    def long(self, key: str) -> bool:
        """Whether its value is a document of its own."""
        return key in self._long or key.startswith(self._prefixes)

    def reads_event(self, name: str) -> bool:
        """Whether a table names this event."""
        return name in self._events


def fits(key: str, head: str, tail: str) -> bool:
    """Whether one word stands between head and tail."""
    return key.startswith(head) and key.endswith(tail) and len(key) > len(head) + len(tail) \
        and "." not in key[len(head):len(key) - len(tail)]
