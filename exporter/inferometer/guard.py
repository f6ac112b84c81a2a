"""The label guard keeps each family within the catalogue's caps, whatever values come from outside.

A family has `seats` for tuples of open label values. A tuple without a seat is folded: all its
foreign values become `_other`, and its growth is added there, so that totals stay exact. A gauge
cannot be added and is left out. Both are counted. A seat is free again after an hour without use.
One seat is reserved for the first tuple of each target.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from inferometer.catalogue import FOLDING, LABELS_FOLDED, OTHER, Metric
from inferometer.counters import Sums
from inferometer.families import Family
from inferometer.rendered.block import Ticket
from inferometer.rendered.columns import lasting
from inferometer.values import Key, Value

LONGEST_VALUE = 200  # characters; a longer label value is folded like one over the cap
SEAT_KEPT_SECONDS = 3600.0


class Guard:
    """Enforces the catalogue's caps on every family, over the life of the exporter."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seats: dict[Metric, _Seats] = {}
        self._folded: dict[Key, float] = {pair: 0.0 for pair in FOLDING}
        self._shown: Family | None = None  # of these counts
        self._lock = threading.Lock()

    def now(self) -> float:
        """The time on the clock that orders readings."""
        return self._clock()

    def admit(self, families: Iterable[Family], began: float | None = None) -> list[Family]:
        """The families within their caps. `began`: when their reading began, by default now."""
        with self._lock:
            began = self._clock() if began is None else began
            return [self._admit(family, began) for family in families]

    def folded(self) -> Family:
        """How often each label of each family was folded or left out."""
        with self._lock:
            self._shown = self._shown or lasting(LABELS_FOLDED, self._folded)
            return self._shown

    def live(self) -> list[Metric]:
        """The families that had labels to look at, so far."""
        with self._lock:
            return [*self._seats]

    def _admit(self, family: Family, now: float) -> Family:
        metric = family.metric
        if not metric.labels:
            return family
        seats = self._seats.get(metric)
        if seats is None:
            seats = self._seats[metric] = _Seats(metric)
            for folding in metric.labels:
                if folding.folds and (metric.name, folding.name) not in self._folded:
                    self._folded[metric.name, folding.name] = 0.0
                    self._shown = None
        seats.expire(now)
        if metric.replaced:
            seats.keep(key for key, _ in family.items())
        if not family.blocks and seats.hold_again(family.points, now):
            return family
        blocks = [block for block in family.blocks
                  if seats.hold(block.ticket, block.points, now)]
        loose = family.points if len(blocks) == len(family.blocks) else dict(
            Family(metric, family.points, [b for b in family.blocks if b not in blocks]).items())
        points: dict[Key, Value] = {}
        folded: dict[Key, dict[Key, Value]] = {}
        for key, value in loose.items():
            if seats.has(key, now):
                points[key] = value
                continue
            into, labels = seats.fold(key)
            for label in labels:
                pair = (metric.name, label)
                self._folded[pair] = self._folded.get(pair, 0.0) + 1.0
                self._shown = None
            if into is not None:
                folded.setdefault(into, {})[key] = value
        for into, sources in folded.items():
            points[into] = seats.sum(into, sources, now)
        return Family(metric, points, blocks)


