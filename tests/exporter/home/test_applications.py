"""The page's cards of a gateway and of the services that send their calls to it."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path

import pytest

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.config import Config
from inferometer.intake.part import IntakePart
from inferometer.ledger.collector import LedgerCollector, LedgerCondition
from inferometer.ledger.part import LedgerPart
from inferometer.ledger.services import MOST_SHOWN, Services
from inferometer.parts import Linked
from inferometer.receipt import Receipt
from inferometer.sinks.metrics import CallsCollector, CounterReading
from tests.exporter.home.html_check import Checked
from tests.exporter.home.scene import NOW, Scene
from tests.exporter.home.test_markup import HOSTILE
from tests.exporter.spans.bodies import FIXTURES
from tests.exporter.support import exporter, free_port, get, wait_for

GATEWAY = Config(role="gateway")
BODY = FIXTURES / "official-genai-openai-1.3b0-default" / "029-traces.pb"


def reading(version: int = 1, **calls: int) -> CounterReading:
    """So many calls that succeeded of each service, by one model."""
    seats = {number: ("call", "openai", "m", "chat", service, "")
             for number, service in enumerate(calls, start=1)}
    counters = {}
    for seat, count in zip(seats, calls.values(), strict=True):
        counters[seat, "ended", "success/"] = count
        counters[seat, "input", ""] = 10 * count
    return CounterReading(version, counters, seats)


class Intake(IntakePart):
    """That listens already."""

    def __init__(self) -> None:
        super().__init__(GATEWAY, lambda *_: Receipt())
        self._urls = {"http": "http://127.0.0.1:4318"}


class Ledger(LedgerPart):
    """With a reading in the place of a file."""

    def __init__(self, now: CounterReading) -> None:
        super().__init__(GATEWAY)
        self.now = now

    def _reading(self) -> CounterReading:
        self._services.note(self.now)
        return self.now


def scene(now: CounterReading) -> Scene:
    made = Scene()
    made.role, made.gpus, made.ports = "gateway", None, ()
    made.others = [Intake(), Ledger(now)]
    for family in CallsCollector(lambda: now).collect(Deadline(1)):
        made.points[family.metric] = dict(family.items())
    return made


def text(made: Scene) -> str:
    return Checked(made.page()).text.replace("\u00a0", " ")


def test_each_service_has_a_card_with_its_figures_the_busiest_first() -> None:
    made = scene(reading(shop=20, bot=300))
    made.points[c.CLIENT_USAGE_MISSING]["openai", "m", "chat", "shop"] = 3.0
    made.points[c.CLIENT_PRICE_UNKNOWN]["openai", "m", "chat", "bot"] = 1.0
    made.points[c.CLIENT_REQUESTS]["openai", "m", "chat", "bot", "rejected", "rate_limit"] = 100.0
    made.points[c.CLIENT_COST]["openai", "m", "chat", "bot"] = 1.25
    shown = text(made)
    assert re.search(r"Not all told shopLast call counted none since this exporter startedCalls 20"
                     r"Errors 0 \(0.0 %\)Models mInput tokens 200.*"
                     r"Its spans do not tell tokens of 3 calls", shown)
    assert re.search(r"Counted botLast call .*Calls 400Errors 100 \(25 %\)Models m"
                     r"Input tokens 3,000.*Cost \$1.25Its spans do not tell price of 1 call", shown)
    assert "Not all told: of more than 5 % of its calls" in shown
    assert [card.name for section in scene(reading(shop=20, bot=300)).content().sections
            if section.title == "Services" for card in section.cards] == ["bot", "shop"]
    assert "No problems" in shown
    assert "In the role gateway neither engines nor GPUs are read." in shown


def test_of_many_services_the_busiest_are_shown_and_the_others_are_a_number() -> None:
    made = scene(reading(**{f"s{number:03}": number for number in range(70)}))
    cards = [card for section in made.content().sections if section.title == "Services"
             for card in section.cards]
    assert [card.name for card in cards] == [f"s{number:03}" for number in range(69, 49, -1)]
    assert len(cards) == MOST_SHOWN
    more = "And 50 more with fewer calls; inferometer ledger top --by service has all."
    assert more in text(made)
    assert made.content().problems == []


def test_the_last_failure_of_a_service_leads_to_its_trace_and_names_nobody_as_referrer() -> None:
    services = Services(clock=lambda: NOW)
    services.note(reading(shop=5, bot=3))
    address = 'https://traces.example.org/t/0a"><script>'
    made = scene(reading(shop=5, bot=3))
    watch = services.watch({"shop": [("Last failure", Linked("timeout, m", address))],
                            "bot": [("Last failure", "rate_limit, m")]})
    made.others[-1].watch = lambda: watch  # type: ignore[method-assign]  # of one object
    body = made.page()
    Checked(body)
    page = body.decode()
    assert ('<dt>Last failure</dt> <dd><a href="https://traces.example.org/t/0a&quot;&gt;&lt;'
            'script&gt;" rel="noreferrer"><bdi>timeout, m</bdi></a></dd>') in page
    assert "<dt>Last failure</dt> <dd><bdi>rate_limit, m</bdi></dd>" in page


@pytest.mark.parametrize("name", [*HOSTILE, "x" * 5000])
def test_names_of_services_and_models_are_escaped_and_bounded(name: str) -> None:
    made = scene(CounterReading(1, {(1, "ended", "success/"): 1},
                                {1: ("call", name, name, "chat", name, "")}))
    page = made.page()
    Checked(page)
    assert len(page) < 200_000


def test_a_call_is_dated_when_it_is_first_seen_and_not_before_the_start() -> None:
    now = [NOW]
    services = Services(clock=lambda: now[0])
    services.note(reading(shop=5))
    assert [one.read_at for one in services.watch({}).watched] == [None]
    now[0] += 60
    services.note(reading(2, shop=6, bot=1))
    now[0] += 60
    services.note(reading(2, shop=6, bot=1))
    assert {one.key: one.read_at for one in services.watch({}).watched} == {
        "shop": NOW + 60, "bot": NOW + 60}


def test_a_reading_that_comes_after_a_newer_one_dates_no_call() -> None:
    services = Services(clock=lambda: NOW)
    for now in (reading(3, shop=6), reading(2, shop=5), reading(3, shop=6)):
        services.note(now)
    assert [one.read_at for one in services.watch({}).watched] == [None]


def test_the_gateway_has_a_card_with_its_doors_bodies_and_ledger() -> None:
    made = scene(reading())
    for family in LedgerCollector(lambda: LedgerCondition(
            7, 0.5, 3 * 2**20, 5 * 2**30, int((NOW - 12) * 1e9), 0, 0)).collect(Deadline(1)):
        made.points[family.metric] = dict(family.items())
    for result, count in (("taken", 90.0), ("too_large", 2.0), ("put_off", 3.0)):
        made.say(c.INTAKE_BODIES, ("traces", result), count)
    shown = text(made)
    for words in ("Listening Telemetry of applications", "HTTP http://127.0.0.1:4318",
                  "Last commit 12 s ago",
                  "Bodies taken 90", "Bodies refused 5 (put off 3, too large 2)",
                  "Pending 7 calls and steps", "Ledger 3.00 MiB", "Free on its disk 5.00 GiB",
                  "No call of an application was counted yet"):
        assert words in shown, words


@pytest.mark.parametrize("role", ["sidecar", "node", "fleet", ""])
def test_who_takes_no_telemetry_says_nothing_of_it(role: str) -> None:
    made = Scene()
    made.role, made.gpus = role, None
    made.others = [IntakePart(Config(role=role), lambda *_: Receipt()),
                   LedgerPart(Config(role=role))]
    assert [section.title for section in made.content().sections] == ["Engines", "GPUs"]


@pytest.mark.timeout(60)
def test_the_page_of_a_real_gateway_shows_who_sent_a_call(tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "gateway.yml"
    config.write_text(json.dumps({
        "role": "gateway", "intake": {"listen": f"127.0.0.1:{port}", "settle_seconds": 1},
        "ledger": {"path": str(tmp_path / "ledger.db")}}))
    with exporter(config=config) as running:
        with urllib.request.urlopen(urllib.request.Request(
                f"http://127.0.0.1:{port}/v1/traces", BODY.read_bytes(),
                {"Content-Type": "application/x-protobuf"}), timeout=10) as answered:
            assert answered.status == 200

        def shown() -> str:
            return Checked(get(running.port, "/").body).text.replace("\u00a0", " ")
        wait_for(lambda: "Counted rag-demo" in shown() or "Not all told rag-demo" in shown(), 30)
        page = shown()
        assert f"OTLP over HTTP http://127.0.0.1:{port}" in page
        assert "Listening Telemetry of applications" in page
        assert "Bodies taken 1" in page
        watching = json.loads(get(running.port, "/status").body)["watching"]
        assert watching == {"engines": 0, "gpus": 0, "gateway": 1, "services": 1}
