"""What an application's SDK loses while its gateway is away, and what a Collector between saves.

    python -m tests.e2e.outage [--seconds 20] [--rate 20]

An application with Python's OpenTelemetry SDK, as it is by default, ends calls' spans steadily. The
gateway is killed, is away for so long, and is started again. It is done twice: with the spans sent
to the gateway, and to a real Collector before it, whose queue is on disk. `make senders collector`
installs both. A line for each says how many spans were sent, of how many the SDK was told that they
are taken, how many it gave up, and how many are in the ledger's file, read by sqlite3.

Exit codes: 0 nothing is lost behind the Collector, and without it nothing that was acknowledged; 1
something is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.e2e.gateways import Gateway, gateway
from tests.e2e.senders.collector import collector
from tests.e2e.senders.kinds import HERE, KINDS, Kind
from tests.e2e.senders.playing import SECONDS, environment
from tests.exporter.support import free_port, wait_for

BEFORE, AFTER = 7.0, 12.0  # seconds for which it is there; the SDK exports every 5
WAYS = ("SDK alone", "behind a Collector")
Ids = set[tuple[bytes, bytes]]  # traces and spans


@dataclass(frozen=True)
class Outcome:
    """What came of the spans on one way."""

    way: str
    sent: int
    acknowledged: int  # to the SDK
    given_up: int  # by the SDK: batches that it could not have taken in the time it tries
    arrived: int  # rows of the ledger
    counted: int  # on /metrics

    @property
    def lost(self) -> int:
        """Spans that are in no ledger."""
        return self.sent - self.arrived

    @property
    def is_explained(self) -> bool:
        """Whether all that was acknowledged is there, and all that is there is counted once."""
        return (self.acknowledged + self.given_up <= self.sent  # less where its queue was full
                and self.acknowledged <= self.arrived == self.counted)

    def __str__(self) -> str:
        return (f"{self.way:<20} sent {self.sent:>5}  acknowledged {self.acknowledged:>5}  given up"
                f" {self.given_up:>5}  arrived {self.arrived:>5}  counted {self.counted:>5}  "
                f"lost {self.lost:>5}")


def measured(way: str, seconds: float, rate: float, folder: Path) -> Outcome:
    """Send on one way, with the gateway away for so many seconds in between."""
    port = free_port()
    listen = f"127.0.0.1:{port}"
    with contextlib.ExitStack() as stack:
        gateways = stack.enter_context(contextlib.ExitStack())
        running = gateways.enter_context(gateway(folder, listen=listen))
        url = f"http://{listen}"
        if way != WAYS[0]:
            url = stack.enter_context(collector(port, folder)).url
        kind = _kind(rate, folder)
        log = stack.enter_context((folder / "sender.log").open("w"))
        sender = subprocess.Popen(kind.command, env=environment(kind, "", url, folder / "none"),
                                  stdout=subprocess.PIPE, stderr=log, text=True)
        stack.callback(sender.wait)
        stack.callback(sender.kill)
        wait_for(lambda: _ids(running, folder)[1], SECONDS, 0.2)  # the first spans have come
        time.sleep(BEFORE)  # for which it sends to a gateway that is there
        running.kill()
        gateways.close()
        time.sleep(seconds)  # what is measured
        running = gateways.enter_context(gateway(folder, listen=listen))
        time.sleep(AFTER)  # for which what waits is sent again
        (folder / "over").touch()
        results = json.loads(sender.communicate(timeout=SECONDS)[0])
        with contextlib.suppress(AssertionError):  # what is lost is what is measured
            wait_for(lambda: _ids(running, folder)[0] <= _ids(running, folder)[1], 20.0, 0.5)
        page, _ = running.settled()
        sent, rows = _ids(running, folder)
    return Outcome(way, len(sent), results.get("SUCCESS", 0), results.get("FAILURE", 0),
                   len(sent & rows), int(sum(page.values("llm_client_requests_total",
                                                         service_name=kind.service))))


def _kind(rate: float, folder: Path) -> Kind:
    genai = KINDS["genai"]
    return replace(genai, name="steady", command=(genai.command[0], HERE / "steady.py"), settings={
        "RATE": str(rate), "JOURNAL": str(folder / "journal"), "UNTIL": str(folder / "over")})


def _ids(running: Gateway, folder: Path) -> tuple[Ids, Ids]:
    """What the application has sent, and what is in the ledger's file."""
    journal = folder / "journal"
    lines = journal.read_text().splitlines() if journal.exists() else []
    sent = {(bytes.fromhex(trace), bytes.fromhex(span)) for trace, span in map(str.split, lines)}
    with contextlib.closing(sqlite3.connect(f"file:{running.ledger}?mode=ro", uri=True)) as file:
        return sent, set(file.execute("SELECT trace, span FROM facts")) & sent


def main(arguments: Sequence[str]) -> int:
    """Measure both; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.outage", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="for which it is away")
    parser.add_argument("--rate", type=float, default=20.0, help="spans a second")
    options = parser.parse_args(arguments)
    outcomes = []
    for way in WAYS:
        with tempfile.TemporaryDirectory() as name:
            outcomes.append(measured(way, options.seconds, options.rate, Path(name)))
        print(outcomes[-1], flush=True)
    return int(outcomes[1].lost > 0 or not all(outcome.is_explained for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