class _Seats:
    """The seats of one family, and the sums of what was folded."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._closed = [(i, frozenset((*label.values, "")))
                        for i, label in enumerate(metric.labels) if label.values]
        self._open = [i for i, label in enumerate(metric.labels) if not label.values]
        self._foreign = [i for i in self._open if metric.labels[i].folds] or self._open
        self._ours = [i for i in self._open if i not in self._foreign]
        self._pairs = frozenset(metric.pairs)
        # By position in a seat: how many foreign values there may be, and those that there are.
        self._room = {n: metric.labels[i].budget for n, i in enumerate(self._open)
                      if metric.labels[i].folds}
        self._values: dict[int, set[str]] = {n: set() for n in self._room}
        self._seated: dict[Key, float] = {}
        self._groups: dict[Key, int] = {}  # number of seats by the values of our own labels
        self._seat_of: dict[Key, Key] = {}  # each key's seat, so that most look-ups are one
        self._tickets: dict[Ticket, set[Key]] = {}  # seats of the blocks that have all theirs
        self._last_keys: tuple[Key, ...] = ()  # of the last page without blocks
        self._last_ticket = Ticket()
        self._sums: Sums[Key] = Sums()
        self._expired_at = 0.0

    def has(self, key: Key, now: float) -> bool:
        """Whether the key has a seat; takes a free one if there is one."""
        seat = self._seat_of.get(key)
        if seat is None:
            seat = tuple([key[i] for i in self._open])
            if not (self._fits(key) and (seat in self._seated or self._take(seat))):
                return False
            self._seat_of[key] = seat
        self._seated[seat] = now
        return True

    def hold(self, ticket: Ticket, keys: Iterable[Key], now: float) -> bool:
        """Whether all these keys have seats. Looks at the keys only if the ticket is new here."""
        ticket.shown_at = now
        if ticket.seats is not self._seated:
            if not all(self.has(key, now) for key in keys):
                return False
            ticket.seats = self._seated
            self._tickets[ticket] = {tuple([key[i] for i in self._open]) for key in keys}
        return True

    def hold_again(self, points: Mapping[Key, Value], now: float) -> bool:
        """The same for points without a ticket: they share one while their keys stay the same."""
        keys = tuple(points)
        if keys != self._last_keys:
            self._settle(self._last_ticket)
            self._tickets.pop(self._last_ticket, None)
            self._last_keys, self._last_ticket = keys, Ticket()
        return self.hold(self._last_ticket, keys, now)

    def keep(self, keys: Iterable[Key]) -> None:
        """Free the seats of all other keys."""
        kept = {tuple([key[i] for i in self._open]) for key in keys}
        if gone := self._seated.keys() - kept:
            self._free(gone)

    def fold(self, key: Key) -> tuple[Key | None, list[str]]:
        """The key to add the value to, None to leave it out; and the labels that are folded."""
        labels = self._metric.labels
        strange = [i for i, values in self._closed if key[i] not in values]
        if not strange and not self._is_paired(key):
            strange = [len(key) - 1]
        over = strange or [i for i in self._foreign if key[i]] or self._foreign
        names = [labels[i].name for i in over]
        if not self._metric.folds or any(OTHER not in labels[i].values for i in strange):
            return None, names
        into = list(key)
        for i in strange:
            into[i] = OTHER
        if not strange or not self.has(tuple(into), self._expired_at):
            for i in self._foreign:
                into[i] = "" if labels[i].optional else OTHER
        return tuple(into), names

    def sum(self, into: Key, sources: dict[Key, Value], now: float) -> Value:
        """The folded counter, after the growth of its sources was added."""
        total: Value = 0.0
        for source, value in sources.items():
            total = self._sums.add(into, _brief(source), value, now)
        return total

    def expire(self, now: float) -> None:
        """Free the seats that have been unused for SEAT_KEPT_SECONDS."""
        if now - self._expired_at < SEAT_KEPT_SECONDS / 10:
            return
        self._expired_at = now
        for ticket in [*self._tickets]:
            self._settle(ticket)
            if now - ticket.shown_at > SEAT_KEPT_SECONDS:
                del self._tickets[ticket]
        gone = {seat for seat, shown_at in self._seated.items()
                if now - shown_at > SEAT_KEPT_SECONDS}
        if gone:
            self._free(gone)

    def _settle(self, ticket: Ticket) -> None:
        """Write down when the ticket's seats were last shown."""
        for seat in self._tickets.get(ticket, set()) & self._seated.keys():
            self._seated[seat] = max(self._seated[seat], ticket.shown_at)

    def _fits(self, key: Key) -> bool:
        # It stands for what was folded, and for nothing else.
        taken = OTHER if self._metric.folds else None
        return (all(len(key[i]) <= LONGEST_VALUE for i in self._open)
                and all(key[i] != taken for i in self._foreign)
                and all(key[i] in values for i, values in self._closed)
                and self._is_paired(key))

    def _is_paired(self, key: Key) -> bool:
        return not self._pairs or key[-2:] in self._pairs

    def _take(self, seat: Key) -> bool:
        group = self._group(seat)
        shared = self._metric.seats - self._metric.groups
        full = len(self._seated) - len(self._groups) >= shared or self._over_budget(seat)
        no_reserve = group in self._groups or len(self._groups) >= self._metric.groups
        if full and no_reserve and not self._free_nameless(seat, group):
            return False
        self._join(group, seat)
        return True

    def _over_budget(self, seat: Key) -> bool:
        """Whether the seat has a foreign value for which its label's budget has no room."""
        return any(
            seat[n] and seat[n] not in self._values[n]
            and len(self._values[n]) >= self._room[n]
            for n in self._values)

    def _free_nameless(self, seat: Key, group: Key) -> bool:
        """Free the seat that a target took before its label values were known, if it did."""
        if self._metric.folds or self._groups.get(group, 0) > 1:
            return False
        nameless = tuple([seat[n] if i in self._ours else "" for n, i in enumerate(self._open)])
        if nameless not in self._seated:
            return False
        self._free({nameless})
        return True

    def _free(self, gone: set[Key]) -> None:
        self._seated = {seat: shown_at for seat, shown_at in self._seated.items()
                        if seat not in gone}
        self._seat_of = {key: seat for key, seat in self._seat_of.items() if seat not in gone}
        self._groups = {}
        self._values = {n: set() for n in self._room}
        for seat in self._seated:
            self._join(self._group(seat), seat)

    def _join(self, group: Key, seat: Key) -> None:
        self._groups[group] = self._groups.get(group, 0) + 1
        for n, values in self._values.items():
            values.add(seat[n])

    def _group(self, seat: Key) -> Key:
        return tuple([seat[self._open.index(i)] for i in self._ours])


def _brief(source: Key) -> Key:
    """A key to remember: a long label value by its digest."""
    return tuple([value if len(value) <= LONGEST_VALUE
                  else hashlib.sha256(value.encode(errors="replace")).hexdigest()
                  for value in source])
