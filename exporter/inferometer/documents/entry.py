"""A value of a document together with its path: read as what it must be, or reported."""

from __future__ import annotations

import contextlib
import datetime
import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from inferometer.documents.mistakes import Document, join
from inferometer.outside import cut, masked

T = TypeVar("T")
LONGEST_VALUE = 80  # characters of a value that a message shows
# Units of a duration, as Go's time.ParseDuration has them.
UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_DURATION_PART = rf"(\d+\.?\d*|\.\d+)({'|'.join(UNITS)})"
_SWITCHES = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class _Marker:
    """A value that is none."""


ABSENT: Final = _Marker()  # nothing is given
BROKEN: Final = _Marker()  # what is given was reported; nothing more is to be said of it


@dataclass(frozen=True)
class Constraint:
    """What a value must be beyond its type: a test, and the words that follow "must be".

    `bounds` says the same by keywords of JSON Schema, as far as these go: who passes the test is
    within them.
    """

    test: Callable[[Any], bool]
    words: str
    bounds: Mapping[str, Any] = field(default_factory=dict)


ONE_LINE = Constraint(str.isprintable, "text on one line", {"pattern": r"^[^\x00-\x1f\x7f]*$"})


class Entry:
    """A value and its path. A reading that fails reports one mistake and returns an empty value.

    So a document is read to its end, and `document.finish()` raises all its mistakes.
    """

    def __init__(self, document: Document, value: object, path: str = "") -> None:
        self.document, self.value, self.path = document, value, path

    def report(self, problem: str) -> None:
        """Report what is wrong with this value, once."""
        if self.value is not BROKEN:
            self.document.report(self.path, problem)
        self.value = BROKEN

    def refuse(self, words: str, quote: bool = False) -> None:
        """Report what this value must be; `quote` shows it even where it may be a secret."""
        if self.value is ABSENT:
            self.report(f"is missing; it must be {words}")
        else:
            self.report(f"must be {words}, not {self._shown(quote)}")

    def mapping(self, keys: Collection[str] | None = None) -> dict[str, Entry]:
        """Its entries by key; keys that are not among the given ones are mistakes and left out."""
        entries = {key: self._below(key, value) for key, value in self._mapping().items()}
        unknown = [] if keys is None else [key for key in entries if key not in keys]
        for key in unknown:
            entries.pop(key).report(_unknown(key, keys or ()))
        return entries

    def get(self, key: str, default: object = ABSENT) -> Entry:
        """The entry of one key; a key that is absent has the default's value."""
        value = self._mapping().get(key, default)
        return self._below(key, BROKEN if self.value is BROKEN else value)

    def items(self) -> list[Entry]:
        """The items of a list."""
        if self.value is None and not self.document.json:
            return []
        if not isinstance(self.value, list):
            self.refuse("a list")
            return []
        return [self._below(i, value) for i, value in enumerate(self.value)]

    def text(self, constraint: Constraint | None = None) -> str:
        """A text."""
        return self._read(self.value, str, "text", "", constraint)

    def boolean(self) -> bool:
        """True or false; where scalars are text, also yes, no, on and off."""
        value = self._parsed("|".join(_SWITCHES), lambda text: _SWITCHES[text.lower()])
        return self._read(value, bool, "true or false", False)

    def integer(self, constraint: Constraint | None = None) -> int:
        """A whole number."""
        value = self._parsed(r"[-+]?\d{1,18}", int)
        return self._read(value, int, "a whole number", 0, constraint)

    def number(self, constraint: Constraint | None = None) -> float:
        """A number; a whole one too large for a float is infinite. NaN and ±inf pass."""
        value = self._parsed(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", float)
        if isinstance(value, int) and not isinstance(value, bool):
            infinite = math.inf if value > 0 else -math.inf
            value = float(value) if abs(value) < 2**1000 else infinite
        return self._read(value, float, "a number", 0.0, constraint)

    def duration(self) -> float:
        """Seconds of a duration with units, as 1m30s; 0 needs none."""
        text = "0" if self.value == 0 and self.value is not False else self.value
        if not isinstance(text, str) or not re.fullmatch(f"0|({_DURATION_PART})+", text, re.ASCII):
            self.refuse("a duration with a unit, as 500ms, 1s or 1m30s")
            return 0.0
        return sum(float(number) * UNITS[unit]
                   for number, unit in re.findall(_DURATION_PART, text, re.ASCII))

    def day(self) -> datetime.date:
        """A calendar day, as 2026-12-01; YAML reads one, JSON has it as text."""
        value = self.value
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
            with contextlib.suppress(ValueError):  # there is no such day
                return datetime.date.fromisoformat(value)
        if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
            return value
        self.refuse("a day, as 2026-12-01")
        return datetime.date.min

    def choice(self, names: Iterable[str]) -> str:
        """One of some texts; empty if it is none of them."""
        choices = list(names)
        if isinstance(self.value, str) and self.value in choices:
            return self.value
        shown = [json.dumps(name) if self.document.json else name for name in choices]
        words = " or ".join(shown) if len(shown) < 3 else f"one of {', '.join(shown)}"
        self.refuse(words, quote=True)
        return ""

    def _mapping(self) -> dict[str, object]:
        if self.value is None and not self.document.json:  # all below the key is commented out
            return {}
        if not isinstance(self.value, dict):
            self.refuse("an object" if self.document.json else "a mapping of keys")
            return {}
        return self.value

    def _below(self, key: str | int, value: object) -> Entry:
        return Entry(self.document, value, join(self.path, key))

    def _parsed(self, pattern: str, convert: Callable[[str], object]) -> object:
        """What text stands for, in a document that leaves scalars as text; else the value."""
        value = self.value
        if self.document.texts and isinstance(value, str) and re.fullmatch(
                pattern, value, re.ASCII | re.IGNORECASE):
            return convert(value)
        return value

    def _read(self, value: object, kind: type[T], words: str, empty: T,
              constraint: Constraint | None = None) -> T:
        """The value if it is of its kind and the constraint has nothing against it."""
        if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)) and (
                constraint is None or constraint.test(value)):
            return value
        self.refuse(words if constraint is None else constraint.words)
        return empty

    def _shown(self, quote: bool) -> str:
        if isinstance(self.value, str) and self.document.texts and not quote:
            return "text"
        return shown(self.value, self.document.json)


def shown(value: object, as_json: bool = False) -> str:
    """A value as messages show it: cut short, and without the secrets of a URL."""
    if value is None:
        return "null" if as_json else "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value.bit_length() > 256:
        return "a number that large"
    if isinstance(value, str):
        text = cut(masked(value), LONGEST_VALUE + 1)
        return json.dumps(text, ensure_ascii=False) if as_json else repr(text)
    names = {dict: "an object" if as_json else "a mapping", list: "a list", datetime.date: "a date"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), repr(value))


def _unknown(key: str, keys: Collection[str]) -> str:
    import difflib  # for a mistake alone: the exporter at work has no use for it

    close = difflib.get_close_matches(key[:LONGEST_VALUE], keys, n=1)
    suggestion = f" (did you mean {close[0]}?)" if close else ""
    return f"is not a known key{suggestion}; known here are {', '.join(keys)}"
