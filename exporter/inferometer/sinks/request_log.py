"""Writes a line for each settled call, in a thread of its own.

It reads the ledger by a connection of its own, so that neither senders nor settling wait for it. A
turn goes from one durable step to the next: lines are on the disk before the place in the ledger
moves. Who is killed in between finds at the next start what it had written, and leaves that out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

from inferometer.sinks.request_line import SettledCall, event_id_of, line_of
from inferometer.sinks.request_log_file import LineOutput
from inferometer.threads import Loop, Start, start_thread

TURN_SECONDS = 1.0
RETRY_SECONDS = 5.0  # after a turn that failed
REMEMBERED = 2000  # last lines that are looked at after a start: as many as a batch has


class CallBatch(NamedTuple):
    """Calls whose lines are written together."""

    number: int  # by which the ledger knows how far the log has come
    calls: Sequence[SettledCall]


class CallSource(Protocol):
    """What a ledger has for the log. All but `close` may raise what its database does."""

    def is_current(self) -> bool:
        """Whether it is still the ledger that the gateway writes."""
        ...

    def next_batch(self) -> CallBatch | None:
        """The next calls, in the order of settling; the same until they are noted as written."""
        ...

    def note_written(self, batch: CallBatch) -> None:
        """Their lines are durable."""
        ...

    def waiting(self) -> int:
        """Calls whose lines are not written."""
        ...

    def close(self) -> None:
        """Ask no more."""
        ...


class RequestLogCondition(NamedTuple):
    """How the request log does."""

    lines: int = 0  # written since the start
    waiting: int | None = None  # calls; None where nobody has looked yet
    failures: int = 0  # turns


class RequestLog:
    """The log of one gateway. `source` opens its ledger, anew after a failure."""

    def __init__(self, source: Callable[[], CallSource], output: LineOutput,
                 start: Start = start_thread) -> None:
        self._open_source, self._output = source, output
        self._source: CallSource | None = None
        self._written: Collection[str] | None = None  # ids; None: not looked at yet
        self._lines = self._failures = 0
        self._waiting: int | None = None
        self._failed = self._stopped = False
        self.loop = Loop("request_log", self.turn,
                         lambda: RETRY_SECONDS if self._failed else TURN_SECONDS, start)

    def condition(self) -> RequestLogCondition:
        """As it was at the end of the last turn."""
        return RequestLogCondition(self._lines, self._waiting, self._failures)

    def configure(self, max_bytes: int, files: int) -> None:
        """Have files of so many bytes, and so many of them, from the next line on."""
        self._output.configure(max_bytes, files)

    def stop(self) -> None:
        """Begin nothing more. What is not written by now is written after the next start."""
        self._stopped = True
        self.loop.stop()

    def turn(self) -> None:
        """Write all there is to write. Raises what keeps it from that; the next turn goes on."""
        self._failed = True
        try:
            source = self._current_source()
            try:
                self._write(source)
            finally:
                self._waiting = source.waiting()
        except BaseException:
            self._failures += 1
            self._written = None  # how much is there is seen anew
            self._close_source()
            raise
        self._failed = False

    def _write(self, source: CallSource) -> None:
        while not self._stopped and (batch := source.next_batch()) is not None:
            if self._written is None:
                self._written = {*self._output.last_ids(REMEMBERED)}
            lines = [line_of(one) for one in batch.calls
                     if not self._written or event_id_of(one) not in self._written]
            self._output.write(lines)
            source.note_written(batch)
            self._lines += len(lines)
            self._written = ()

    def _current_source(self) -> CallSource:
        if self._source is not None and not self._source.is_current():
            self._close_source()
        if self._source is None:
            self._source = self._open_source()
        return self._source

    def _close_source(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.close()
