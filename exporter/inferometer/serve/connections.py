"""Connections: many may be open, none can hold up another, and few threads serve them all.

A silent connection costs a descriptor and no thread: all threads wait in one epoll. A thread that
wakes takes one connection as far as it goes without waiting for its client. Requests that take
long wait their turn in a lane, so that a thread is always left for the others. To send a request,
to take an answer and to be idle have a deadline each. Where there is no room for a new connection,
an old one is closed. Threads that cannot be had are hired later; while there is none at all, the
one that accepts connections serves them, too.
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
from inferometer.threads import Failures, Job, NoThreadError, Start, is_alive, start_thread

RECEIVED_AT_ONCE = 16384  # bytes
SWEEP_SECONDS = 1.0
ALL_BUSY_PAUSE_SECONDS = 0.1  # before the next look for room
FAILED_PAUSE_SECONDS = 0.1  # before a loop that failed goes on
WARNING_SECONDS = 600.0  # between two warnings
_READ, _WRITE, _OVER = select.EPOLLIN, select.EPOLLOUT, 0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What connections may cost."""

    connections: int = 512  # and no more than half of the descriptors the process may have
    threads: int = 12
    head_seconds: float = 10.0  # for a handshake, a head and its body, in all
    answer_seconds: float = 30.0  # for the client to take an answer
    idle_seconds: float = 120.0  # between two requests
    unsent_bytes: int = 32 * 2**20  # of answers, over all connections
    body_bytes: int = 16 * 2**20  # of requests, over all connections


class Service(Protocol):
    """Answers the requests of all connections."""

    def context(self) -> ssl.SSLContext | None:
        """The TLS context for a new connection; None for one without TLS."""
        ...

    def lane(self, request: Request) -> Lane[Connection] | None:
        """The lane in which the request waits its turn; None if it is answered at once."""
        ...

    def body_bytes(self, request: Request) -> int:
        """The largest body of this request that is kept, in bytes; 0 if none is."""
        ...

    def answer(self, request: Request, connection: Connection) -> bytes:
        """The whole answer."""
        ...

    def refuse(self, error: RefusalError) -> bytes:
        """The whole answer to a request that is refused or failed."""
        ...


