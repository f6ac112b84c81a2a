"""Bodies to be forwarded, and the outbox with a forwarder whose clock a test moves."""

from __future__ import annotations

import contextlib
import http.client
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from inferometer.config import DestinationEntry
from inferometer.facts import Fact
from inferometer.ledger.ledger import LedgerWriter
from inferometer.ledger.opening import open_to_write
from inferometer.ledger.outbox import DestinationOutbox
from inferometer.ledger.outbox_keeper import OutboxKeeper
from inferometer.ledger.outbox_opening import open_outbox
from inferometer.sinks.destinations import destination_of
from inferometer.sinks.forward_http import Poster
from inferometer.sinks.forwarder import Forwarder
from inferometer.sinks.outbox import SentBody
from inferometer.votes import Casting
from tests.exporter.ledger.making import Stores, call, links, section

PROTOBUF = "application/x-protobuf"
HOUR = 3600.0


def span_body(name: str = "GET /") -> bytes:
    """A body of one span, which is no call to a model."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = os.urandom(16), os.urandom(8), name
    span.start_time_unix_nano = span.end_time_unix_nano = 1_700_000_000 * 10**9
    return bytes(request.SerializeToString())


def post(url: str, body: bytes, signal: str = "traces", **headers: str) -> int:
    """Send a body to a gateway; the status it answers."""
    host = url.partition("://")[2]
    connection = http.client.HTTPConnection(host, timeout=20)
    with contextlib.closing(connection):
        connection.request("POST", f"/v1/{signal}", body, {"Content-Type": PROTOBUF, **headers})
        with connection.getresponse() as response:
            response.read()
            return response.status


class Sending:
    """A ledger with an outbox whose threads are not started: a test takes their turns."""

    def __init__(self, folder: Path, destinations: dict[str, DestinationEntry], *,
                 max_bytes: int = 2**30, hours: float = 24.0, gateway: str = "gateway") -> None:
        self.folder, self.passed, self.gateway = folder, 0.0, gateway
        self._destinations, self._bounds = destinations, (max_bytes, hours)
        self.jitter = 0.0
        self._open()

    def _open(self) -> None:
        place = section(self.folder, self.gateway)
        self.database = open_to_write(place)
        made = {name: destination_of(entry) for name, entry in self._destinations.items()}
        self.keeper = OutboxKeeper(
            self.database, {name: one.signals for name, one in made.items()}, *self._bounds,
            lambda: self.now)
        self.ledger = LedgerWriter(
            self.database, clock=lambda: self.now, monotonic=lambda: self.passed, linger=0.0,
            outbox=self.keeper, takes_votes=True)
        self.forwarders = {name: Forwarder(
            one, lambda name=name, one=one: open_outbox(  # type: ignore[misc]  # bound now
                place, name, one.signals),
            Poster(one, lambda *_: False), "our-mark", lambda: self.passed, lambda: self.jitter)
            for name, one in made.items()}

    @property
    def now(self) -> int:
        """Unix nanoseconds."""
        return 1_700_000_000 * 10**9 + int(self.passed * 1e9)

    def take(self, content: bytes, signal: str = "traces", *, coding: str = "",
             encoding: str = PROTOBUF, hops: str = "") -> None:
        """Have a body kept with the facts of a call."""
        facts = [call(os.urandom(16))]
        done = self.ledger.commit(facts, links(facts), self.now, SentBody(
            signal, encoding, coding, content, hops))
        self.ledger._turn()
        done.result(0)

    def commit(self, *facts: Fact, votes: Sequence[Casting] = ()) -> None:
        """Have facts or votes written, and what is quiet settled."""
        done = self.ledger.commit(facts, links(facts), self.now, votes=votes)
        self.ledger._turn()
        done.result(0)

    def turn(self, name: str = "") -> None:
        """Let one forwarder take its turn, or all; what it raises is what its loop contains."""
        for forwarder in [self.forwarders[name]] if name else self.forwarders.values():
            with contextlib.suppress(Exception):  # a loop logs it, and goes on
                forwarder.turn()
            if isinstance(outbox := forwarder._outbox, DestinationOutbox):
                outbox.tidy()  # what it does within a second

    def wait(self, seconds: float) -> None:
        """Let time pass, and look at the bounds."""
        self.passed += seconds
        while self.keeper.look(self.ledger.pressure.tight):
            pass

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """What the ledger answers."""
        return self.database.connection.execute(query).fetchall()

    def restart(self, destinations: dict[str, DestinationEntry] | None = None) -> None:
        """As after a crash, with these destinations from now on."""
        self.close()
        if destinations is not None:
            self._destinations = destinations
        self._open()

    def close(self) -> None:
        """Let go of the ledger."""
        for forwarder in self.forwarders.values():
            forwarder.stop()
            forwarder._close()
        self.database.close()


@contextlib.contextmanager
def sending_in(folder: Path, **destinations: DestinationEntry) -> Iterator[Sending]:
    """One in a new ledger, closed at the end."""
    Stores.make(folder)
    sending = Sending(folder, destinations)
    try:
        yield sending
    finally:
        sending.close()
