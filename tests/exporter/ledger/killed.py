"""A process that commits facts and notes each that is acknowledged, until it is killed.

`python -m tests.exporter.ledger.killed FOLDER [--sabotage early-ack]`: the journal is written with
an fsync for each note. Sabotaged it notes them before they are durable, as no gateway may.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from inferometer.ledger.file_opening import open_to_write
from inferometer.ledger.ledger import LedgerWriter
from tests.exporter.ledger.making import call, links

CALLS = 8  # a body


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sabotage", choices=["early-ack"])
    options = parser.parse_args()
    file = open_to_write(options.folder / "ledger.db", options.folder / "ledger.key")
    ledger = LedgerWriter(file, settle_seconds=0.05)
    ledger.loop.start()
    journal = os.open(options.folder / "journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    print("ready", flush=True)
    while True:
        trace_id = os.urandom(16)
        facts = [call(trace_id) for _ in range(CALLS)]
        done = ledger.commit(facts, links(facts), time.time_ns())
        if not options.sabotage:
            done.result()
        os.write(journal, b"".join(fact.trace_id + fact.span_id for fact in facts))
        os.fsync(journal)


if __name__ == "__main__":
    main()
