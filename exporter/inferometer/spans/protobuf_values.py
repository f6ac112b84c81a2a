"""Attributes and their values in protobuf: read where a table names them, else not unfolded.

Most attributes are a short key with a short text or number: those are read in place, and anything
else by the rules of the wire format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from inferometer.protobuf import BYTES, FIXED64, VARINT, ProtobufError, fields
from inferometer.spans.decoded import BodyCount, Bounds
from inferometer.spans.span import AttributeValue
from inferometer.spans.vocabulary import Vocabulary

_KEY, _VALUE = 1, 2  # KeyValue
_TEXT, _TRUTH, _INTEGER, _REAL, _LIST, _MAP, _BYTES = 1, 2, 3, 4, 5, 6, 7  # AnyValue
_ITEMS = 1  # ArrayValue and KeyValueList
# Fields as they begin: a value in an attribute; a text, a number and a list in a value.
_VALUE_TAG, _TEXT_TAG, _INTEGER_TAG, _LIST_TAG = 0x12, 0x0A, 0x18, 0x2A
_SHORT = 0x80  # bytes from which on a size takes more than one
_TWO_BYTES = 0x4000  # the same of more than two
_REAL_FORMAT = struct.Struct("<d")


class ProtobufValues:
    """Reads the attributes of one body."""

    def __init__(self, words: Vocabulary, bounds: Bounds, counts: BodyCount) -> None:
        self._words = words
        self._bounds = bounds
        self._counts = counts

    def named(self, pairs: Iterable[bytes]) -> dict[str, AttributeValue]:
        """Those that a table names. Raises ProtobufError, BadSpan and Refused."""
        names, longest = self._words.heads, min(self._bounds.text, _TWO_BYTES)
        read: dict[str, AttributeValue] = {}
        for pair in pairs:
            try:
                end = pair[1] + 2
                name = names[pair[:end]]
            except (IndexError, KeyError):
                self._seldom(pair, read)
                continue
            if name is None:
                continue
            size = len(pair) - end
            if 3 < size < _SHORT + 2 and pair[end] == _VALUE_TAG and pair[end + 1] == size - 2:
                tag, first = pair[end + 2], pair[end + 3]
                if tag == _TEXT_TAG and first == size - 4:
                    read[name] = _decoded(pair[end + 4:])
                    continue
                if tag == _INTEGER_TAG:
                    if size == 4 and first < 0x80:
                        read[name] = first
                        continue
                    if size == 5 and first >= 0x80 and (second := pair[end + 4]) < 0x80:
                        read[name] = first & 0x7F | second << 7
                        continue
                elif tag == _LIST_TAG and size > 7 and pair[end + 3:end + 8] == bytes((
                        size - 4, _TEXT_TAG, size - 6, _TEXT_TAG, size - 8)):
                    read[name] = [_decoded(pair[end + 8:])]  # of one text, as why a call ended
                    continue
            elif _SHORT + 6 <= size <= longest and pair[end:end + 6] == bytes((
                    _VALUE_TAG, size - 3 & 0x7F | 0x80, size - 3 >> 7,
                    _TEXT_TAG, size - 6 & 0x7F | 0x80, size - 6 >> 7)):
                read[name] = _decoded(pair[end + 6:])  # a text whose sizes have two bytes
                continue
            self._seldom(pair, read)
        return read

    def _seldom(self, pair: bytes, read: dict[str, AttributeValue]) -> None:
        key, value = _pair(pair)
        name = self._words.name(key)
        if name is not None:
            long = len(value) > self._bounds.text and self._words.long(name)
            read[name] = self.value(value, self._bounds.long_text if long else self._bounds.text)

    def all(self, pairs: Iterable[bytes]) -> dict[str, AttributeValue]:
        """All of them. Raises ProtobufError, BadSpan and Refused."""
        return {key: self.value(value, self._bounds.text) for key, value in map(_pair, pairs)}

    def value(self, message: bytes, text: int, depth: int = 1) -> AttributeValue:
        """A value, of whose texts so many characters are kept."""
        read: AttributeValue = None
        if depth > self._bounds.depth:
            return None
        for number, wire_type, value in fields(message):
            if isinstance(value, bytes):
                if number == _TEXT and wire_type == BYTES:
                    read = _decoded(value)[:text]
                elif number == _REAL and wire_type == FIXED64:
                    read = _REAL_FORMAT.unpack(value)[0]
                elif number == _LIST and wire_type == BYTES:
                    read = [self.value(item, text, depth + 1) for item in self._items(value)]
                elif number == _MAP and wire_type == BYTES:
                    read = {key: self.value(item, text, depth + 1)
                            for key, item in map(_pair, self._items(value))}
                elif number == _BYTES and wire_type == BYTES:
                    read = value[:text]
            elif number == _TRUTH and wire_type == VARINT:
                read = value != 0
            elif number == _INTEGER and wire_type == VARINT:
                read = value if value < 2**63 else value - 2**64
        return read

    def _items(self, message: bytes) -> Iterator[bytes]:
        """Those of a list or a map; all are counted, and the first are read."""
        most = self._bounds.attributes
        for number, wire_type, value in fields(message):
            self._counts.add_values()
            if number == _ITEMS and wire_type == BYTES and isinstance(value, bytes) and most:
                most -= 1
                yield value


def _pair(message: bytes) -> tuple[str, bytes]:
    """An attribute's key, and its value unread. Raises ProtobufError."""
    key, value = "", b""
    for number, wire_type, inner in fields(message):
        if wire_type == BYTES and isinstance(inner, bytes):
            if number == _KEY:
                key = _decoded(inner)
            elif number == _VALUE:
                value = inner
    return key, value


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise ProtobufError("a text is not UTF-8") from error
