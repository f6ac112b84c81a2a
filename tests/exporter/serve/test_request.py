"""The head of a request, whatever it is."""

from __future__ import annotations

import contextlib
import time
from http import HTTPStatus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.serve.request import (
    LARGEST_BODY,
    LONGEST_HEAD,
    MOST_HEADERS,
    RefusalError,
    read_head,
)

LINE = b"GET /metrics HTTP/1.1"


def refused(head: bytes) -> HTTPStatus:
    with pytest.raises(RefusalError) as error:
        read_head(head)
    return error.value.status


def test_a_head_says_what_is_asked_for_and_how() -> None:
    request = read_head(LINE + b"\r\nHost: x\r\nACCEPT:  text/plain;q=0.5 \r\nx-empty:")
    assert (request.method, request.target) == ("GET", "/metrics")
    assert request.headers == {"host": "x", "accept": "text/plain;q=0.5", "x-empty": ""}
    assert (request.body, request.last) == (0, False)


def test_of_a_header_sent_twice_both_values_are_there() -> None:
    assert read_head(LINE + b"\r\nA: 1\r\nB: 2\r\na: 3").headers == {"a": "1, 3", "b": "2"}


@pytest.mark.parametrize(("lines", "last"), [
    (b"", False), (b"\r\nConnection: keep-alive", False), (b"\r\nConnection: Close", True),
    (b"\r\nConnection: te, close", True), (b"\r\nTransfer-Encoding: chunked", True),
    (b"\r\nExpect: 100-continue", True), (b"\r\nContent-Length: 5\r\nContent-Length: 5", True),
    (b"\r\nContent-Length: 1048576", False), (b"\r\nContent-Length: 1048577", True),
    (b"\r\nContent-Length: 5x", True), (b"\r\nContent-Length: +5", True),
    (b"\r\nContent-Length: \xb2", True),
])
def test_no_request_follows_where_its_beginning_would_be_a_guess(lines: bytes,
                                                                 last: bool) -> None:
    request = read_head(LINE + lines)
    assert request.last == last
    assert request.body == (LARGEST_BODY if b"1048576" in lines else 0)


def test_http_1_0_asks_once() -> None:
    assert read_head(b"GET / HTTP/1.0\r\nConnection: keep-alive").last


@pytest.mark.parametrize("head", [
    b"", b"GET", b"GET /", b"GET / HTTP", b"GET / HTTP/1", b"GET / HTTP/11.1", b"GET / HTTP/x.1",
    b"GET  / HTTP/1.1", b" GET / HTTP/1.1", b"GET / HTTP/1.1 ", b"GET / / HTTP/1.1",
    b"get\t/\tHTTP/1.1", b"GET / HTTP/\xb2.1",
    LINE + b"\r\nno colon", LINE + b"\r\n: x", LINE + b"\r\nA : x", LINE + b"\r\nA: x\r\n folded",
    LINE + b"\r\nA: x\nB: y", LINE + b"\r\nA: x\rB: y", LINE + b"\r\nA: \0", LINE + b"\r\n\xe9: x",
])
def test_what_may_be_read_in_two_ways_is_refused(head: bytes) -> None:
    assert refused(head) == HTTPStatus.BAD_REQUEST


def test_only_http_1_is_spoken() -> None:
    assert refused(b"PRI * HTTP/2.0") == HTTPStatus.HTTP_VERSION_NOT_SUPPORTED


def test_there_may_not_be_too_many_headers() -> None:
    lines = b"\r\nA: x" * MOST_HEADERS
    assert len(read_head(LINE + lines).headers["a"].split(", ")) == MOST_HEADERS
    assert refused(LINE + lines + b"\r\nA: x") == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


@settings(max_examples=500, deadline=None, database=None)
@given(st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(
    [b"GET", b" ", b"/", b"HTTP/1.1", b"\r\n", b":", b"A", b"Content-Length", b"9", b"\n", b"\0"]),
    max_size=30).map(b"".join)))
def test_any_bytes_are_a_request_or_refused(head: bytes) -> None:
    with contextlib.suppress(RefusalError):
        assert 0 <= read_head(head).body <= 65536


@pytest.mark.parametrize("filling", [b" ", b"\t", b"a", b":", b"\r", b"a:", b"\r\na:", b"\r\n:"])
def test_no_head_takes_longer_than_its_length_warrants(filling: bytes) -> None:
    head = LINE + b"\r\nA: " + filling * (LONGEST_HEAD // len(filling)) + b"x"
    began = time.process_time()
    for _ in range(10):
        with contextlib.suppress(RefusalError):
            read_head.__wrapped__(head)
    assert time.process_time() - began < 1
