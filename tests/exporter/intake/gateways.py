"""A gateway's intake and ledger as they run together, in the process of a test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from inferometer import settings
from inferometer.collector import Deadline
from inferometer.config import Config, ConfigError
from inferometer.documents.mistakes import Document
from inferometer.intake.heartbeat import HeartbeatPace
from inferometer.intake.part import IntakePart
from inferometer.ledger.part import LedgerPart
from inferometer.parts import Part
from inferometer.settings import Flags
from inferometer.values import Key, Value

FAST = HeartbeatPace(every=0.6, patience=1.5, late=2.0)
NOTHING = "role: gateway\n"


@dataclass
class Gateway:
    """Both parts, started."""

    folder: Path
    intake: IntakePart
    ledger: LedgerPart

    def points(self, name: str) -> dict[Key, Value]:
        """Of one family, as a scrape has them."""
        return {key: value for part in (self.intake, self.ledger)
                for collector in part.collectors() for family in collector.collect(Deadline(5))
                if family.metric.name == name for key, value in family.points.items()}

    def count(self, name: str, *key: str) -> float:
        """One point of it."""
        value = self.points(name)[key]
        assert isinstance(value, float)
        return value


@contextlib.contextmanager
def gateway_in(folder: Path, more: str = "", pace: HeartbeatPace = FAST, *,
               doors: str = "listen: 127.0.0.1:0", ledger: str = "path: ledger.db",
               ) -> Iterator[Gateway]:
    """One that settles after a second and sends heartbeats fast, stopped at the end."""
    file = folder / "gateway.yml"
    file.write_text(f"role: gateway\nledger: {{{ledger}}}\n"
                    f"intake: {{settle_seconds: 1, {doors}}}\n{more}")
    config, document = settings.load(file, Flags())
    keeper = LedgerPart(config)
    intake = IntakePart(config, keeper.commit, keeper, pace)
    with started(config, document, keeper, intake):
        yield Gateway(folder, intake, keeper)


@contextlib.contextmanager
def started(config: Config, document: Document, *parts: Part) -> Iterator[None]:
    """Parts that run, in this order; the last one is stopped first. Raises ConfigError."""
    for part in parts:
        part.check(config, document)
        document.finish(ConfigError)
        part.configure(config)
    with contextlib.ExitStack() as stack:
        for part in parts:
            stack.callback(part.stop)
            part.start()
        yield
