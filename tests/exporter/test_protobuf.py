"""The wire format of Protocol Buffers, against what their own runtime reads."""

from __future__ import annotations

import pytest

# Its runtime comes with grpcio-tools, and has no types.
from google.protobuf import empty_pb2
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.protobuf import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    ProtobufError,
    by_number,
    fields,
    text,
)

Fields = list[tuple[int, int, int | bytes]]


def varint(number: int) -> bytes:
    """A number as the format has it."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


def written(message: Fields) -> bytes:
    """A message with these fields."""
    parts = []
    for number, wire_type, value in message:
        parts.append(varint(number << 3 | wire_type))
        if isinstance(value, int):
            parts.append(varint(value))
        else:
            parts += [varint(len(value)), value] if wire_type == BYTES else [value]
    return b"".join(parts)


def by_the_runtime(message: bytes) -> Fields:
    """The same by the runtime, to which all fields of an empty message are unknown."""
    read: Fields = []
    for field in UnknownFieldSet(empty_pb2.Empty.FromString(message)):
        size = {FIXED64: 8, FIXED32: 4}.get(field.wire_type, 0)
        value = field.data
        if size:
            value = (value % 2**64).to_bytes(8, "little")[:size]
        elif field.wire_type == VARINT:
            value %= 2**64
        read.append((field.field_number, field.wire_type, value))
    return read


numbers = st.integers(1, 2**29 - 1)
messages = st.lists(st.one_of(
    st.tuples(numbers, st.just(VARINT), st.integers(0, 2**64 - 1)),
    st.tuples(numbers, st.just(FIXED64), st.binary(min_size=8, max_size=8)),
    st.tuples(numbers, st.just(BYTES), st.binary(max_size=300)),
    st.tuples(numbers, st.just(FIXED32), st.binary(min_size=4, max_size=4))), max_size=5)


@settings(deadline=None)
@given(messages)
def test_a_message_is_read_as_it_was_written_and_as_the_runtime_reads_it(message: Fields) -> None:
    body = written(message)
    assert list(fields(body)) == message == by_the_runtime(body)


@settings(deadline=None, max_examples=500)
@given(message=messages, position=st.integers(0), change=st.binary(min_size=1, max_size=12),
       cut=st.integers(0, 10))
def test_damaged_bytes_are_an_error_or_what_the_runtime_reads(
        message: Fields, position: int, change: bytes, cut: int) -> None:
    body = bytearray(written(message))
    position %= len(body) + 1
    body[position:position + len(change)] = change
    check(bytes(body[:max(0, len(body) - cut)]))


@settings(deadline=None, max_examples=500)
@given(st.binary(max_size=40))
def test_any_bytes_are_an_error_or_what_the_runtime_reads(body: bytes) -> None:
    check(body)


def check(body: bytes) -> None:
    try:
        ours = list(fields(body))
    except ProtobufError:
        return
    assert ours == by_the_runtime(body)


@pytest.mark.parametrize(("body", "reason"), [
    (b"\x08", "a number does not end"),
    (b"\x08\x80", "a number does not end"),
    (b"\x08" + b"\x80" * 10 + b"\x00", "a number does not end"),
    (b"\x08" + b"\xff" * 9 + b"\x02", "a number has more than 64 bits"),
    (b"\x00\x00", "a field's number is out of range"),
    (b"\x80\x80\x80\x80\x10\x00", "a field's number is out of range"),
    (b"\x0b", "wire type 3 is unknown"),
    (b"\x0f", "wire type 7 is unknown"),
    (b"\x09" + bytes(7), "a field is longer than the message"),
    (b"\x0d" + bytes(3), "a field is longer than the message"),
    (b"\x0a\x02a", "a field is longer than the message"),
    (b"\x0a" + b"\xff" * 9 + b"\x01", "a field is longer than the message"),
])
def test_bytes_that_are_no_message_are_an_error_that_says_why(body: bytes, reason: str) -> None:
    with pytest.raises(ProtobufError, match=reason):
        list(fields(body))


def test_fields_are_read_one_by_one() -> None:
    reading = fields(b"\x08\x01\x0b")
    assert next(reading) == (1, VARINT, 1)
    with pytest.raises(ProtobufError):
        next(reading)


def test_texts_and_messages_are_gathered_by_their_numbers() -> None:
    body = written([(1, BYTES, b"a"), (2, BYTES, b""), (1, VARINT, 7), (1, BYTES, b"b"),
                    (3, FIXED32, bytes(4))])
    assert by_number(body) == {1: [b"a", b"b"], 2: [b""]}
    assert by_number(b"") == {}


def test_a_text_is_utf_8() -> None:
    assert text("grün".encode()) == "grün"
    with pytest.raises(ProtobufError, match="not UTF-8"):
        text(b"\xff")
