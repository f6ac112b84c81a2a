"""Measures and prints one table; all of it is written to .cache/bench.json too.

    python -m bench [gpus] [sidecar] [endurance] [boards]

The whole takes some ten minutes, and the boards, which come last, up to half an hour; with
BENCH_QUICK=1 it is a quick look, less repeatable, that is written to .cache/bench-quick.json.
"""

from __future__ import annotations

import json
import os
import sys
import time

from bench import dashboards, endurance, gpus, sidecar
from bench.process import ROOT
from bench.report import Figure, table
from bench.sizes import FULL, QUICK

PARTS = {
    "gpus": gpus.measure, "sidecar": sidecar.measure, "endurance": endurance.measure,
    "boards": dashboards.measure,
}


def main(names: list[str]) -> int:
    """Measure the named parts, by default all; the exit code."""
    quick = bool(os.environ.get("BENCH_QUICK"))
    sizes = QUICK if quick else FULL
    began = time.monotonic()
    figures: list[Figure] = []
    for name, measure in PARTS.items():
        if not names or name in names:
            for figure in measure(sizes):
                print(figure.as_row(), file=sys.stderr, flush=True)
                figures.append(figure)
    print(table(figures))
    print(f"\n{sum(f.met for f in figures)} of {len(figures)} met, "
          f"{time.monotonic() - began:.0f} s on {os.cpu_count()} cores, "
          f"Python {sys.version.split()[0]}")
    if not names:
        file = ROOT / ".cache" / ("bench-quick.json" if quick else "bench.json")
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps([figure.as_dict() for figure in figures], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