class Connection:
    """One client's connection: reads requests, sends answers. Never waits for the client."""

    def __init__(self, sock: socket.socket, limits: Limits) -> None:
        self.sock: socket.socket | ssl.SSLSocket = sock
        self.descriptor = sock.fileno()
        self.certificate: Any = None  # the client's, as getpeercert() has it
        self.request: Request | None = None  # one read in full, to be answered
        self.body = bytearray()  # of the request, where it is kept
        self.read_at = 0.0  # when the request was complete, on the monotonic clock
        self.unsent = memoryview(b"")  # of the answer
        self.busy = False  # a thread handles it, or it waits in a lane
        self.idle = False  # between two requests
        self._limits = limits
        self._begin(limits.head_seconds)
        self._shaken = False
        self._received = b""
        self._head: Request | None = None  # a head whose body is still to come
        self._passed = 0  # bytes of that body
        self._last = False

    def shake(self, context: Callable[[], ssl.SSLContext | None]) -> None:
        """Do the TLS handshake, if there is TLS.

        Raises SSLWantReadError or SSLWantWriteError while the handshake needs more, OSError if it
        failed.
        """
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
        """Read what has come; set `request` once one is complete. Returns the events to await.

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
        """Set the answer to send. The connection ends after it if it is the `last`."""
        self.request, self.body = None, bytearray()
        self.unsent, self._last = memoryview(answer), last
        self._begin(self._limits.answer_seconds)

    def send(self) -> int:
        """Send all that is unsent. Returns the events to await then. Raises OSError."""
        while self.unsent:
            self.unsent = self.unsent[self.sock.send(self.unsent) :]
        if self._last:
            return _OVER
        self.idle = not self._received
        self._begin(self._limits.idle_seconds if self.idle else self._limits.head_seconds)
        # Bytes received already make no event. Being able to write does: after the others' turns.
        return _READ if self.idle else _WRITE

    def close(self) -> None:
        """Close. Unread bytes are taken first: else the client may lose the answer to a reset."""
        with contextlib.suppress(OSError):
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


class Connections:
    """All connections of one listening socket."""

    def __init__(self, listener: socket.socket, service: Service, limits: Limits,
                 start: Start = start_thread) -> None:
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = min(limits.connections, descriptors // 2)
        self._listener = listener
        self._service = service
        self._limits = limits
        self._epoll = select.epoll()
        self._bell = os.eventfd(0)  # rings when all is to end
        self._alarm = os.eventfd(0, os.EFD_NONBLOCK)  # for the thread that accepts connections
        self._epoll.register(self._bell, _READ)
        self._open: dict[int, Connection] = {}  # by descriptor
        self._lock = threading.Lock()  # over `_open`, each `busy`, and the events in epoll
        self._start = start
        self._failures = Failures("serve")  # of connections and of who tends
        self._workers: list[threading.Thread] = []
        self._working = 0  # threads that use the descriptors
        self._swept_at = -math.inf
        self._stopping = False
        self._warned_at = float("-inf")

    def serve(self, tend: Job = lambda: None) -> None:
        """Accept and serve until stopped. `tend` is called every second, and after `wake`."""
        events = select.poll()
        for source in (self._listener, self._bell, self._alarm, self._epoll):
            events.register(source, select.POLLIN)
        self._repeat(lambda: self._round(events, tend))

    def wake(self) -> None:
        """Have `serve` tend at once. May be called by a signal's handler."""
        if not self._stopping:
            os.eventfd_write(self._alarm, 1)

    @property
    def alone(self) -> bool:
        """Whether no thread serves but the one that accepts connections."""
        return not any(map(is_alive, self._workers))

    def stop(self) -> None:
        """Make `serve` return, and let each thread end after its present work.

        May be called by a signal's handler, and again.
        """
        if not self._stopping:
            os.eventfd_write(self._bell, 1)  # first: the last thread to end closes the bell
            self._stopping = True

    def close(self) -> None:
        """Close the listening socket, and every connection that no thread handles."""
        self._listener.close()
        self._close_due(math.inf)

    def _repeat(self, turn: Job) -> None:
        """Take turns until stopped, whatever they raise."""
        failures = Failures("serve")
        with self._lock:
            self._working += 1
        try:
            while not self._stopping:
                if not failures.contain(turn):
                    time.sleep(FAILED_PAUSE_SECONDS)
        finally:
            self._leave()

    def _leave(self) -> None:
        """Use the descriptors no more; the last one closes them."""
        with self._lock:
            self._working -= 1
            if self._stopping and not self._working and not self._epoll.closed:
                self._epoll.close()
                os.close(self._bell)
                os.close(self._alarm)

    def _round(self, events: select.poll, tend: Job) -> None:
        """Accept a connection, serve one if nobody else does, and sweep if it is time."""
        due = self._swept_at + SWEEP_SECONDS
        if time.monotonic() >= due:
            self._swept_at = time.monotonic()
            self._close_due(self._swept_at)
            self._hire()
            events.modify(self._epoll, select.POLLIN if self.alone else 0)
            self._failures.contain(tend)
        ready = [descriptor for descriptor, _ in events.poll(SWEEP_SECONDS * 1000)]
        if self._alarm in ready:
            os.eventfd_read(self._alarm)
            self._swept_at = -math.inf
        if self._listener.fileno() in ready:
            self._accept()
        if self._epoll.fileno() in ready:
            self._take_up(0)

    def _hire(self) -> None:
        """Have as many threads as may be, or as can be had."""
        self._workers = [*filter(is_alive, self._workers)]
        with contextlib.suppress(NoThreadError):
            while len(self._workers) < self._limits.threads:
                self._workers.append(self._start(lambda: self._repeat(self._take_up),
                                                 f"serve-{len(self._workers)}"))

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
            time.sleep(ALL_BUSY_PAUSE_SECONDS)

    def _evict(self, costs: Callable[[Connection], int] = lambda _: 1) -> bool:
        """Close the oldest connection of the larger group, idle or unfinished.

        False if there is none. Only connections that cost something are taken. So an attacker's
        own connections make room for its next.
        """
        with self._lock:
            groups: tuple[list[Connection], list[Connection]] = ([], [])
            for connection in self._open.values():
                if not connection.busy and costs(connection):
                    groups[connection.idle].append(connection)
            group = max(groups, key=lambda connections: len(connections))
            if not group:
                return False
            oldest = min(group, key=lambda connection: connection.since)
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
        """Take it off the list and the epoll. Before it is closed: its number may be used again."""
        if connection.sock.fileno() >= 0 and not self._epoll.closed:
            self._epoll.unregister(connection.sock)  # a failed handshake has closed it already
        if self._open.get(connection.descriptor) is connection:
            del self._open[connection.descriptor]

    def _take_up(self, seconds: float | None = None) -> None:
        """Wait so long for a connection to be served, for ever by default, and serve it."""
        for descriptor, _ in self._epoll.poll(seconds, maxevents=1):
            connection = self._take(descriptor)
            if connection is not None:
                try:
                    self._go_on(connection)
                except Exception as error:  # it must cost neither a thread nor the others
                    self._failures.note(error)
                    self._await_events(connection, _OVER)

    def _take(self, descriptor: int) -> Connection | None:
        """Mark the connection as busy. None if it was closed, or another thread has it."""
        with self._lock:
            connection = self._open.get(descriptor)
            if connection is None or connection.busy:
                return None
            connection.busy = True
            return connection

    def _go_on(self, connection: Connection) -> None:
        """Take the connection as far as it goes without waiting for its client."""
        if connection.unsent:
            self._send(connection)
            return
        try:
            connection.shake(self._service.context)
            events = connection.receive(self._service.body_bytes)
            if connection.body and not self._make_room_within(_body, self._limits.body_bytes):
                raise RefusalError(HTTPStatus.SERVICE_UNAVAILABLE, "too much to read")
        except RefusalError as error:
            connection.answer(self._service.refuse(error), last=True)
            self._send(connection)
            return
        except OSError as error:
            events = _events_after(error, _READ)
        if connection.request is None:
            self._await_events(connection, events)
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
            self._await_events(connection, _OVER)
            return
        try:
            connection.answer(self._service.answer(request, connection), request.last)
        except Exception:  # a thread that ended would not be replaced
            log.exception("request failed", extra={"path": request.target[:200]})
            failed = RefusalError(HTTPStatus.INTERNAL_SERVER_ERROR, "failed")
            connection.answer(self._service.refuse(failed), last=True)
        self._send(connection)

    def _send(self, connection: Connection) -> None:
        try:
            events = connection.send()
        except OSError as error:
            events = _events_after(error, _WRITE)
        self._await_events(connection, events)
        if connection.unsent:
            self._make_room_within(_unsent, self._limits.unsent_bytes)

    def _await_events(self, connection: Connection, events: int) -> None:
        """Have epoll wait for these events of the connection; close it if there are none."""
        with self._lock:
            if events != _OVER and not self._stopping:
                connection.busy = False
                self._epoll.modify(connection.sock, events | select.EPOLLONESHOT)
                return
            self._forget(connection)
        connection.close()

    def _make_room_within(self, costs: Callable[[Connection], int], most: int) -> bool:
        """Close the oldest connections until all together cost `most` at the most.

        False if they cost more and none of them can be closed.
        """
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


def _events_after(error: OSError, if_blocking: int) -> int:
    """The events a connection waits for after an operation that raised this error."""
    if isinstance(error, ssl.SSLWantReadError):
        return _READ
    if isinstance(error, ssl.SSLWantWriteError):
        return _WRITE
    return if_blocking if isinstance(error, BlockingIOError) else _OVER
