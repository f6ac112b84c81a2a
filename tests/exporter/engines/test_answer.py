"""The grammar of answers, on bytes that come in pieces of any size."""

from __future__ import annotations

import gzip
import random
import time
import zlib
from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.engines.answer import (
    LONGEST_HEAD,
    MOST_CHUNKS,
    MOST_INTERIM,
    Answer,
    AnswerError,
    Incoming,
)
from tests.exporter.engines.raw import BODY, CONTINUE, strange_answer

MOST = 2**16  # bytes of a body
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ERRORS = (AnswerError, EOFError, zlib.error)


def read(pieces: Iterable[bytes], most: int = MOST) -> bytes:
    coming = iter(pieces)
    answer = Answer(Incoming(lambda: next(coming, b"")))
    return b"".join(answer.body(most))


def outcome(raw: bytes, cuts: Iterable[int]) -> str:
    """What is read, or why nothing is, where the bytes come cut at these places."""
    places = [0, *sorted({cut % (len(raw) + 1) for cut in cuts}), len(raw)]
    pieces = [raw[begin:end] for begin, end in pairwise(places) if begin < end]
    try:
        body = read(pieces)
    except ERRORS as error:
        return f"{type(error).__name__}: {error}"
    assert len(body) <= MOST
    return repr(body)


@settings(max_examples=500, deadline=None, database=None)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 500), max_size=5))
def test_any_answer_is_read_or_refused_the_same_however_its_bytes_come(
        seed: int, cuts: list[int]) -> None:
    raw = strange_answer(random.Random(seed))
    assert outcome(raw, cuts) == outcome(raw, ()) == outcome(raw, range(len(raw)))


@settings(max_examples=300, deadline=None, database=None)
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_no_bytes_raise_anything_but_what_is_promised(head: bytes, body: bytes) -> None:
    for raw in (head + body, OK + head + b"\r\n\r\n" + body, CHUNKED + head + body,
                OK + b"Content-Encoding: gzip\r\n\r\n" + body):
        outcome(raw, ())


@pytest.mark.parametrize("header", [
    b"Content-Length: %d" % len(BODY), b"Content-Length: 25, 25",
    b"Content-Length: 25\r\nContent-Length: 25", b"content-length:25", b"X: y", b"X:",
    b"X: \xe9\xff", b"Transfer-Encoding: identity", b"Content-Encoding: identity",
])
def test_a_lawful_header_is_taken(header: bytes) -> None:
    assert read([OK + header + b"\r\n\r\n" + BODY]) == BODY


@pytest.mark.parametrize(("head", "why"), [
    (OK + "Content-Length: ²³".encode("latin-1"), "a length that is none"),
    (OK + "Content-Length: ²³".encode(), "a length that is none"),
    (OK + b"Content-Length: " + b"1" * 5000, "a length that is none"),
    (OK + b"Content-Length: -1", "a length that is none"),
    (OK + b"Content-Length: +5", "a length that is none"),
    (OK + b"Content-Length: 1_0", "a length that is none"),
    (OK + b"Content-Length:", "a length that is none"),
    (OK + b"Content-Length: 5\r\nContent-Length: 6", "several lengths"),
    (OK + b"Content-Length: 5, 6", "several lengths"),
    (OK + b"Content-Length: 65537", "larger than 65536 bytes"),
    (OK + b"Content-Length: 999999999999999", "larger than 65536 bytes"),
    (OK + b"Transfer-Encoding: gzip, chunked", "transfer encoding 'gzip, chunked'"),
    (OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "transfer encoding"),
    (OK + b"Content-Encoding: br", "content encoding 'br'"),
    (OK + b"X: y\r\n folded", "a line that is no header"),
    (OK + b"X: a\x00b", "a line that is no header"),
    (OK + b"X: a\rb", "a line that is no header"),
    (OK + b"X\xe9: y", "a line that is no header"),
    (OK + b"no colon", "a line that is no header"),
    (b"HTTP/1.1 2000 OK", "no HTTP"),
    ("HTTP/1.1 ²⁰⁰ OK".encode(), "no HTTP"),
    (b"\r\nHTTP/1.1 200 OK", "no HTTP"),
    (OK + b"\r\n".join([b"X: y"] * 101), "more than 100 headers"),
    (OK + b"\r\n".join([b"X: " + b"y" * 60_000] * 100), "a line without end"),
    (OK + b"X: " + b"y" * LONGEST_HEAD, "a line without end"),
    (CONTINUE * (MOST_INTERIM + 1) + OK, f"more than {MOST_INTERIM} interim answers"),
])
def test_a_head_that_is_none_is_refused(head: bytes, why: str) -> None:
    with pytest.raises(AnswerError, match=why):
        read([head + b"\r\n\r\n" + BODY])


