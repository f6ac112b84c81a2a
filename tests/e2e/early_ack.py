"""`inferometer` with a fault: a gateway that answers before what it was sent is on the disk.

    python -m tests.e2e.early_ack run ...

It stands for the faults that tests.e2e.kills is to see.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future

from inferometer.cli import main
from inferometer.facts import Fact
from inferometer.ledger.ledger import LedgerWriter

commit_durably = LedgerWriter.commit


def commit_early(ledger: LedgerWriter, facts: Sequence[Fact], links: Mapping[bytes, bytes],
                 arrived: int) -> Future[None]:
    """Say at once that it is kept."""
    commit_durably(ledger, facts, links, arrived)
    done: Future[None] = Future()
    done.set_result(None)
    return done


if __name__ == "__main__":
    LedgerWriter.commit = commit_early  # type: ignore[method-assign,assignment]  # the fault
    sys.exit(main(sys.argv[1:]))
