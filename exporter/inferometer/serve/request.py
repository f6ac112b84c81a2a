"""Reads heads of HTTP/1.1 requests, within bounds. Refuses what servers could read differently."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

LONGEST_HEAD = 16384  # bytes
MOST_HEADERS = 100
LARGEST_BODY = 2**20  # bytes; a body that the route does not want is skipped
END = b"\r\n\r\n"

_VERSION = re.compile(r"HTTP/(\d)\.\d", re.ASCII)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_BARE = frozenset("\r\n\0")  # characters at which other servers may end a line


class RefusalError(Exception):
    """A request is refused with this status; its connection ends after the answer."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """A request's head. Header names are in lower case; values of one name are joined by commas.

    `body`: the number of bytes that follow; `last`: whether the connection ends after the answer.
    `unread`: the status to refuse the body with, if it is not read. The connection ends then, as
    the bytes of the body would be taken for the next request.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: int
    last: bool
    unread: HTTPStatus | None = None


@lru_cache(maxsize=64)  # a scraper sends the same head each time
def read_head(head: bytes) -> Request:
    """The request in a head, given without the empty line at its end. Raises RefusalError."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    version = _VERSION.fullmatch(words[-1])
    if len(words) != 3 or version is None:
        raise RefusalError(HTTPStatus.BAD_REQUEST, "bad request line")
    if version[1] != "1":
        raise RefusalError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1 is spoken here")
    headers = _headers(lines)
    unread = _unread(headers)
    ends = "close" in headers.get("connection", "").lower()
    return Request(words[0], words[1], headers,
                   0 if unread else int(headers.get("content-length", "0")),
                   unread is not None or ends or words[2] == "HTTP/1.0", unread)


def _unread(headers: Mapping[str, str]) -> HTTPStatus | None:
    length = headers.get("content-length", "0")
    if "expect" in headers:
        return HTTPStatus.EXPECTATION_FAILED
    if "transfer-encoding" in headers or not re.fullmatch(r"[0-9]{1,18}", length):
        return HTTPStatus.LENGTH_REQUIRED
    return HTTPStatus.REQUEST_ENTITY_TOO_LARGE if int(length) > LARGEST_BODY else None


def _headers(lines: list[str]) -> Mapping[str, str]:
    if len(lines) > MOST_HEADERS:
        raise RefusalError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too many headers")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name) or not _BARE.isdisjoint(value):
            raise RefusalError(HTTPStatus.BAD_REQUEST, "bad header")
        name, value = name.lower(), value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def too_long(head: bytes) -> RefusalError:
    """The refusal of a head that is longer than LONGEST_HEAD."""
    if b"\r\n" in head:
        return RefusalError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head too long")
    return RefusalError(HTTPStatus.REQUEST_URI_TOO_LONG, "request line too long")
