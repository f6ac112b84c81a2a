"""Plays pages of an engine, and picks what was read off them."""

from __future__ import annotations

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.engines.parser import Parser
from inferometer.engines.reading import Describer, Names, Reading, ServerInfo
from inferometer.engines.recognition import recognise
from inferometer.engines.tables import TABLES
from inferometer.values import Histogram, Value


class Player:
    """Plays pages of one endpoint to one describer, by default a second apart."""

    def __init__(self, names: Names | None = None) -> None:
        self._parser = Parser()
        self._describer = Describer(names or Names())
        self._now = 1000.0

    def play(self, page: bytes | str, after: float = 1.0) -> Reading:
        body = page.encode() if isinstance(page, str) else page
        parsed = self._parser.parse(body)
        engine = recognise(parsed.families, TABLES)
        assert engine is not None
        self._now += after
        return self._describer.describe(engine, parsed, ServerInfo(), self._now)


    def restart(self, page: bytes | str) -> Reading:
        """The reading of an engine that started anew: its first page is in doubt."""
        assert self.play(page).points == {}
        return self.play(page)


def play(page: bytes | str) -> Reading:
    return Player().play(page)


def points(reading: Reading, metric: Metric) -> dict[tuple[str, ...], Value]:
    return reading.points.get(metric, {})


def only(reading: Reading, metric: Metric) -> Value | None:
    values = list(points(reading, metric).values())
    assert len(values) <= 1
    return values[0] if values else None


def histogram(reading: Reading, metric: Metric) -> Histogram:
    value = only(reading, metric)
    assert isinstance(value, Histogram)
    return value


def ended(reading: Reading, outcome: str) -> dict[str, Value]:
    """Counts by reason for one outcome, over all models and ranks."""
    return {key[3]: value for key, value in points(reading, c.SERVER_REQUESTS).items()
            if key[2] == outcome}


def exposition(name: str, kind: str, *samples: str) -> str:
    return f"# TYPE {name} {kind}\n" + "".join(f"{line}\n" for line in samples)
