"""Connections: many may be open, none can hold up another, and few threads serve them all.

A connection that says nothing costs a descriptor and no thread: all threads wait in one epoll, and
whoever wakes takes one connection one step further, never waiting for its peer. What takes long
waits its turn in a lane, so that a thread is always left for the rest. Heads, answers and rests
have a deadline each, and where there is no room for a new connection, an old one is closed.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import resource
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

from inferometer.serve.lanes import Lane
from inferometer.serve.request import END, LONGEST_HEAD, RefusalError, Request, read_head, too_long

RECEIVED_AT_ONCE = 16384  # bytes
SWEEP_SECONDS = 1.0
BREATH_SECONDS = 0.1  # while there is no room to be made
WARNING_SECONDS = 600.0  # between two warnings
_READ, _WRITE, _OVER = select.EPOLLIN, select.EPOLLOUT, 0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What connections may cost."""

    connections: int = 512  # and no more than half of the descriptors the process may have
    threads: int = 12
    head_seconds: float = 10.0  # for a handshake, a head and its body, in all
    answer_seconds: float = 30.0  # for an answer to be taken
    idle_seconds: float = 120.0  # between two requests
    unsent_bytes: int = 32 * 2**20  # of answers, over all connections
    body_bytes: int = 16 * 2**20  # of requests, over all connections


class Service(Protocol):
    """What is served."""

    def context(self) -> ssl.SSLContext | None:
        """For a new connection; None for one without TLS."""
        ...

    def lane(self, request: Request) -> Lane[Connection] | None:
        """Where the request has to wait its turn; None if it is answered at once."""
        ...

    def body_bytes(self, request: Request) -> int:
        """The largest body that is kept, 0 if none is."""
        ...

    def answer(self, request: Request, connection: Connection) -> bytes:
        """The whole answer."""
        ...

    def refuse(self, error: RefusalError) -> bytes:
        """The whole answer to what is no request."""
        ...


