"""The grammar of an HTTP answer (RFC 9112), read strictly.

Whatever a peer sends, reading it ends: lines, headers, interim answers and chunks are bounded, and
nothing is copied or searched more often than a fixed number of times.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping

LONGEST_HEAD = 65536  # bytes of all lines before the body, interim answers included
MOST_HEADERS = 100
MOST_INTERIM = 5  # answers of the 100s before the answer itself
MOST_CHUNKS = 20_000
LONGEST_CHUNK_LINE = 256  # bytes of a chunk's size and its extensions
UNPACKED_AT_ONCE = 2**17  # bytes
_STATUS = re.compile(rb"HTTP/1\.[0-9] ([1-9][0-9]{2})(?: [^\x00]*)?")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\x00-\x08\x0a-\x1f\x7f]*)")
_LENGTH = re.compile(r"[0-9]{1,15}")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?")


class AnswerError(Exception):
    """The bytes that came are no HTTP answer, or too many; the message says why in a few words."""


class Incoming:
    """The bytes of a peer, of which `receive` waits for some and gives none at the end."""

    def __init__(self, receive: Callable[[], bytes]) -> None:
        self._receive = receive
        self._waiting = bytearray()  # to cut off its beginning copies nothing

    def line(self, longest: int) -> bytes:
        """Up to the next line end, without it. Raises EOFError, AnswerError."""
        searched = 0
        while (end := self._waiting.find(b"\n", searched)) < 0 and searched <= longest:
            searched = len(self._waiting)
            received = self._receive()
            if not received:
                raise EOFError
            self._waiting += received
        if not 0 <= end <= longest:
            raise AnswerError("a line without end")
        return self._cut(end + 1).rstrip(b"\r\n")

    def some(self, most: int) -> bytes:
        """At most so many bytes, none at the end."""
        if self._waiting:
            return self._cut(most)
        received = self._receive()
        if len(received) <= most:
            return received
        self._waiting += received
        return self._cut(most)

    def exactly(self, size: int) -> Iterator[bytes]:
        """So many bytes, piece by piece. Raises EOFError."""
        while size:
            piece = self.some(size)
            if not piece:
                raise EOFError
            size -= len(piece)
            yield piece

    def rest(self) -> Iterator[bytes]:
        """All there is to come, piece by piece."""
        while piece := self.some(UNPACKED_AT_ONCE):
            yield piece

    def chunks(self) -> Iterator[bytes]:
        """The pieces of a chunked body; what follows the last is left. Raises as `line` does."""
        for _ in range(MOST_CHUNKS):
            line = _CHUNK_SIZE.fullmatch(self.line(LONGEST_CHUNK_LINE))
            if line is None:
                raise AnswerError("a chunk without a size")
            size = int(line[1], 16)
            if not size:
                return
            yield from self.exactly(size)
            if self.line(2):
                raise AnswerError("a chunk longer than its size")
        raise AnswerError(f"more than {MOST_CHUNKS} chunks")

    def _cut(self, size: int) -> bytes:
        piece = bytes(memoryview(self._waiting)[:size])
        del self._waiting[:size]
        return piece


class Answer:
    """One answer: its `status`, its `headers` by names in lower case, and its body.

    To make one reads the head. Raises AnswerError and whatever receiving raises.
    """

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming
        self._left = LONGEST_HEAD
        try:
            self.status, self.headers = self._head()
        except EOFError as error:
            raise AnswerError("closed without an answer") from error

    @property
    def may_be_cut(self) -> bool:
        """Whether nothing but the end of the connection ends the body: half a line may be last."""
        return not (self._chunked or self._packed or "content-length" in self.headers)

    def body(self, most: int) -> Iterator[bytes]:
        """The body, unpacked, piece by piece. `most` bounds its bytes, packed and unpacked.

        Raises EOFError where it ends early, AnswerError, zlib.error, and what receiving raises.
        """
        pieces = _bounded(self._framed(most), most)
        return _bounded(_unpacked(pieces), most) if self._packed else pieces

    def _framed(self, most: int) -> Iterator[bytes]:
        if self._chunked:
            return self._incoming.chunks()
        if "content-length" not in self.headers:
            return self._incoming.rest()
        length = _length(self.headers["content-length"])
        if length > most:
            raise _too_large(most)
        return self._incoming.exactly(length)

    @property
    def _chunked(self) -> bool:
        coding = self.headers.get("transfer-encoding", "").lower()
        if coding not in ("", "identity", "chunked"):
            raise AnswerError(f"transfer encoding {coding[:20]!r}")
        return coding == "chunked"

    @property
    def _packed(self) -> bool:
        coding = self.headers.get("content-encoding", "").lower()
        if coding not in ("", "identity", "gzip", "deflate"):
            raise AnswerError(f"content encoding {coding[:20]!r}")
        return coding in ("gzip", "deflate")

    def _head(self) -> tuple[int, Mapping[str, str]]:
        for _ in range(MOST_INTERIM + 1):
            first = _STATUS.fullmatch(self._line())
            if first is None:
                raise AnswerError("no HTTP")
            status, headers = int(first[1]), self._headers()
            if status >= 200 or status == 101:  # no interim answer: it switches protocols
                return status, headers
        raise AnswerError(f"more than {MOST_INTERIM} interim answers")

    def _headers(self) -> Mapping[str, str]:
        headers: dict[str, str] = {}
        for number, line in enumerate(iter(self._line, b"")):
            if number >= MOST_HEADERS:
                raise AnswerError(f"more than {MOST_HEADERS} headers")
            header = _HEADER.fullmatch(line)
            if header is None:
                raise AnswerError("a line that is no header")
            name, value = header[1].decode().lower(), header[2].decode("latin-1").strip(" \t")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return headers

    def _line(self) -> bytes:
        line = self._incoming.line(self._left)
        self._left -= len(line)
        return line


def _length(text: str) -> int:
    """The length that the header says, or says several times."""
    lengths = {part.strip(" \t") for part in text.split(",")}
    length = lengths.pop()
    if lengths or not _LENGTH.fullmatch(length):
        raise AnswerError("a length that is none" if not lengths else "several lengths")
    return int(length)


def _unpacked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Raises EOFError where the packed body does not end, zlib.error."""
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
    for piece in pieces:
        while not unpacker.eof:  # zlib would keep what follows the end
            unpacked = unpacker.decompress(piece, UNPACKED_AT_ONCE)
            piece = unpacker.unconsumed_tail
            if unpacked:
                yield unpacked
            if not piece and len(unpacked) < UNPACKED_AT_ONCE:
                break
    if not unpacker.eof:
        raise EOFError


def _bounded(pieces: Iterator[bytes], most: int) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > most:
            raise _too_large(most)
        yield piece


def _too_large(most: int) -> AnswerError:
    return AnswerError(f"the page is larger than {most} bytes")
