"""Routes as values: whoever has something to serve gives the server a Route, and that is all."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import parse_qs

from inferometer.serve.lanes import Lane
from inferometer.serve.request import LARGEST_BODY, Request

PLAIN = "text/plain; charset=utf-8"
JSON = "application/json"

T = TypeVar("T")


@dataclass(frozen=True)
class Response:
    """One response."""

    status: HTTPStatus
    body: bytes
    content_type: str = PLAIN
    headers: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def packed(self) -> bytes:
        """The body, compressed once for all who get this response."""
        return gzip.compress(self.body, compresslevel=1, mtime=0)


def text_response(status: HTTPStatus, text: str) -> Response:
    """A line of plain text."""
    return Response(status, f"{text}\n".encode())


@dataclass(frozen=True)
class Received:
    """A whole request as its handler gets it; `read_at` is when its last byte came, monotonic.

    `shared` is kept for all requests that have their turn together.
    """

    request: Request
    body: bytes
    read_at: float
    shared: dict[Hashable, Any] = field(default_factory=dict)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is made by the first of those requests for all of them."""
        if key not in self.shared:
            self.shared[key] = make()
        made: T = self.shared[key]
        return made

    @cached_property
    def query(self) -> Mapping[str, list[str]]:
        """The values of each key behind the question mark; one without a value has an empty one."""
        query = self.request.target.partition("?")[2]
        return parse_qs(query, keep_blank_values=True) if query else {}


Handler = Callable[[Received], Response]


@dataclass(frozen=True)
class Route:
    """One endpoint: its path, who answers, and what the server holds requests to before that.

    A route for GET answers HEAD as well. With a `lane` requests wait there for their turn; routes
    may share one. Those that wait and are asked the same by `together` have their turn together. A
    body of at most `body_bytes` is handed on, and is refused if its content type
    is none of `content_types`; without `body_bytes` what is sent is passed over.
    """

    path: str
    handler: Handler
    methods: tuple[str, ...] = ("GET",)
    lane: Lane[Any] | None = None
    body_bytes: int = 0
    content_types: tuple[str, ...] = ()
    together: Callable[[Received], Hashable] | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for what could never be answered as it is meant."""
        if not self.path.startswith("/"):
            raise ValueError(f"{self.path}: a path begins with /")
        if self.content_types and not self.body_bytes:
            raise ValueError(f"{self.path}: content types are those of a body; say body_bytes")
        if self.body_bytes > LARGEST_BODY:
            raise ValueError(f"{self.path}: no request has more than {LARGEST_BODY} bytes")

    @property
    def allowed(self) -> tuple[str, ...]:
        """The methods it answers."""
        return (*self.methods, "HEAD") if "GET" in self.methods else self.methods
