"""What came of a drill, as seen from outside: a journal, rows, and counters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.e2e.drills.bodies import INPUT, OUTPUT
from tests.exporter.support import Page

REQUESTS = "llm_client_requests_total"
TOKENS = {"llm_client_input_tokens_total": INPUT, "llm_client_output_tokens_total": OUTPUT}


class Scraped:
    """Counters added up as Prometheus does: a value below the last one began anew from 0."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, ...], float] = {}
        self._sums: dict[str, float] = dict.fromkeys((REQUESTS, *TOKENS), 0.0)

    def add(self, page: Page, gateway: str = "") -> None:
        """Add what one scrape of a gateway shows."""
        for name in self._sums:
            for series in page.find(name):
                key = (gateway, name, *map(str, sorted(series.labels.items())))
                last = self._last.get(key, 0.0)
                self._last[key] = series.value
                self._sums[name] += series.value - (last if series.value >= last else 0.0)

    def increase(self, name: str) -> int:
        """Of all series of this name."""
        return round(self._sums[name])


class Rows(NamedTuple):
    """What a store has, read without Inferometer."""

    ids: Sequence[bytes]  # trace and span of each row that came
    counted: int  # calls, by the rows that count


@dataclass
class Figures:
    """The line of a drill."""

    sent: int = 0
    acknowledged: int = 0
    counted: int = 0
    lost: int = 0
    doubled: int = 0
    remarks: list[str] = field(default_factory=list)  # what else is not as it should be

    @property
    def good(self) -> bool:
        """Whether all is as it should be."""
        return not (self.lost or self.doubled or self.remarks) and self.counted > 0

    def line(self, name: str, store: str, rounds: int, seconds: float) -> str:
        """For a person."""
        numbers = "  ".join(f"{key} {getattr(self, key)}" for key in (
            "sent", "acknowledged", "counted", "lost", "doubled"))
        many = f"{rounds} {'round' if rounds == 1 else 'rounds'}"
        return "; ".join([f"{name:<17} {store:<8} {many:>10}  {numbers}  ({seconds:.0f} s)",
                          *self.remarks])


def figures_of(sent: int, acknowledged: set[bytes], rows: Rows, scraped: Scraped,
               purged: int = 0) -> Figures:
    """Hold rows and counters against what was acknowledged.

    `purged`: acknowledged calls that are too old to be kept as rows.
    """
    kept = set(rows.ids)
    requests = scraped.increase(REQUESTS)
    many = len(acknowledged)
    missing = len(acknowledged - kept) - purged
    figures = Figures(sent, many, requests)
    figures.lost = max(0, missing, many - purged - rows.counted, many - requests)
    figures.doubled = max(0, len(rows.ids) - len(kept), rows.counted - len(kept),
                          requests - many)
    if strange := len(kept - acknowledged):
        figures.remarks.append(f"{strange} rows that nobody acknowledged")
    figures.remarks += [
        f"{name} is {scraped.increase(name)}, not {of_call * many}"
        for name, of_call in TOKENS.items() if scraped.increase(name) != of_call * many]
    return figures
