"""What a span costs the ledger: its commit, and its settling to the end.

    python -m bench.intake_ledger [captured|gathered] [SPANS] [DSN_FILE] [BODIES]

prints microseconds of CPU time a span, in one thread, without a door: bodies are read outside of
what is measured, and committed in groups of so many, as there are connections in `bench intake`.
Where a file names a database of PostgreSQL, which must be empty, that is the ledger; its server's
work is in the seconds that pass, and not in the CPU time of this process.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from bench.intake import SETTLE_SECONDS
from bench.otlp import KINDS, bodies
from bench.otlp_sender import CONNECTIONS
from inferometer import heap
from inferometer.config import LedgerSection
from inferometer.intake.batch import Delivery, Wish, batch_of
from inferometer.ledger.ledger import LedgerWriter
from inferometer.ledger.opening import open_to_write
from inferometer.ledger.parcel import Parcel
from inferometer.ledger.verification import verify
from inferometer.receipt import Receipt
from inferometer.spans.reader import Wishes

SPANS = 100_000
PACE = 25_000  # spans a second, by the ledger's clock
LARGEST = 32 * 2**20  # bytes of a body


class Watch:
    """Seconds of what is called: of this process's CPU time, and of the clock."""

    def __init__(self) -> None:
        self.seconds = self.passed = 0.0

    def timed(self, function: Callable[..., object], *arguments: object) -> None:
        """Call it."""
        began, cpu_began = time.perf_counter(), time.process_time()
        function(*arguments)
        self.seconds += time.process_time() - cpu_began
        self.passed += time.perf_counter() - began


def main(kind: str = "captured", spans: str = str(SPANS), dsn_file: str = "",
         bodies_at_once: str = str(CONNECTIONS)) -> int:
    """Measure it, after a tenth of it as a warm-up; the exit code."""
    heap.search_seldom()  # as a gateway does
    with tempfile.TemporaryDirectory() as folder:
        running = Run(Path(folder), dsn_file, int(bodies_at_once))
        running.all(kind, int(spans) // 10, first=1)
        running.commits, running.settles, running.facts = Watch(), Watch(), 0
        number = running.all(kind, int(spans), first=10_000_000)
        for name, watch in (("commit", running.commits), ("settle", running.settles)):
            print(f"{name} {watch.seconds / number * 1e6:.1f} us a span")
        differences = len(verify(running.file).differences)
        print(f"{number} spans, {running.facts} facts, {differences} differences")
        print(f"{running.facts / running.commits.passed:.0f} facts a second committed, "
              f"{running.facts / running.settles.passed:.0f} settled")
        running.file.close()
    return os.EX_OK if not differences else 1


class Run:
    """A ledger whose turns are taken here, and whose clock goes as fast as spans come."""

    def __init__(self, folder: Path, dsn_file: str, bodies_at_once: int) -> None:
        self._bodies_at_once = bodies_at_once
        self.file = open_to_write(LedgerSection(
            path=str(folder / "ledger.db"), key_file=str(folder / "ledger.key"),
            dsn_file=dsn_file, gateway="bench"))
        self.passed, self.began = 0.0, time.time_ns()
        self.facts = 0
        self.commits, self.settles = Watch(), Watch()
        self.ledger = LedgerWriter(self.file, SETTLE_SECONDS, linger=0.0, clock=self._now,
                                    monotonic=lambda: self.passed)

    def all(self, kind: str, spans: int, first: int) -> int:
        """Commit and settle so many spans; how many they were."""
        made, number = deliveries(kind, spans, first), 0
        while group := list(islice(made, self._bodies_at_once)):
            self.commits.timed(self.ledger.write, [
                Parcel(one.facts, one.links, self._now(), Receipt()) for one in group])
            self.settles.timed(self.ledger.settle_some)
            number += sum(one.entries for one in group)
            self.facts += sum(len(one.facts) for one in group)
            self.passed += sum(one.entries for one in group) / PACE
        self.passed += 10 * SETTLE_SECONDS
        self.settles.timed(self.ledger.settle_due)
        return number

    def _now(self) -> int:
        return self.began + int(self.passed * 1e9)


def deliveries(kind: str, spans: int, first: int) -> Iterator[Delivery]:
    """What the door hands over of so many spans, body by body."""
    for template, body in bodies(KINDS[kind](), spans, first):
        yield batch_of(Wish("traces", template.encoding, "", LARGEST, Wishes()), body)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
