"""A body in protobuf that its parser refuses, as far as it can be read.

The parser refuses a body for one text that is not UTF-8, or one broken span. A gateway has taken
the rest of such a body, so the rest is passed on.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from inferometer.protobuf import BYTES, ProtobufError, fields

_DEEPEST = 80  # messages within each other: the parser takes 100


def repaired(body: bytes, kind: Any, item: Any) -> bytes:
    """The bytes with U+FFFD for what is not UTF-8, and without items that stay broken.

    `kind` is the descriptor of the message, `item` the class of a span, record or metric. Raises
    ProtobufError: around the items it is no message.
    """
    return _message(body, kind, item.DESCRIPTOR.full_name, _DEEPEST)


def _message(message: bytes, kind: Any, item: str, depth: int) -> bytes:
    if not depth:
        return b""
    made = bytearray()
    for number, wire_type, value in fields(message):
        if wire_type == BYTES and isinstance(value, bytes):
            read = _bytes(value, kind.fields_by_number.get(number), item, depth)
            if read is None:
                continue
            value = _varint(len(read)) + read
        made += _varint(number << 3 | wire_type)
        made += _varint(value) if isinstance(value, int) else value
    return bytes(made)


def _bytes(value: bytes, field: Any, item: str, depth: int) -> bytes | None:
    """A text, a message or bytes; None: an item that is broken."""
    if field is None:
        return value
    if field.type == field.TYPE_STRING:
        return value.decode(errors="replace").encode()
    return value if field.message_type is None else _inner(
        value, field.message_type, item, depth - 1)


def _inner(message: bytes, kind: Any, item: str, depth: int) -> bytes | None:
    """None: an item that is broken."""
    if kind.full_name != item:
        return _message(message, kind, item, depth)
    try:
        made = _message(message, kind, item, depth)
        GetMessageClass(kind).FromString(made)
    except (ProtobufError, DecodeError):
        return None
    return made


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)
