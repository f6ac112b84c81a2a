"""A body as it comes in: read in pieces within bounds, unpacked, and counted while it is held."""

from __future__ import annotations

import asyncio
import threading
import zlib
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

from inferometer import heap

PIECE = 2**18  # bytes that are unpacked at a time
TRIM_BYTES = 2 * 2**20  # of bodies after which free memory goes back to the system
GZIP = 16 + zlib.MAX_WBITS
MOST_MEMBERS = 128  # of a gzip body: senders make one, and each costs as much as a kilobyte
SEND_FEWER = "send fewer spans at a time: OTEL_BSP_MAX_EXPORT_BATCH_SIZE"


class BodyRefusedError(Exception):
    """The body is not taken: its status, and why in a line for who sent it."""

    def __init__(self, status: HTTPStatus, why: str, lag: float = 0.0) -> None:
        super().__init__(why)
        self.status = status
        self.lag = lag  # seconds, after which it may be sent again


class TooLargeError(BodyRefusedError):
    """The body has more bytes than it may."""

    def __init__(self, most: int) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                         f"a body may have {most} bytes unpacked; {SEND_FEWER}")


class LostError(Exception):
    """The client is gone; nobody is there to be answered."""


@dataclass(frozen=True)
class Sizes:
    """How much a body may be, and how long it may take."""

    body_bytes: int = 32 * 2**20  # unpacked
    held_bytes: int = 40 * 2**20  # of all bodies that are being read and decoded
    gap_seconds: float = 10.0  # between two pieces
    body_seconds: float = 30.0


class Receive(Protocol):
    """ASGI's channel for what the client sends."""

    async def __call__(self) -> MutableMapping[str, Any]:
        """The next event."""
        ...


class BodyMemory:
    """Bytes in memory over all bodies, given back to the system after many. Safe to share."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self.bytes = 0
        self._highest = 0  # since it was 0

    def take(self, count: int) -> None:
        """Raises BodyRefusedError where they would be too many."""
        with self._lock:
            if self.bytes + count > self._most:
                raise BodyRefusedError(HTTPStatus.SERVICE_UNAVAILABLE,
                                   "too many bodies at once; send it again")
            self.bytes += count
            if self.bytes > self._highest:  # by hand: for each body it is asked
                self._highest = self.bytes

    def give_back(self, count: int) -> None:
        """They are not held any more."""
        with self._lock:
            self.bytes -= count
            was_much = not self.bytes and self._highest > TRIM_BYTES
            if not self.bytes:
                self._highest = 0
        if was_much:
            heap.trim()


class Portion:
    """What one body holds of the bytes of all; given back when the `with` ends."""

    def __init__(self, memory: BodyMemory) -> None:
        self._memory = memory
        self.bytes = 0

    def __enter__(self) -> Portion:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bytes:
            self.drop(self.bytes)

    def take(self, count: int) -> None:
        """Raises BodyRefusedError where all would hold too many."""
        self._memory.take(count)
        self.bytes += count

    def drop(self, count: int) -> None:
        """They are not held any more."""
        self._memory.give_back(count)
        self.bytes -= count


async def read(receive: Receive, declared: int | None, complete: bool, sizes: Sizes,
               load: Portion) -> list[bytes]:
    """The pieces of a body as it was sent; `declared` is its Content-Length if it has one.

    A body that is declared too large is refused before it is asked for. `complete`: all of it has
    come in, so that nothing is to be waited for. Raises BodyRefusedError and LostError.
    """
    if declared is not None and declared > sizes.body_bytes:
        raise TooLargeError(sizes.body_bytes)
    pieces: list[bytes] = []
    if complete:
        while _keep(await receive(), pieces, sizes, load):
            pass
        return pieces
    now = asyncio.get_running_loop().time
    end = now() + sizes.body_seconds
    try:
        async with asyncio.timeout_at(min(end, now() + sizes.gap_seconds)) as limit:
            while _keep(await receive(), pieces, sizes, load):
                limit.reschedule(min(end, now() + sizes.gap_seconds))
    except TimeoutError:
        raise BodyRefusedError(HTTPStatus.SERVICE_UNAVAILABLE,
                           "the body did not come in time; send it again") from None
    return pieces


def _keep(event: Mapping[str, Any], pieces: list[bytes], sizes: Sizes, load: Portion) -> bool:
    """Take the next piece; whether more are to come."""
    if event["type"] == "http.disconnect":
        raise LostError
    piece: bytes = event.get("body", b"")
    if load.bytes + len(piece) > sizes.body_bytes:
        raise TooLargeError(sizes.body_bytes)
    if piece:
        load.take(len(piece))
        pieces.append(piece)
    more: bool = event.get("more_body", False)
    return more


def unpack(pieces: Sequence[bytes], coding: str, most: int, load: Portion) -> bytes:
    """The whole body, of at most so many bytes, in the coding `gzip` or none.

    A gzip body may have several members (RFC 1952, 2.2). Raises BodyRefusedError.
    """
    if coding != "gzip":
        if sum(map(len, pieces)) > most:
            raise TooLargeError(most)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    plain: list[bytes] = []
    total = 0
    try:
        for piece in _members(pieces):
            total += len(piece)
            if total > most:
                raise TooLargeError(most)
            load.take(len(piece))
            plain.append(piece)
    except (zlib.error, EOFError) as error:
        raise BodyRefusedError(HTTPStatus.BAD_REQUEST, "the body is no gzip") from error
    return b"".join(plain)


def _members(pieces: Sequence[bytes]) -> Iterator[bytes]:
    """What the members hold, in small pieces.

    Raises zlib.error, EOFError, and BodyRefusedError for too many members.
    """
    member = zlib.decompressobj(GZIP)
    begun, count = False, 1
    for piece in pieces:
        rest = piece
        while rest or member.unconsumed_tail:
            if member.eof:
                rest = rest.lstrip(b"\0")  # members may be padded
                if not rest:
                    break
                if count == MOST_MEMBERS:
                    raise BodyRefusedError(HTTPStatus.BAD_REQUEST,
                                           f"a body may have {MOST_MEMBERS} members of gzip")
                member, count = zlib.decompressobj(GZIP), count + 1
            begun = True
            plain = member.decompress(rest, PIECE)
            rest = member.unused_data if member.eof else member.unconsumed_tail
            if plain:
                yield plain
            elif not rest:
                break
    if begun and not member.eof:
        raise EOFError
