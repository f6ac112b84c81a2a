"""Which request something is done for: its id, as each line of the log that is about it has it.

It goes by a context variable, so that nobody passes it on: tasks of an event loop have that of who
began them, and so has what a `Worker` does for one. What is done for several requests at once, as a
commit of the ledger or a collector's run, is done on behalf of none.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "X-Request-Id"
_ASKED, _TRACE = "x-request-id", "traceparent"
_SAFE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}", re.ASCII)
# version, trace id, span id, flags: https://www.w3.org/TR/trace-context/#traceparent-header
_PARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


class RequestId:
    """The id of one request: the one that it came with, its trace's, or one that is made.

    It is looked for once somebody asks: most requests are answered without a line of the log.
    """

    __slots__ = ("_asked", "_text", "_trace")

    def __init__(self, asked: str | bytes | None = None, trace: str | bytes | None = None) -> None:
        self._asked, self._trace = asked, trace
        self._text = ""

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> RequestId:
        """That of a request with these headers, whose names are in lower case."""
        return cls(headers.get(_ASKED), headers.get(_TRACE))

    @classmethod
    def of_raw(cls, headers: Mapping[bytes, bytes]) -> RequestId:
        """The same of headers as they come."""
        return cls(headers.get(b"x-request-id"), headers.get(b"traceparent"))

    @property
    def text(self) -> str:
        """At most 128 characters, none of which means anything to a log or a terminal."""
        if not self._text:
            asked, parent = _text_of(self._asked), _PARENT.fullmatch(_text_of(self._trace))
            self._text = asked if _SAFE.fullmatch(asked) else (
                parent[1] if parent else uuid.uuid4().hex)
        return self._text

    @property
    def headers(self) -> Mapping[str, str]:
        """What the answer says of it: to who sent one, or where a line of the log has it."""
        return {HEADER: self.text} if self._text or self._asked else {}

    @property
    def raw_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The same as they are sent."""
        return ((b"x-request-id", self.text.encode()),) if self.headers else ()


_CURRENT: ContextVar[RequestId | None] = ContextVar("request", default=None)


@contextmanager
def on_behalf_of(request: RequestId) -> Iterator[None]:
    """What is done meanwhile is done for this request."""
    token = _CURRENT.set(request)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def begin(request: RequestId) -> None:
    """What this task does from now on is done for this request: a task is of one alone."""
    _CURRENT.set(request)


def current() -> RequestId | None:
    """The request that something is done for now, if it is one."""
    return _CURRENT.get()


def _text_of(header: str | bytes | None) -> str:
    return header.decode("latin-1") if isinstance(header, bytes) else header or ""
