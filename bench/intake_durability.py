"""What it costs to wait for the disk before an answer, over trusting the operating system with it.

    python -m bench.intake_durability [SPANS]

commits captured bodies by themselves, and in groups as they come together under load, with SQLite's
`synchronous=FULL`, as a gateway has it, and with NORMAL, under which what was acknowledged outlives
the process but not the power. Both are measured by turns; it prints the median of a commit, and the
bodies a second that go through.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from itertools import islice
from pathlib import Path

from bench.intake_ledger import Run, deliveries
from bench.otlp_sender import CONNECTIONS
from inferometer.ledger.parcel import Parcel
from inferometer.receipt import Receipt

SPANS = 4000
ROUNDS = 3
MODES = ("FULL", "NORMAL")


def commits(mode: str, bodies: int, spans: int) -> list[float]:
    """Seconds of each commit of so many bodies at a time, into a new ledger."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), "", bodies)
        run.file.connection.execute(f"PRAGMA synchronous={mode}")
        made, seconds = deliveries("captured", spans, 1), []
        while group := [Parcel(one.facts, one.links, time.time_ns(), Receipt())
                        for one in islice(made, bodies)]:
            began = time.perf_counter()
            run.ledger.write(group)
            seconds.append(time.perf_counter() - began)
        run.file.close()
    return seconds


def main(spans: str = str(SPANS)) -> int:
    """Measure it; the exit code."""
    for bodies in (1, CONNECTIONS):
        seconds: dict[str, list[float]] = defaultdict(list)
        for _ in range(ROUNDS):
            for mode in MODES:
                seconds[mode] += commits(mode, bodies, int(spans))
        for mode in MODES:
            median = statistics.median(seconds[mode])
            print(f"{bodies} {'body' if bodies == 1 else 'bodies'} a commit, {mode}: "
                  f"{median * 1e3:.2f} ms, {bodies / median:.0f} bodies a second")
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
