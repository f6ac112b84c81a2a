"""A request log on a disk of 2 MiB that it fills; in a mount namespace of its own.

Prints a line for each thing that is seen: what is counted, why lines cannot be written, and what is
there once the disk has room.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from inferometer.sinks.request_log_file import LineFileError
from tests.exporter.ledger.making import call
from tests.exporter.sinks.logging_calls import FILE, calls_in, ids_of, log_of, logging_ledger

CALLS = 3000


def main() -> None:
    folder = Path(sys.argv[1])
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", disk], check=True)
    with logging_ledger(folder) as (bench, _):
        log = log_of(bench, disk / FILE)
        bench.send(*(call(number.to_bytes(16, "big")) for number in range(CALLS)))
        bench.wait()
        print(f"{bench.counters()['ended', 'success/']} calls are counted")
        try:
            log.turn()
        except LineFileError as error:
            print(f"{error}".partition(": ")[2])
        text = (disk / FILE).read_bytes()
        if 0 < text.count(b"\n") < CALLS:
            print("some lines, each complete")
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        log.turn()
        if ids_of(disk / FILE) == calls_in(bench) and len(calls_in(bench)) == CALLS:
            print("each call has one line")


if __name__ == "__main__":
    main()
