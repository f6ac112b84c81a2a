"""Drills of a gateway: one line each of what was sent, acknowledged, counted, lost and doubled.

    python -m tests.e2e.drills [DRILL...] [--store sqlite|postgres] [--rounds N] [--sabotage]

A gateway under load meets the fault, and a sender sends again what was not acknowledged. What was
acknowledged stands in the senders' own journals, each entry with an fsync; rows are counted without
Inferometer, and counters added up over restarts as Prometheus does. All three must be one number.

With --sabotage the gateway has a fault of its own, and a drill is good that notices it.

Exit codes: 0 all is so, 1 something is not.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.e2e.drills.drill import DRILLS, STORES, act
from tests.e2e.drills.shared_store import missing

INSIDE = "--inside"  # the mount namespace
NAMESPACE = ("unshare", "--map-root-user", "--mount")


def mounts() -> bool:
    """Whether a namespace may be made in which disks are mounted."""
    try:
        return subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "drill", "/mnt"],
                              capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def act_and_print(name: str, store: str, options: argparse.Namespace) -> bool:
    """Do one drill; whether it came out as it should."""
    drill = DRILLS[name]
    if store == "postgres" and (why := missing()):
        print(f"{name:<17} {store:<8} skipped: {why}", flush=True)
        return True
    if drill.mounts and not options.inside:
        if not mounts():
            print(f"{name:<17} {store:<8} skipped: no mount namespace may be made", flush=True)
            return True
        command = [*NAMESPACE, sys.executable, "-m", "tests.e2e.drills", name, INSIDE, "--store",
                   store, "--rounds", str(options.rounds), "--seed", options.seed,
                   *(["--sabotage"] if options.sabotage else [])]
        return subprocess.run(command, check=False).returncode == 0
    outcome = act(name, store, options.rounds, options.sabotage, options.seed)
    good = outcome.figures.good
    if options.sabotage:
        good = not good and outcome.figures.acknowledged > 0  # else it never took anything
        noticed = "noticed" if good else "NOT NOTICED"
        print(f"{outcome.line}; {drill.sabotage}: {noticed}", flush=True)
        return good
    print(outcome.line, flush=True)
    return good


def main(arguments: Sequence[str]) -> int:
    """Do them; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.drills", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("drills", nargs="*", metavar="DRILL", choices=[*DRILLS, []],
                        help=", ".join(DRILLS))
    parser.add_argument("--store", choices=[*STORES], help="on this one alone")
    parser.add_argument("--rounds", type=int, default=0, help="instead of as many as each has")
    parser.add_argument("--sabotage", action="store_true", help="with a faulty gateway")
    parser.add_argument("--seed", default=str(time.time_ns()))
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # it tells of each process that is started
    results = [act_and_print(name, store, options)
               for store in STORES if options.store in (None, store)
               for name in options.drills or DRILLS if store in DRILLS[name].stores]
    return int(not all(results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
