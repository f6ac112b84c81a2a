"""Attributes and their values in JSON: read where a table names them.

Whole numbers of 64 bits stand as texts, and bytes in base64.
"""

from __future__ import annotations

import base64
import binascii
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from inferometer.spans.decoded import BadSpan, BodyCount, Bounds
from inferometer.spans.span import AttributeValue
from inferometer.spans.unicode import well_formed
from inferometer.spans.vocabulary import Vocabulary

Object = Mapping[str, Any]
_LEAST, _MOST = -2**63, 2**64 - 1  # numbers that protobuf's encoding has, signed or not


def listed(message: object, key: str) -> list[Any]:
    """A list of a message. Raises TypeError."""
    if not isinstance(message, dict):
        raise TypeError(key)
    value = message.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise TypeError(key)
    return value


def text(value: object, size: int = 256) -> str:
    """A text, of which so many characters are kept. Raises TypeError."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError("text")
    return well_formed(value[:size])


def integer(value: object) -> int:
    """A number of 64 bits, which stands as a text or as itself. Raises ValueError, TypeError."""
    if value is None:
        return 0
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        read = int(value)
        if _LEAST <= read <= _MOST:
            return read
        raise ValueError("more than 64 bits")
    raise TypeError("number")


class JsonValues:
    """Reads the attributes of one body. Raises BadSpan, Refused, ValueError, TypeError, …"""

    def __init__(self, words: Vocabulary, bounds: Bounds, counts: BodyCount) -> None:
        self._words = words
        self._bounds = bounds
        self._counts = counts

    def named(self, pairs: Iterable[Object]) -> dict[str, AttributeValue]:
        """Those that a table names."""
        words, bounds = self._words, self._bounds
        names = words.names
        read: dict[str, AttributeValue] = {}
        for pair in pairs:
            key = pair.get("key", "")
            try:
                name = names[key]
            except KeyError:
                name = words.name(key)
            if name is None:
                continue
            value = pair.get("value")
            if value and (inner := value.get("stringValue")) is not None:  # as most are
                read[name] = text(inner, bounds.text if len(inner) <= bounds.text
                                  or not words.long(name) else bounds.long_text)
            else:
                read[name] = self.value(value, bounds.long_text if words.long(name)
                                        else bounds.text)
        return read

    def all(self, pairs: Iterable[Object]) -> dict[str, AttributeValue]:
        """All of them."""
        return {_key(pair): self.value(pair.get("value"), self._bounds.text) for pair in pairs}

    def value(self, value: Any, size: int, depth: int = 1) -> AttributeValue:
        """A value, of whose texts so many characters are kept."""
        if not value or depth > self._bounds.depth:
            return None
        for kind, inner in value.items():
            reader = _READERS.get(kind)
            if reader is not None:
                return reader(self, inner, size, depth)
        return None

    def array(self, inner: Any, size: int, depth: int) -> AttributeValue:
        """A list."""
        return [self.value(item, size, depth + 1) for item in self._items(inner)]

    def map(self, inner: Any, size: int, depth: int) -> AttributeValue:
        """A map."""
        return {_key(pair): self.value(pair.get("value"), size, depth + 1)
                for pair in self._items(inner)}

    def _items(self, message: object) -> list[Any]:
        """Those of a list or a map; all are counted, and the first are read."""
        items = listed(message, "values")
        self._counts.add_values(len(items))
        return items[:self._bounds.attributes]


def _key(pair: Object) -> str:
    """An attribute's key, of any length. Raises TypeError and AttributeError."""
    return text(pair.get("key"), sys.maxsize)


def _bytes(inner: Any, size: int) -> bytes:
    try:
        return base64.b64decode(inner, validate=True)[:size]
    except binascii.Error as error:
        raise BadSpan("malformed") from error


_READERS: dict[str, Callable[[JsonValues, Any, int, int], AttributeValue]] = {
    "stringValue": lambda reader, inner, size, depth: text(inner, size),
    "intValue": lambda reader, inner, size, depth: integer(inner),
    "doubleValue": lambda reader, inner, size, depth: float(inner),
    "boolValue": lambda reader, inner, size, depth: inner is True,
    "arrayValue": JsonValues.array,
    "kvlistValue": JsonValues.map,
    "bytesValue": lambda reader, inner, size, depth: _bytes(inner, size),
}
