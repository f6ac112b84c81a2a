"""Traces that are not quiet yet: their facts, and the parents of all their spans."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from struct import Struct
from typing import NamedTuple

from inferometer.facts import Fact

ID = 8  # bytes of a span id
LINK = 2 * ID  # a span id and its parent's
ROOT = bytes(ID)  # parent of a span that has none
_PAIR = Struct(f"{ID}s{ID}s")


class Kept(NamedTuple):
    """A fact that has a row."""

    fact: Fact
    seq: int
    arrived: int  # Unix nanoseconds


class Trace:
    """One open trace."""

    __slots__ = ("begun", "digest", "facts", "links", "links_from", "touched")

    def __init__(self, now: float, links_from: int) -> None:
        self.links_from = links_from  # the number of the first of its links in the file
        self.begun = self.touched = now
        self.digest: int | None = None  # its least one, where it was asked for already
        self.facts: dict[bytes, Kept] = {}
        self.links: list[bytes] = []


def parents_in(links: bytes) -> dict[bytes, bytes]:
    """Parents by span of packed links; that of a root is ROOT, which is no span."""
    return dict(_PAIR.iter_unpack(links))


def packed_links(links: Mapping[bytes, bytes]) -> bytes:
    """Links of several traces: for each its id, its number of links, and these."""
    return b"".join([part for trace_id, packed in links.items()
                     for part in (trace_id, (len(packed) // LINK).to_bytes(4, "big"), packed)])


def links_by_trace(packed: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The same, trace by trace."""
    i = 0
    while i < len(packed):
        end = i + 20 + LINK * int.from_bytes(packed[i + 16:i + 20], "big")
        yield packed[i:i + 16], packed[i + 20:end]
        i = end


class OpenTraces:
    """All open traces. One is due when it was quiet for so long, or is open for too long."""

    def __init__(self, quiet_seconds: float, most_seconds: float) -> None:
        self._quiet_seconds, self._most_seconds = quiet_seconds, most_seconds
        self._by_quiet: OrderedDict[bytes, Trace] = OrderedDict()
        self._by_begin: OrderedDict[bytes, Trace] = OrderedDict()
        self.facts = 0  # also of those that are taken out, until they are settled

    def __len__(self) -> int:
        return len(self._by_quiet)

    def touch(self, trace_id: bytes, now: float, links: int) -> Trace:
        """The trace, which is not quiet at this time. `links`: the number of these links."""
        trace = self._by_quiet.get(trace_id)
        if trace is None:
            trace = self._by_quiet[trace_id] = self._by_begin[trace_id] = Trace(
                now, links)
            return trace
        trace.touched = now
        self._by_quiet.move_to_end(trace_id)
        return trace

    def due(self, now: float) -> tuple[bytes, Trace] | None:
        """The next one that is due, taken out: `settled` or `put_back` is to follow."""
        for traces, moment in ((self._by_quiet, self._quiet_at), (self._by_begin, self._late_at)):
            if not traces:
                break
            trace_id, trace = next(iter(traces.items()))
            if moment(trace) <= now:
                del self._by_quiet[trace_id], self._by_begin[trace_id]
                return trace_id, trace
        return None

    def due_at(self) -> float:
        """When the next one is due; never where none is open."""
        if not self._by_quiet:
            return math.inf
        return min(self._quiet_at(next(iter(self._by_quiet.values()))),
                   self._late_at(next(iter(self._by_begin.values()))))

    def _quiet_at(self, trace: Trace) -> float:
        return trace.touched + self._quiet_seconds

    def _late_at(self, trace: Trace) -> float:
        return trace.begun + self._most_seconds

    def settled(self, traces: Iterable[tuple[bytes, Trace]]) -> None:
        """Forget those that were taken out."""
        self.facts -= sum(len(trace.facts) for _, trace in traces)

    def put_back(self, traces: Sequence[tuple[bytes, Trace]]) -> None:
        """Have those again that were taken out, to be due as before."""
        for trace_id, trace in reversed(traces):
            for opened in (self._by_quiet, self._by_begin):
                opened[trace_id] = trace
                opened.move_to_end(trace_id, last=False)

    def links_from(self, next_links: int) -> int:
        """The number from which on links in the file are of open traces."""
        oldest = next(iter(self._by_begin.values()), None)
        return next_links if oldest is None else oldest.links_from

    def least_seq(self) -> int | None:
        """The least number of a pending fact."""
        return min((kept.seq for trace in self._by_quiet.values() for kept in trace.facts.values()),
                   default=None)
