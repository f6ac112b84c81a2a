"""Reads the wire format of Protocol Buffers, without generated code and without their runtime.

A message is a row of fields. Each has a number, which its definition gives a meaning, and a wire
type, which says how many bytes its value has. A text, a message in a message and a packed list are
all bytes of a stated length. Groups, which no definition has had since proto2, are refused.
Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types

_FIXED_SIZES = {FIXED64: 8, FIXED32: 4}
_LONGEST_VARINT = 10  # bytes of a number of 64 bits
_LARGEST_NUMBER = 2**64 - 1
_LARGEST_TAG = 2**32 - 1  # a field's number has 29 bits, its wire type 3


WireField = tuple[int, int, int | bytes]  # number, wire type and value


class ProtobufError(ValueError):
    """The bytes are no message."""


def fields(message: bytes) -> Iterator[WireField]:
    """Each field's number, wire type and value, in the order of the message.

    A VARINT is a number below 2**64; a negative one of a signed type is 2**64 less. The value of
    every other wire type is bytes: FIXED64 has 8 and FIXED32 has 4, the lowest first. A field that
    comes several times is a list, or the last one counts.

    Raises ProtobufError, maybe only after the first fields.
    """
    position, end = 0, len(message)
    while position < end:
        tag = message[position]  # one byte, as most are, and so is a size below
        if tag < 0x80:
            position += 1
        else:
            tag, position = _varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if not number or tag > _LARGEST_TAG:
            raise ProtobufError("a field's number is out of range")
        if wire_type == VARINT:
            value, position = _varint(message, position)
            yield number, wire_type, value
            continue
        if wire_type == BYTES:
            if position < end and (size := message[position]) < 0x80:
                position += 1
            else:
                size, position = _varint(message, position)
        else:
            size = _FIXED_SIZES.get(wire_type, 0)
            if not size:
                raise ProtobufError(f"wire type {wire_type} is unknown")
        beyond = position + size
        if beyond > end:
            raise ProtobufError("a field is longer than the message")
        yield number, wire_type, message[position:beyond]
        position = beyond


def by_number(message: bytes, walk: Callable[[bytes], Iterator[WireField]] = fields,
              ) -> dict[int, list[bytes]]:
    """The BYTES of a message by the numbers of their fields: texts and messages.

    `walk` gives the message's fields. Raises ProtobufError.
    """
    values: dict[int, list[bytes]] = {}
    for number, wire_type, value in walk(message):
        if wire_type == BYTES and isinstance(value, bytes):
            values.setdefault(number, []).append(value)
    return values


def text(value: bytes) -> str:
    """A field of type string. Raises ProtobufError."""
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise ProtobufError("a text is not UTF-8") from error


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where it ends. Raises ProtobufError."""
    number = shift = 0
    for byte in message[position:position + _LONGEST_VARINT]:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if number > _LARGEST_NUMBER:
                raise ProtobufError("a number has more than 64 bits")
            return number, position + shift // 7
    raise ProtobufError("a number does not end")
