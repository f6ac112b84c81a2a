"""A scripted runaway after a week of the same application: from its spans to the alert, in time.

Spans go as OTLP through the real decoder, ledger and prices in virtual time, what the page then
says through the real rules. An agent exports its own span only when it ends, which this one never
does.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from alerts import agents
from alerts.model import Alert
from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.config import parse
from inferometer.cost.prices import CallPrices
from inferometer.pricing import Pricing
from inferometer.sinks.metrics import CallsCollector
from inferometer.spans.normalise import facts_of
from inferometer.spans.otlp import decode_traces
from tests.bundle.alert_cases import resting_on
from tests.bundle.application import attributes
from tests.bundle.client_inputs import GATEWAY
from tests.bundle.promtool import VERSIONS, ask, documents, selector
from tests.exporter.ledger.making import Bench, ledger_in, ledger_in_place, links

pytestmark = pytest.mark.timeout(300)
FOLDER = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a disk would be waited for
SCRAPED, EXPORTED, EVALUATED, RECORDED = 30, 5, 15, 120  # every so many seconds
WEEK = 8 * 86_400  # with the day that is not looked at
PRICES = "prices: [{model: gpt-4o, input: 2.5, output: 10}]"
CALL_USD = 0.01
CALL_SECONDS = 2  # of the loop, which does nothing else
READ = (c.CLIENT_LONG_TRACES, c.CLIENT_COST)


class Application:
    """One that is watched: time passes, spans are exported, and the page is scraped."""

    def __init__(self, bench: Bench, scrapes: int = 0) -> None:
        self.series: dict[str, list[str]] = {}
        self._bench, self._scrapes = bench, scrapes
        self._collector = CallsCollector(bench.ledger.reading)

    @property
    def passed(self) -> int:
        """Seconds."""
        return round(self._bench.passed)

    def post(self, *spans: Mapping[str, Any]) -> None:
        body = {"resourceSpans": [{
            "resource": {"attributes": attributes({"service.name": "shop"})},
            "scopeSpans": [{"scope": {"name": "opentelemetry.instrumentation.genai.agents"},
                            "spans": spans}]}]}
        facts = [fact for span in decode_traces(json.dumps(body).encode(), "json").spans
                 if (fact := facts_of(span))]
        assert len(facts) == len(spans)
        self._bench.send(*facts, more_links=links(facts))

    def wait(self, seconds: int) -> None:
        """Until then all that is due is settled each second, and the page is scraped in time."""
        end = self.passed + seconds
        while self.passed < end:
            pause = min(end, self._scrapes * SCRAPED) - self.passed
            self._bench.wait(1 if self._bench.ledger.condition().pending else max(1, pause))
            while self._scrapes * SCRAPED <= self.passed:
                self._scrape()

    def _scrape(self) -> None:
        for family in self._collector.collect(Deadline(10)):
            if family.metric in READ:
                for key, value in family.points.items():
                    labels = dict(zip(family.metric.label_names, key, strict=True))
                    self.series.setdefault(
                        selector(family.metric.name, {**GATEWAY, **labels}),
                        ["_"] * self._scrapes).append(f"{value:g}")
        self._scrapes += 1

    def span(self, operation: str, trace: str, parent: str, seconds: float) -> dict[str, Any]:
        """One that ends now."""
        end = self._bench.now
        return {"traceId": trace, "spanId": os.urandom(8).hex(), "parentSpanId": parent,
                "name": operation, "kind": 3, "endTimeUnixNano": str(end),
                "startTimeUnixNano": str(end - round(seconds * 1e9)), "attributes": attributes({
                    "gen_ai.operation.name": operation, "gen_ai.provider.name": "openai",
                    "gen_ai.request.model": "gpt-4o", "gen_ai.agent.name": "clerk",
                    **({"gen_ai.usage.input_tokens": 2000, "gen_ai.usage.output_tokens": 500}
                       if operation == "chat" else {})})}

    def run(self) -> None:
        """As it should be: of 4 calls."""
        trace, agent = os.urandom(16).hex(), os.urandom(8).hex()
        calls = [self.span("chat", trace, agent, 2) for _ in range(4)]
        self.post(*calls, {**self.span("invoke_agent", trace, "", 10), "spanId": agent})

    def week(self) -> None:
        """A run every 20 minutes, by day every 5."""
        while self.passed < WEEK:
            self.run()
            self.wait(300 if 8 <= self.passed // 3600 % 24 < 16 else 1200)


def traces(loop: str) -> Iterator[tuple[str, str]]:
    """The trace and the parent of each call of a loop."""
    trace, agent = os.urandom(16).hex(), os.urandom(8).hex()
    while True:
        yield (trace, agent) if loop == "one trace" else (os.urandom(16).hex(), "")


@dataclass(frozen=True)
class Week:
    """The ledger after a week, and what was scraped."""

    folder: Path
    began: int  # Unix nanoseconds
    passed: int  # seconds
    series: Mapping[str, Sequence[str]]


@pytest.fixture(scope="module")
def week() -> Iterator[Week]:
    with TemporaryDirectory(dir=FOLDER) as folder:
        with ledger_in(Path(folder), pricing=_price()) as bench:
            shop = Application(bench)
            shop.week()
            shop.wait(SCRAPED - shop.passed % SCRAPED)
        yield Week(Path(folder), bench.began, shop.passed, shop.series)


def _price() -> Pricing:
    return CallPrices(parse(PRICES, "x.yml", "gateway")).price


@contextmanager
def going_on(week: Week) -> Iterator[Application]:
    """The application after its week."""
    with TemporaryDirectory(dir=FOLDER) as folder:
        shutil.copytree(week.folder, folder, dirs_exist_ok=True)
        with ledger_in_place(Path(folder), pricing=_price()) as bench:
            bench.began, bench.passed = week.began, week.passed
            shop = Application(bench, week.passed // SCRAPED + 1)
            shop.series |= {name: [*values] for name, values in week.series.items()}
            yield shop


@pytest.mark.parametrize("after", [1, 26])  # seconds after a scrape
@pytest.mark.parametrize(("loop", "alert"), [
    ("one trace", agents.LONG), ("a trace a call", agents.DEAR)], ids=str)
def test_a_loop_is_seen_within_2_minutes_and_before_it_has_cost_1_usd(
        week: Week, loop: str, alert: Alert, after: int, tmp_path: Path) -> None:
    with going_on(week) as shop:
        shop.wait(after)
        begin, spans = shop.passed, traces(loop)
        while shop.passed < begin + 150 or shop.passed % RECORDED >= EXPORTED:
            before = shop.passed
            shop.wait(EXPORTED)
            made = (shop.passed - begin) // CALL_SECONDS - (before - begin) // CALL_SECONDS
            shop.post(*(shop.span("chat", *next(spans), CALL_SECONDS) for _ in range(made)))
        end = shop.passed // RECORDED * RECORDED
    inputs = [{"series": name, "values": " ".join(values)} for name, values in shop.series.items()]
    first = f"min_over_time(timestamp({alert.expr})[5m:{EVALUATED}s])"
    earlier = f"count_over_time(({alert.expr})[7d:15m] offset 5m)"
    answers = ask(VERSIONS[-1], tmp_path, documents(resting_on(alert.expr)), inputs,
                  [first, earlier], f"{end}s", f"{RECORDED}s", f"{SCRAPED}s")
    assert answers[earlier] == []
    (_, seen), = answers[first]
    assert seen - begin <= 120
    assert (seen - begin) / CALL_SECONDS * CALL_USD <= 1
