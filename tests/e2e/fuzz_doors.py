"""Fuzzing of a gateway's doors: raw HTTP and raw frames of HTTP/2, beside what should be taken.

    python -m tests.e2e.fuzz_doors [--seconds 300] [--seed NUMBER] [http|grpc ...]

A real gateway is talked to on loopback: requests in any framing, cut, pipelined, with lengths,
chunks, heads, codings and frames that are wrong, closed early. What is whole must be answered as
taken and what is not must not, and after each talk a good request must be taken. After each round
the ledger must have those calls and no other, /metrics must count each once, and the process must
not have grown. `make test` has a short run that is always the same.

Exit codes: 0 all is so, 1 something is not: the least talk that shows it, and its seed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.doors.account import Account, compared, most_memory
from tests.e2e.doors.fuzzing import DOORS, gateway_to_talk_to, talk

TALKS = 100  # in a round


def main(arguments: Sequence[str]) -> int:
    """Talk for so long; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.fuzz_doors", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("doors", nargs="*", metavar="DOOR", help=f"of {', '.join(DOORS)}")
    parser.add_argument("--seconds", type=float, default=300.0, help="no round begins after them")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6, help="of the first one")
    options = parser.parse_args(arguments)
    doors = options.doors or [*DOORS]
    if unknown := [door for door in doors if door not in DOORS]:
        parser.error(f"no door is called {', '.join(unknown)}; there are {', '.join(DOORS)}")
    end, seed, account = time.monotonic() + options.seconds, options.seed, Account()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as name, gateway_to_talk_to(Path(name)) as running:
        while time.monotonic() < end and not wrong:
            for door in doors:
                print(f"{door}, seed {seed}: ", end="", flush=True)
                talk(running, door, account, TALKS, seed)
                wrong = compared(running, account)
                print(f"{len(account.must)} calls taken, {len(account.may)} without an answer, "
                      f"{len(account.never)} in what is no request; "
                      f"{most_memory(running.pid) / 2**20:.0f} MiB; "
                      f"{'; '.join(wrong) or 'all is right'}", flush=True)
            seed += 1
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
