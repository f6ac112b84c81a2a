"""Counts frames of HTTP/2 before the library parses them, which takes some 40 microseconds each.

A frame has a head of nine bytes: three of its payload's length, its type, flags and four of the
stream. Source: RFC 9113, 4.1. A client that sends frames without sending calls in them (pings,
settings, empty data, streams that it resets) is a flood, and ends with its connection.
"""

from __future__ import annotations

PREFACE = 24  # bytes that a client sends before its first frame
HEAD = 9
DATA, HEADERS, CONTINUATION = 0, 1, 9  # types
FRAMES = 256  # between two calls that are answered
BODY_BYTES_A_FRAME = 256  # and one more for so many bytes of bodies
HEADER_BYTES = 16384  # of one call, compressed
FRAME_BYTES = 16384  # of a payload; the least that a server must take


class FloodError(Exception):
    """A client sends frames, and no calls."""


class FrameCount:
    """The frames of one connection since its last call was answered."""

    def __init__(self) -> None:
        self._passing = PREFACE  # bytes that are no head
        self._head = bytearray()
        self._frames = self._body_bytes = self._header_bytes = 0

    @property
    def partial(self) -> bool:
        """Whether the rest of a frame, or of the preface, is still to come."""
        return bool(self._passing or self._head)

    def answered(self) -> None:
        """A call was answered: the connection is good for as many frames again."""
        self._frames = self._body_bytes = 0

    def add(self, received: bytes) -> None:
        """Count what is in these bytes. Raises FloodError."""
        position, end = 0, len(received)
        while position < end:
            if self._passing:
                step = min(self._passing, end - position)
                self._passing -= step
            else:
                step = min(HEAD - len(self._head), end - position)
                self._head += received[position:position + step]
                if len(self._head) == HEAD:
                    self._frame(int.from_bytes(self._head[:3], "big"), self._head[3])
                    self._head.clear()
            position += step

    def _frame(self, size: int, kind: int) -> None:
        self._passing = size
        self._frames += 1
        if kind == DATA:
            self._body_bytes += size
        if kind == HEADERS:
            self._header_bytes = 0
        if kind in (HEADERS, CONTINUATION):
            self._header_bytes += size
        if (size > FRAME_BYTES or self._header_bytes > HEADER_BYTES
                or self._frames > FRAMES + self._body_bytes // BODY_BYTES_A_FRAME):
            raise FloodError
