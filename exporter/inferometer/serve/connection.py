"""One client's connection: what has come, what is still to be sent, and until when."""

from __future__ import annotations

import contextlib
import ipaddress
import select
import socket
import ssl
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from inferometer.serve.lanes import Lane
from inferometer.serve.request import END, LONGEST_HEAD, Request, read_head, too_long

RECEIVED_AT_ONCE = 16384  # bytes
READ, WRITE, OVER = select.EPOLLIN, select.EPOLLOUT, 0  # the events that one awaits


@dataclass(frozen=True)
class Limits:
    """What connections may cost."""

    connections: int = 768  # and no more than the process has descriptors for
    threads: int = 13  # as many as there are seats in lanes, and the reserve
    head_seconds: float = 10.0  # for a handshake, a head and its body, in all
    turn_seconds: float = 60.0  # to wait for a turn
    answer_seconds: float = 30.0  # for the client to take an answer
    idle_seconds: float = 120.0  # between two requests
    unsent_bytes: int = 32 * 2**20  # of answers, over all connections
    body_bytes: int = 16 * 2**20  # of requests, over all connections


class Connection:
    """One client's connection: reads requests, sends answers. Never waits for the client."""

    def __init__(self, sock: socket.socket, limits: Limits, peer: str = "") -> None:
        self.sock: socket.socket | ssl.SSLSocket = sock
        self.peer = peer  # the network it comes from
        self.descriptor = sock.fileno()
        self.certificate: Any = None  # the client's, as getpeercert() has it
        self.request: Request | None = None  # one read in full, to be answered
        self.body = bytearray()  # of the request, where it is kept
        self.read_at = 0.0  # when the request was complete, on the monotonic clock
        self.unsent = memoryview(b"")  # of the answer
        self.busy = False  # a thread handles it, or it waits in a lane
        self.lane: Lane[Connection] | None = None  # in which it waits
        self.refusals = 0  # of who asks
        self.terms: Hashable = None  # it was made under
        self.shaken = False  # the handshake is done, or needless
        self.idle = False  # between two requests
        self._limits = limits
        self._begin(limits.head_seconds)
        self._received = b""
        self._head: Request | None = None  # a head whose body is still to come
        self._passed = 0  # bytes of that body
        self._last = False

    def begin(self, context: ssl.SSLContext | None, terms: Hashable) -> None:
        """Begin to speak, under these terms. Raises OSError."""
        self.terms = terms
        if context is None:
            self.shaken = True
        else:
            self.sock = context.wrap_socket(self.sock, server_side=True,
                                            do_handshake_on_connect=False)

    def shake(self) -> None:
        """Do the handshake as far as it goes.

        Raises SSLWantReadError or SSLWantWriteError while it needs more, OSError if it failed.
        """
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock.do_handshake()
            self.certificate = self.sock.getpeercert()
        self.shaken = True

    def wait(self, lane: Lane[Connection]) -> None:
        """Note that it waits in the lane."""
        self.lane = lane
        if self.shaken:
            self._begin(self._limits.turn_seconds)

    def receive(self, body_bytes: Callable[[Request], int]) -> int:
        """Read what has come; set `request` once one is complete. Returns the events to await.

        Raises OSError and RefusalError.
        """
        if self._complete(body_bytes):
            return READ
        data = self.sock.recv(RECEIVED_AT_ONCE)
        if self.idle:
            self.idle = False
            self._begin(self._limits.head_seconds)
        self._received += data
        self._complete(body_bytes)
        return READ if data else OVER

    def answer(self, answer: bytes, last: bool) -> None:
        """Set the answer to send. The connection ends after it if it is the `last`."""
        self.request, self.body = None, bytearray()
        self.unsent, self._last = memoryview(answer), self._last or last
        self._begin(self._limits.answer_seconds)

    def send(self) -> int:
        """Send all that is unsent. Returns the events to await then. Raises OSError."""
        while self.unsent:
            self.unsent = self.unsent[self.sock.send(self.unsent) :]
        if self._last:
            return OVER
        self.idle = not self._received
        self._begin(self._limits.idle_seconds if self.idle else self._limits.head_seconds)
        # Bytes received already make no event. Being able to write does: after the others' turns.
        return READ if self.idle else WRITE

    def end(self) -> None:
        """Let the answer that is being sent be the last one."""
        self._last = True

    def close(self, last_words: bytes = b"") -> None:
        """Close. Unread bytes are taken first: else the client may lose the answer to a reset."""
        with contextlib.suppress(OSError):
            if last_words:
                self.sock.send(last_words)
            self.sock.shutdown(socket.SHUT_WR)
            self.sock.recv(RECEIVED_AT_ONCE)
        self.sock.close()

    def _begin(self, seconds: float) -> None:
        """Enter a state that may last so many seconds."""
        self.since = time.monotonic()
        self.due = self.since + seconds  # when it is closed

    def _complete(self, body_bytes: Callable[[Request], int]) -> bool:
        if self._head is None:
            end = self._received.find(END)
            if max(end, len(self._received) if end < 0 else 0) > LONGEST_HEAD:
                raise too_long(self._received)
            if end < 0:
                return False
            self._head = read_head(self._received[:end])
            self._received, self._passed = self._received[end + len(END) :], 0
        body = min(self._head.body - self._passed, len(self._received))
        if body and self._head.body <= body_bytes(self._head):
            self.body += self._received[:body]
        self._received = self._received[body:]
        self._passed += body
        if self._passed == self._head.body:
            self.request, self._head = self._head, None
            self.read_at = time.monotonic()
        return self.request is not None


@lru_cache(maxsize=1024)
def network_of(address: str) -> str:
    """What one caller has of an address: of IPv6 the first 64 bits."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is None:
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(getattr(ip, "ipv4_mapped", None) or ip)


def events_after(error: OSError, if_blocking: int) -> int:
    """The events a connection waits for after an operation that raised this error."""
    if isinstance(error, ssl.SSLWantReadError):
        return READ
    if isinstance(error, ssl.SSLWantWriteError):
        return WRITE
    return if_blocking if isinstance(error, BlockingIOError) else OVER
