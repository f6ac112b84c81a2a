"""Measures and prints one table; all of it is written to .cache/bench.json too.

    python -m bench [PART ...] [--size large] [--replicas NUMBER] [--live SECONDS]

The parts: gpus, sidecar, endurance, intake, quality, boards, scraped; all of them by default.

The whole takes some 35 minutes, and the boards, which come last, up to half an hour; with
BENCH_QUICK=1 it is a quick look, less repeatable, that is written to .cache/bench-quick.json.
The large size is for the boards and the scraped fleet: 1,000 replicas, in half an hour and some
8 GiB of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import replace

from bench import dashboards, endurance, gpus, intake, quality, scraped, sidecar
from bench.process import ROOT
from bench.report import Figure, table
from bench.sizes import SIZES

PARTS = {
    "gpus": gpus.measure, "sidecar": sidecar.measure, "endurance": endurance.measure,
    "intake": intake.measure, "quality": quality.measure, "boards": dashboards.measure,
    "scraped": scraped.measure,
}


def main(arguments: list[str]) -> int:
    """Measure the named parts, by default all; the exit code."""
    options = _options(arguments)
    names, sizes = options.parts, SIZES[options.size]
    chosen = {"replicas": options.replicas, "live_seconds": options.live}
    sizes = replace(sizes, **{name: number for name, number in chosen.items() if number})
    began = time.monotonic()
    figures: list[Figure] = []
    for name, measure in PARTS.items():
        if not names or name in names:
            for figure in measure(sizes):
                print(figure.as_row(), file=sys.stderr, flush=True)
                figures.append(figure)
    print(table(figures))
    print(f"\n{sum(f.met for f in figures)} of {len(figures)} met, "
          f"{time.monotonic() - began:.0f} s on {os.cpu_count()} cores "
          f"with a load of {os.getloadavg()[2]:.1f}, Python {sys.version.split()[0]}")
    if not names:
        suffix = "" if options.size == "full" else f"-{options.size}"
        file = ROOT / ".cache" / f"bench{suffix}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps([figure.as_dict() for figure in figures], indent=1) + "\n")
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench")
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS])
    parser.add_argument("--size", choices=SIZES,
                        default="quick" if os.environ.get("BENCH_QUICK") else "full")
    parser.add_argument("--replicas", type=int, help="instead of the size's own number")
    parser.add_argument("--live", type=int, metavar="SECONDS",
                        help="for how long the fleet is scraped")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