class Connection:
    """One client: bytes in, requests out, an answer back. Never waits for it."""

    def __init__(self, sock: socket.socket, limits: Limits) -> None:
        self.sock: socket.socket | ssl.SSLSocket = sock
        self.descriptor = sock.fileno()
        self.certificate: Any = None  # the client's, as getpeercert() has it
        self.request: Request | None = None  # read in full, to be answered
        self.body = bytearray()  # of the request, where it is kept
        self.read_at = 0.0  # since when, on the monotonic clock
        self.unsent = memoryview(b"")  # of its answer
        self.busy = False  # a thread is at it, or it waits in a lane
        self.idle = False  # between two requests
        self._limits = limits
        self._begin(limits.head_seconds)
        self._shaken = False
        self._received = b""
        self._head: Request | None = None  # whose body is still to come
        self._passed = 0  # bytes of that body
        self._last = False

    def shake(self, context: Callable[[], ssl.SSLContext | None]) -> None:
        """Shake hands if TLS is spoken. Raises OSError, one that says so if it is to go on."""
        if self._shaken:
            return
        if not isinstance(self.sock, ssl.SSLSocket):
            tls = context()
            if tls is not None:
                self.sock = tls.wrap_socket(self.sock, server_side=True,
                                            do_handshake_on_connect=False)
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock.do_handshake()
            self.certificate = self.sock.getpeercert()
        self._shaken = True

    def receive(self, body_bytes: Callable[[Request], int]) -> int:
        """Read on, and say what to wait for; `request` is set once one is complete.

        Raises OSError and RefusalError.
        """
        if self._complete(body_bytes):
            return _READ
        data = self.sock.recv(RECEIVED_AT_ONCE)
        if self.idle:
            self.idle = False
            self._begin(self._limits.head_seconds)
        self._received += data
        self._complete(body_bytes)
        return _READ if data else _OVER

    def answer(self, answer: bytes, last: bool) -> None:
        """Have this to send; the connection ends with it if it is the last."""
        self.request, self.body = None, bytearray()
        self.unsent, self._last = memoryview(answer), last
        self._begin(self._limits.answer_seconds)

    def send(self) -> int:
        """Send on; what to wait for once all is sent. Raises OSError."""
        while self.unsent:
            self.unsent = self.unsent[self.sock.send(self.unsent) :]
        if self._last:
            return _OVER
        self.idle = not self._received
        self._begin(self._limits.idle_seconds if self.idle else self._limits.head_seconds)
        # What was received already makes no event: it has its turn after the others'.
        return _READ if self.idle else _WRITE

    def close(self) -> None:
        """Close. Bytes left unread would make the client forget what was sent."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
            self.sock.recv(RECEIVED_AT_ONCE)
        self.sock.close()

    def _begin(self, seconds: float) -> None:
        """Be in another state from now on, and for so long at most."""
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


class Connections:
    """All connections of one listening socket."""

    def __init__(self, listener: socket.socket, service: Service, limits: Limits) -> None:
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = min(limits.connections, descriptors // 2)
        self._listener = listener
        self._service = service
        self._limits = limits
        self._epoll = select.epoll()
        self._bell = os.eventfd(0)
        self._epoll.register(self._bell, _READ)
        self._open: dict[int, Connection] = {}  # by descriptor
        self._lock = threading.Lock()  # over who is open and busy, and what epoll waits for
        self._working = limits.threads
        self._stopping = False
        self._warned_at = float("-inf")

    def serve(self) -> None:
        """Accept and serve until stopped."""
        for number in range(self._limits.threads):
            threading.Thread(target=self._work, name=f"serve-{number}", daemon=True).start()
        events = select.poll()
        events.register(self._listener, select.POLLIN)
        events.register(self._bell, select.POLLIN)
        swept_at = time.monotonic()
        while not self._stopping:
            ready = [descriptor for descriptor, _ in events.poll(SWEEP_SECONDS * 1000)]
            if self._listener.fileno() in ready:
                self._accept()
            if time.monotonic() - swept_at >= SWEEP_SECONDS:
                swept_at = time.monotonic()
                self._close_due(swept_at)

    def stop(self) -> None:
        """Have `serve` return, and each thread end once it has nothing at hand.

        May be called by a signal's handler, and again.
        """
        if not self._stopping:
            os.eventfd_write(self._bell, 1)  # first: the last thread to end closes the bell
            self._stopping = True

    def close(self) -> None:
        """Close the listening socket, and the connections no thread is at."""
        self._listener.close()
        self._close_due(math.inf)

    def _accept(self) -> None:
        full = len(self._open) >= self._most
        if not full:
            try:
                sock, _ = self._listener.accept()
            except (BlockingIOError, ConnectionError):
                return  # it is gone again
            except OSError:  # neither descriptors nor memory left
                full = True
        if full:
            self._make_room()
            return
        sock.setblocking(False)
        with self._lock:
            if self._stopping:  # there may be no epoll any more
                sock.close()
                return
            self._open[sock.fileno()] = Connection(sock, self._limits)
            self._epoll.register(sock, _READ | select.EPOLLONESHOT)

    def _make_room(self) -> None:
        if time.monotonic() - self._warned_at > WARNING_SECONDS:
            self._warned_at = time.monotonic()
            log.warning("too many connections: those unfinished or idle for longest are closed",
                        extra={"most": self._most})
        if not self._evict():  # all are being answered: who is new waits in the backlog
            time.sleep(BREATH_SECONDS)

    def _evict(self, costs: Callable[[Connection], int] = lambda _: 1) -> bool:
        """Close one of the larger crowd, of those at rest or those unfinished: its oldest.

        So who attacks makes room for itself. Says whether there was one, that costs something.
        """
        with self._lock:
            crowds: tuple[list[Connection], list[Connection]] = ([], [])
            for connection in self._open.values():
                if not connection.busy and costs(connection):
                    crowds[connection.idle].append(connection)
            crowd = max(crowds, key=lambda connections: len(connections))
            if not crowd:
                return False
            oldest = min(crowd, key=lambda connection: connection.since)
            self._forget(oldest)
        oldest.close()
        return True

    def _close_due(self, now: float) -> None:
        with self._lock:
            due = [connection for connection in self._open.values()
                   if connection.due < now and not connection.busy]
            for connection in due:
                self._forget(connection)
        for connection in due:
            connection.close()

    def _forget(self, connection: Connection) -> None:
        """Strike it from the list, while its descriptor is still its own."""
        if connection.sock.fileno() >= 0 and not self._epoll.closed:
            self._epoll.unregister(connection.sock)  # a failed handshake has closed it already
        if self._open.get(connection.descriptor) is connection:
            del self._open[connection.descriptor]

    def _work(self) -> None:
        while not self._stopping:
            for descriptor, _ in self._epoll.poll(maxevents=1):
                connection = self._take(descriptor)
                if connection is not None:
                    self._go_on(connection)
        with self._lock:
            self._working -= 1
            if not self._working:
                self._epoll.close()
                os.close(self._bell)

    def _take(self, descriptor: int) -> Connection | None:
        """The connection, for this thread alone; None if it was closed by now."""
        with self._lock:
            connection = self._open.get(descriptor)
            if connection is None or connection.busy:
                return None
            connection.busy = True
            return connection

    def _go_on(self, connection: Connection) -> None:
        """Take it as far as it goes without waiting for its client."""
        if connection.unsent:
            self._send(connection)
            return
        try:
            connection.shake(self._service.context)
            events = connection.receive(self._service.body_bytes)
            if connection.body and not self._keep(_body, self._limits.body_bytes):
                raise RefusalError(HTTPStatus.SERVICE_UNAVAILABLE, "too much to read")
        except RefusalError as error:
            connection.answer(self._service.refuse(error), last=True)
            self._send(connection)
            return
        except OSError as error:
            events = _awaited_events(error, _READ)
        if connection.request is None:
            self._rest(connection, events)
            return
        lane = self._service.lane(connection.request)
        if lane is None:
            self._answer(connection, connection.request)
        elif lane.enter(connection):
            self._answer_all(lane, connection)

    def _answer_all(self, lane: Lane[Connection], first: Connection) -> None:
        """Answer the connection that is in the lane, and those that wait there one by one."""
        connection: Connection | None = first
        while connection is not None:
            if connection.request is not None:
                self._answer(connection, connection.request)
            connection = lane.leave()

    def _answer(self, connection: Connection, request: Request) -> None:
        if self._stopping:
            self._rest(connection, _OVER)
            return
        try:
            connection.answer(self._service.answer(request, connection), request.last)
        except Exception:  # a thread lost would never come back
            log.exception("request failed", extra={"path": request.target[:200]})
            failed = RefusalError(HTTPStatus.INTERNAL_SERVER_ERROR, "failed")
            connection.answer(self._service.refuse(failed), last=True)
        self._send(connection)

    def _send(self, connection: Connection) -> None:
        try:
            events = connection.send()
        except OSError as error:
            events = _awaited_events(error, _WRITE)
        self._rest(connection, events)
        if connection.unsent:
            self._keep(_unsent, self._limits.unsent_bytes)

    def _rest(self, connection: Connection, events: int) -> None:
        """Let it wait for this, or end."""
        with self._lock:
            if events != _OVER and not self._stopping:
                connection.busy = False
                self._epoll.modify(connection.sock, events | select.EPOLLONESHOT)
                return
            self._forget(connection)
        connection.close()

    def _keep(self, costs: Callable[[Connection], int], most: int) -> bool:
        """Whether all connections together cost no more, after the oldest may have been closed."""
        while self._sum(costs) > most:
            if not self._evict(costs):
                return False
        return True

    def _sum(self, costs: Callable[[Connection], int]) -> int:
        with self._lock:
            return sum(map(costs, self._open.values()))


def _unsent(connection: Connection) -> int:
    return len(connection.unsent)


def _body(connection: Connection) -> int:
    return len(connection.body)


def _awaited_events(error: OSError, if_blocking: int) -> int:
    """What a connection waits for after an operation that could not go on."""
    if isinstance(error, ssl.SSLWantReadError):
        return _READ
    if isinstance(error, ssl.SSLWantWriteError):
        return _WRITE
    return if_blocking if isinstance(error, BlockingIOError) else _OVER