def test_a_few_interim_answers_are_passed_over() -> None:
    head = OK + b"Content-Length: 25\r\n\r\n"
    assert read([CONTINUE * MOST_INTERIM + head + BODY]) == BODY


def endless(line: bytes) -> Iterator[bytes]:
    while True:
        yield line


@pytest.mark.parametrize(("before", "again", "why"), [
    (b"", CONTINUE, "interim answers"),
    (b"", b"x", "a line without end"),
    (b"", b"\r\n", "no HTTP"),
    (OK, b"X: y\r\n", "headers"),
    (OK, b"X", "a line without end"),
    (CHUNKED, b"1\r\nx\r\n", f"more than {MOST_CHUNKS} chunks"),
    (CHUNKED, b"1", "a line without end"),
    (CHUNKED, b"1;x" + b"x" * 200 + b"\r\ny\r\n", f"more than {MOST_CHUNKS} chunks"),
    (CHUNKED, b"00000000000\r\nx", "^$"),  # ends
    (OK + b"\r\n", b"x", "larger than"),
    (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"x"), b"\x00", "larger than"),
    # Blocks that hold nothing, as many as come.
    (OK + b"Content-Encoding: deflate\r\n\r\n\x78\x9c", b"\x00\x00\x00\xff\xff", "larger than"),
], ids=range(12))
def test_what_never_ends_is_refused_after_little_work(before: bytes, again: bytes,
                                                      why: str) -> None:
    def coming() -> Iterator[bytes]:
        yield before or again
        yield from endless(again)

    began = time.process_time()
    try:
        read(coming())
    except AnswerError as error:
        assert why in str(error)  # noqa: PT017 - or it ends
    assert time.process_time() - began < 2


def test_a_body_of_chunks_of_one_byte_costs_time_by_its_length() -> None:
    body = b"1\r\nx\r\n" * MOST_CHUNKS
    began = time.process_time()
    with pytest.raises(AnswerError, match="chunks"):
        read([CHUNKED + body])
    assert time.process_time() - began < 1
    few = b"1\r\nx\r\n" * (MOST_CHUNKS - 1) + b"0\r\n"
    assert read([CHUNKED + few]) == b"x" * (MOST_CHUNKS - 1)


@pytest.mark.parametrize("packed", [
    gzip.compress(b"\n" * 10**8), zlib.compress(b"\n" * 10**8),
    gzip.compress(b"x 1\n" * 10**6, 1),
], ids=range(3))
def test_a_packed_body_is_bounded_by_what_it_unpacks_to(packed: bytes) -> None:
    with pytest.raises(AnswerError, match="larger than 1000000 bytes"):
        read([OK + b"Content-Encoding: gzip\r\n\r\n" + packed], 10**6)


def test_a_packed_body_is_unpacked_to_its_last_byte_whatever_the_pieces() -> None:
    body = bytes(2**20) + random.Random(1).randbytes(99_999)
    raw = OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(body)
    for size in (7, 4096, len(raw)):
        pieces = [raw[start : start + size] for start in range(0, len(raw), size)]
        assert read(pieces, 2**21) == body
    with pytest.raises(EOFError):
        read([raw[:-9]], 2**21)
