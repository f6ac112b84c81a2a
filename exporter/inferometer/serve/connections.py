"""Connections: many may be open, none can hold up another, and few threads serve them all.

A silent connection costs a descriptor and no thread: all threads wait in one epoll. A thread that
wakes takes one connection as far as it goes without waiting for its client. What takes long waits
its turn in a lane: handshakes, passwords seen for the first time, some routes. There are more
threads than seats in lanes, so that one is always left for what is quick. To send a request, to
wait for a turn, to take an answer and to be idle have a deadline each. Where there is no room for
a new connection, an old one is closed, be it in a lane. Threads that cannot be had are hired later;
while there is none at all, the one that accepts connections serves them, too.

A connection is served under the terms it was made under, or not at all: what asks for less than
is asked for by now ends.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import math
import os
import resource
import select
import socket
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Protocol

from inferometer.outside import masked
from inferometer.serve.lanes import Lane
from inferometer.serve.request import END, LONGEST_HEAD, RefusalError, Request, read_head, too_long
from inferometer.threads import Failures, Job, NoThreadError, Start, is_alive, start_thread

RECEIVED_AT_ONCE = 16384  # bytes
SWEEP_SECONDS = 1.0
ALL_BUSY_PAUSE_SECONDS = 0.1  # before the next look for room
FAILED_PAUSE_SECONDS = 0.1  # before a loop that failed goes on
WARNING_SECONDS = 600.0  # between two warnings
SHAKES = 2  # handshakes at once
RESERVE = 2  # threads that no lane may have
OTHER_DESCRIPTORS = 256  # that the process needs for all but connections
_READ, _WRITE, _OVER = select.EPOLLIN, select.EPOLLOUT, 0

log = logging.getLogger(__name__)


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


class Service(Protocol):
    """Answers the requests of all connections."""

    def terms(self) -> tuple[ssl.SSLContext | None, Hashable]:
        """The TLS context for a new connection, None without TLS, and the terms it comes with."""
        ...

    def guesses(self, request: Request, connection: Connection) -> Lane[Connection] | None:
        """Where the request waits until it is found out who asks; None if that takes no time."""
        ...

    def guess(self, request: Request) -> None:
        """Find out who asks."""
        ...

    def lane(self, request: Request) -> Lane[Connection] | None:
        """The lane in which the request waits its turn; None if it is answered at once."""
        ...

    def place(self, request: Request) -> tuple[Hashable, int]:
        """What requests in one lane have in common that are answered in one turn, else None.

        And the request's rank: those of a lower one go first.
        """
        ...

    def body_bytes(self, request: Request) -> int:
        """The largest body of this request that is kept, in bytes; 0 if none is."""
        ...

    def answer(self, request: Request, connection: Connection,
               shared: dict[Hashable, Any]) -> bytes:
        """The whole answer; `shared` is kept for all that are answered in one turn."""
        ...

    def refuse(self, error: RefusalError, request: Request | None = None) -> bytes:
        """The whole answer to a request that is refused or failed; to its last one without it."""
        ...


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
        self.unsent, self._last = memoryview(answer), self._last or last
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


class Connections:
    """All connections of one listening socket."""

    def __init__(self, listener: socket.socket, service: Service, limits: Limits,
                 start: Start = start_thread) -> None:
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = min(limits.connections, max(descriptors // 2,
                                                 descriptors - OTHER_DESCRIPTORS))
        self._listener = listener
        self._service = service
        self._limits = limits
        self._epoll = select.epoll()
        self._bell = os.eventfd(0)  # rings when all is to end
        self._alarm = os.eventfd(0, os.EFD_NONBLOCK)  # for the thread that accepts connections
        self._epoll.register(self._bell, _READ)
        self._open: dict[int, Connection] = {}  # by descriptor
        self._shakes: Lane[Connection] = Lane(SHAKES, limits.connections, newest_first=True)
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

    def renew(self) -> None:
        """Close those that were made under other terms, but for who is being answered.

        What is being answered ends after that.
        """
        _, terms = self._service.terms()
        with self._lock:
            others = [connection for connection in self._open.values()
                      if connection.terms != terms and (connection.shaken or connection.terms)]
            for connection in others:
                connection.end()
            at_rest = [connection for connection in others
                       if not (connection.busy or connection.unsent)]
            for connection in at_rest:
                self._forget(connection)
        for connection in at_rest:
            connection.close()

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
                sock, address = self._listener.accept()
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
            self._open[sock.fileno()] = Connection(sock, self._limits, network_of(address[0]))
            self._epoll.register(sock, _READ | select.EPOLLONESHOT)

    def _make_room(self) -> None:
        if time.monotonic() - self._warned_at > WARNING_SECONDS:
            self._warned_at = time.monotonic()
            log.warning("too many connections: those unfinished or idle for longest are closed",
                        extra={"most": self._most})
        if not self._evict():  # all are being answered: who is new waits in the backlog
            time.sleep(ALL_BUSY_PAUSE_SECONDS)

    def _evict(self, costs: Callable[[Connection], int] | None = None) -> bool:
        """Close the oldest connection of the largest group: idle, unfinished, or those in a lane.

        False if there is none. With `costs` only connections that cost something are taken, and
        none in a lane. So an attacker's own connections make room for its next.
        """
        with self._lock:
            oldest = self._oldest(costs)
            if oldest is None:
                return False
            self._forget(oldest)
        oldest.close(self._too_many() if oldest.request else b"")
        return True

    def _oldest(self, costs: Callable[[Connection], int] | None) -> Connection | None:
        groups: dict[object, list[Connection]] = defaultdict(list)
        for connection in self._open.values():
            lane = None if costs else connection.lane
            if (lane or not connection.busy) and (costs is None or costs(connection)):
                groups[lane or connection.idle].append(connection)
        while groups:
            largest = max(groups, key=lambda group: len(groups[group]))
            for connection in sorted(groups.pop(largest), key=lambda connection: connection.since):
                if _is_at_rest(connection):
                    return connection
        return None

    def _close_due(self, now: float) -> None:
        with self._lock:
            due = [connection for connection in self._open.values()
                   if connection.due < now and _is_at_rest(connection)]
            for connection in due:
                self._forget(connection)
        for connection in due:
            connection.close(self._too_many() if connection.request else b"")

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
        elif self._is_shaken(connection) and self._on_terms(connection):
            if connection.request is None:
                self._receive(connection)
            if connection.request is not None:
                self._dispatch(connection, connection.request)

    def _is_shaken(self, connection: Connection) -> bool:
        """Whether it may speak; if not, its handshake goes on."""
        if connection.shaken:
            return True
        if not isinstance(connection.sock, ssl.SSLSocket):
            try:
                connection.begin(*self._service.terms())
            except OSError:
                self._await_events(connection, _OVER)
                return False
            if connection.shaken:
                return True
        self._take_turn(self._shakes, connection, self._shake)
        return False

    def _shake(self, connection: Connection, _: dict[Hashable, Any]) -> None:
        try:
            connection.shake()
            events = _WRITE  # what it says goes on out of the lane
        except OSError as error:
            events = _events_after(error, _READ)
        self._await_events(connection, events)

    def _on_terms(self, connection: Connection) -> bool:
        """Whether it was made under the terms of now; if not, it is closed."""
        if connection.terms == self._service.terms()[1]:
            return True
        self._await_events(connection, _OVER)
        return False

    def _receive(self, connection: Connection) -> None:
        try:
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

    def _dispatch(self, connection: Connection, request: Request) -> None:
        """Answer the request, after its turn where it has to wait for one."""
        guesses = self._service.guesses(request, connection)
        lane = self._service.lane(request) if guesses is None else None
        if guesses is not None:
            self._take_turn(guesses, connection, self._guess)
        elif lane is not None:
            self._take_turn(lane, connection, self._answer)
        else:
            self._answer(connection, {})

    def _guess(self, connection: Connection, _: dict[Hashable, Any]) -> None:
        if connection.request is not None:
            self._service.guess(connection.request)
        self._await_events(connection, _WRITE)  # it goes on out of the lane

    def _take_turn(self, lane: Lane[Connection], connection: Connection, work: Work) -> None:
        """Do the work if the lane has room, and that of those that wait there one by one."""
        if not lane.enter():
            request = connection.request
            connection.wait(lane)
            together, rank = self._service.place(request) if request else (None, 0)
            if not lane.wait(connection, together, connection.peer, connection.refusals + rank):
                surplus = lane.surplus()
                if surplus is not None:
                    self._turn_away(surplus)
                return
        turn = [connection]
        while turn:
            shared: dict[Hashable, Any] = {}
            for one in turn:
                one.lane = None
                self._do(work, one, shared)
            turn = lane.leave()

    def _do(self, work: Work, connection: Connection, shared: dict[Hashable, Any]) -> None:
        try:
            work(connection, shared)
        except Exception:  # a turn that did not end would never be another's
            log.exception("connection failed")
            self._await_events(connection, _OVER)

    def _turn_away(self, connection: Connection) -> None:
        """Refuse what a lane has no place for."""
        connection.lane = None
        if connection.request is None:
            self._await_events(connection, _OVER)
            return
        connection.refusals += 1
        last = connection.request.last
        connection.answer(self._too_many(connection.request), last)
        self._send(connection)

    def _too_many(self, request: Request | None = None) -> bytes:
        return self._service.refuse(
            RefusalError(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests wait"), request)

    def _answer(self, connection: Connection, shared: dict[Hashable, Any]) -> None:
        request = connection.request
        if self._stopping or request is None:
            self._await_events(connection, _OVER)
            return
        if not self._on_terms(connection):
            return
        try:
            connection.answer(self._service.answer(request, connection, shared), request.last)
        except Exception:  # a thread that ended would not be replaced
            log.exception("request failed", extra={"path": masked(request.target)[:200]})
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


Work = Callable[[Connection, dict[Hashable, Any]], None]


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


def _is_at_rest(connection: Connection) -> bool:
    """Whether no thread handles it, nor will; one in a lane leaves it."""
    if not connection.busy:
        return True
    lane = connection.lane
    return lane is not None and lane.drop(connection)


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
