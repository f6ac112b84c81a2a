"""Which services called models, how much, and when a call of each was last counted."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from inferometer.parts import Code, Row, Watch, Watched
from inferometer.sinks.metrics import CounterReading

MOST_SHOWN = 20


class Services:
    """Calls by service, as counters have them. Safe to share between threads.

    A counter has no time: a call was last counted when one was first seen to have grown. So the
    times are those of readings, and of before the start nothing is known.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._version: int | None = None
        self._calls: Counter[str] = Counter()
        self._grew_at: dict[str, float] = {}

    def note(self, reading: CounterReading) -> None:
        """Take up a reading; one that is the same as before, or older, costs nothing."""
        with self._lock:
            if self._version is not None and reading.version <= self._version:
                return
            calls: Counter[str] = Counter()
            names = {seat: labels[4] for seat, labels in reading.seats.items()
                     if labels[0] == "call"}
            calls.update(dict.fromkeys(names.values(), 0))
            for (seat, name, _part), count in reading.counters.items():
                if name == "ended" and seat in names:
                    calls[names[seat]] += count
            if self._version is not None:
                now = self._clock()
                self._grew_at.update({service: now for service, count in calls.items()
                                      if count > self._calls.get(service, 0)})
            self._version, self._calls = reading.version, calls

    def watch(self, details: Mapping[str, Sequence[Row]]) -> Watch:
        """The busiest, with details by service; of the others how many they are."""
        with self._lock:
            calls, grew_at = self._calls, dict(self._grew_at)
        busiest = sorted(calls, key=lambda service: (-calls[service], service))
        more = len(busiest) - MOST_SHOWN
        asked = Code("inferometer ledger top --by service")
        return Watch(
            [Watched(service, service, grew_at.get(service), details=details.get(service, ()))
             for service in busiest[:MOST_SHOWN]],
            MOST_SHOWN,
            [("No call of an application was counted yet: a trace counts once it is quiet.",)],
            (f"And {more} more with fewer calls; ", asked, " has all.") if more > 0 else
            ("Counted since the ledger began; ", asked, " has hours and days."))
