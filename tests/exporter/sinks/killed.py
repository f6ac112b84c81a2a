"""A ledger that forwards, and notes each body that is acknowledged, until it is killed.

`python -m tests.exporter.sinks.killed FOLDER [--sabotage forget]`: the configuration is in the
folder. Sabotaged it forgets how far each destination has come.
"""

from __future__ import annotations

import argparse
import os
import time
from itertools import count
from pathlib import Path

from inferometer import settings
from inferometer.ledger.outbox import DestinationOutbox
from inferometer.ledger.part import LedgerPart
from inferometer.settings import Flags
from inferometer.sinks.outbox import SentBody, WaitingBody
from tests.exporter.ledger.making import call, links


def forget(outbox: DestinationOutbox, waiting: WaitingBody) -> None:
    """Go on, and write nothing of it."""
    outbox._cursors[waiting.owner] = waiting.number


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sabotage", choices=["forget"])
    options = parser.parse_args()
    if options.sabotage:
        setattr(DestinationOutbox, "note_done", forget)  # noqa: B010 - its type has a self
    os.chdir(options.folder)
    config, _ = settings.load(options.folder / "gateway.yml", Flags())
    part = LedgerPart(config)
    part.start()
    journal = os.open("journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    begin = os.urandom(6).hex()
    print("ready", flush=True)
    for number in count():
        facts = [call(os.urandom(16))]
        name = f"{begin} {number:08}\n".encode()
        part.commit(facts, links(facts), time.time_ns(), SentBody(
            "traces", "application/x-protobuf", "", name)).result(10)
        os.write(journal, name)


if __name__ == "__main__":
    main()
