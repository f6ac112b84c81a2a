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
from http import HTTPStatus
from typing import Any, Protocol

from inferometer.outside import masked
from inferometer.request_ids import RequestId, on_behalf_of
from inferometer.serve.connection import (
    OVER,
    READ,
    WRITE,
    Connection,
    Limits,
    events_after,
    network_of,
)
from inferometer.serve.lanes import Lane
from inferometer.serve.request import RefusalError, Request
from inferometer.threads import Failures, Job, NoThreadError, Start, is_alive, start_thread

SWEEP_SECONDS = 1.0
ALL_BUSY_PAUSE_SECONDS = 0.1  # before the next look for room
FAILED_PAUSE_SECONDS = 0.1  # before a loop that failed goes on
WARNING_SECONDS = 600.0  # between two warnings
SHAKES = 2  # handshakes at once
RESERVE = 2  # threads that no lane may have
OTHER_DESCRIPTORS = 256  # that the process needs for all but connections

log = logging.getLogger(__name__)


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
        self._epoll.register(self._bell, READ)
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
            self._epoll.register(sock, READ | select.EPOLLONESHOT)

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
                    self._await_events(connection, OVER)

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
                self._await_events(connection, OVER)
                return False
            if connection.shaken:
                return True
        self._take_turn(self._shakes, connection, self._shake)
        return False

    def _shake(self, connection: Connection, _: dict[Hashable, Any]) -> None:
        try:
            connection.shake()
            events = WRITE  # what it says goes on out of the lane
        except OSError as error:
            events = events_after(error, READ)
        self._await_events(connection, events)

    def _on_terms(self, connection: Connection) -> bool:
        """Whether it was made under the terms of now; if not, it is closed."""
        if connection.terms == self._service.terms()[1]:
            return True
        self._await_events(connection, OVER)
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
            events = events_after(error, READ)
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
        self._await_events(connection, WRITE)  # it goes on out of the lane

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
            self._await_events(connection, OVER)

    def _turn_away(self, connection: Connection) -> None:
        """Refuse what a lane has no place for."""
        connection.lane = None
        if connection.request is None:
            self._await_events(connection, OVER)
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
            self._await_events(connection, OVER)
            return
        if not self._on_terms(connection):
            return
        with on_behalf_of(RequestId.of(request.headers)):
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
            events = events_after(error, WRITE)
        self._await_events(connection, events)
        if connection.unsent:
            self._make_room_within(_unsent, self._limits.unsent_bytes)

    def _await_events(self, connection: Connection, events: int) -> None:
        """Have epoll wait for these events of the connection; close it if there are none."""
        with self._lock:
            if events != OVER and not self._stopping:
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
