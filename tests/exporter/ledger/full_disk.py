"""A ledger on a disk of 24 MiB that something else fills; in a mount namespace of its own.

Prints a line for each thing that is seen: what the ledger refuses, and when it takes calls again.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from inferometer.ledger.errors import LedgerFullError
from tests.exporter.ledger.making import Bench, call, ledger_in

OTHERS = 23 * 2**20  # bytes


def shown(bench: Bench) -> str:
    """What becomes of a call, after a look at the disk."""
    bench.passed += 10
    bench.turn()
    try:
        bench.send(call())
    except LedgerFullError as error:
        return f"{bench.ledger.condition().refusal}: {error}"
    return "taken"


def main() -> None:
    folder = Path(sys.argv[1])
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", folder], check=True)
    with ledger_in(folder) as bench:
        print(shown(bench))
        (folder / "other").write_bytes(bytes(OTHERS))
        print(shown(bench))
        (folder / "other").unlink()
        print(shown(bench))


if __name__ == "__main__":
    main()
