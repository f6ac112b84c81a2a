"""Scripted engines speak as real ones do, and what they say holds together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources

import pytest

from inferometer.demo.clock import StoryClock
from inferometer.demo.dialects import SGLANG, TGI, VLLM
from inferometer.demo.endpoint import Endpoint
from inferometer.demo.engine import Condition, ScriptedEngine, Workload
from inferometer.demo.fleet import FLEET
from inferometer.demo.template import Dialect
from inferometer.engines.explain import state_of
from inferometer.engines.reading import Names
from inferometer.engines.tables import TABLES
from tests.exporter.support import Page, fixture, get

MADE_OF = {
    VLLM.page: ("vllm/0.32.0-features/after.prom", "vllm/documented/features.prom"),
    SGLANG.page: ("sglang/dynamo-2026-01/worker.prom", "sglang/documented/0.5.23.prom"),
    TGI.page: ("tgi/datadog/3.3.5.prom",),
}
MODEL = "acme/chat"
every_dialect = pytest.mark.parametrize("dialect", [VLLM, SGLANG, TGI], ids=lambda one: one.page)


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def scripted(dialect: Dialect, time: Time, workload: Workload | None = None) -> ScriptedEngine:
    return ScriptedEngine(dialect, workload or Workload(MODEL, 24, 0.4, 0.7),
                          StoryClock(60, time), seconds=time)


def after(engine: ScriptedEngine, time: Time, seconds: int) -> Page:
    for _ in range(2 * seconds):
        time.now += 0.5
        engine.busy()
    return Page(engine.page())


def lines(dialect: Dialect) -> list[str]:
    page = resources.files("inferometer.demo").joinpath("pages", dialect.page)
    return page.read_text(encoding="utf-8").splitlines()


def families(page: Page, dialect: Dialect) -> Iterator[tuple[str, list[float], float]]:
    """Each histogram that moves: its buckets, and its count."""
    for family in dialect.histograms:
        for count in page.find(f"{family}_count"):
            buckets = [s.value for s in page.find(f"{family}_bucket", **count.labels)]
            yield family, buckets, count.value


@every_dialect
def test_a_page_is_made_of_captured_lines(dialect: Dialect) -> None:
    captured = {re.sub(r'"acme/chat"', f'"{dialect.model}"', line)
                for path in MADE_OF[dialect.page] for line in fixture(path).decode().splitlines()}
    assert set(lines(dialect)) <= captured


@every_dialect
def test_all_that_a_dialect_names_is_on_its_page(dialect: Dialect) -> None:
    text = "\n".join(lines(dialect))
    for key in dialect.numbers:
        name, _, label = key.partition("{")
        assert re.search(rf"^{re.escape(name)}(\{{.*{re.escape(label)}.*)? \S+$", text,
                         re.MULTILINE), key
    for family in dialect.histograms:
        assert f"# TYPE {family} histogram" in text


@every_dialect
def test_its_page_is_read_by_the_engines_own_table(dialect: Dialect, time: Time) -> None:
    engine = scripted(dialect, time)
    after(engine, time, 20)
    state, _ = state_of(engine.page().encode(), TABLES, Names("", ()))
    assert state.up
    assert state.engine == dialect.page.removesuffix(".prom")


@every_dialect
def test_histograms_move_and_hold_together(dialect: Dialect, time: Time) -> None:
    engine = scripted(dialect, time)
    before, page = after(engine, time, 20), after(engine, time, 20)
    for (family, earlier, _), (_, buckets, count) in zip(
            families(before, dialect), families(page, dialect), strict=True):
        assert buckets == sorted(buckets), family
        assert buckets[-1] == count > 0, family
        assert all(now >= then for then, now in zip(earlier, buckets, strict=True)), family


@every_dialect
def test_one_that_hangs_answers_and_goes_on_with_nothing(dialect: Dialect, time: Time) -> None:
    engine = scripted(dialect, time)
    after(engine, time, 20)
    engine.turn(Condition(hung=True))
    frozen = {(s.name, *s.labels.items()): s.value for s in Page(engine.page()).series}
    later = {(s.name, *s.labels.items()): s.value for s in after(engine, time, 20).series}
    assert {key for key, value in later.items() if frozen[key] != value} <= {
        key for key in later if "lora" in key[0]}
    assert engine.busy() == 1.0


def test_a_crowd_fills_the_seats_and_the_rest_waits(time: Time) -> None:
    engine = scripted(VLLM, time)
    engine.turn(Condition(demand=3.6))
    page = after(engine, time, 20)
    assert page.value("vllm:num_requests_running") == 24
    assert (page.value("vllm:num_requests_waiting") or 0) > 10
    first, count = (page.value(f"vllm:time_to_first_token_seconds_{part}") or 0
                    for part in ("sum", "count"))
    assert first / count > 1


def test_what_fails_is_counted_as_that(time: Time) -> None:
    engine = scripted(VLLM, time)
    engine.turn(Condition(failing=0.5))
    page = after(engine, time, 60)
    ended = {s.labels["finished_reason"]: s.value for s in page.find("vllm:request_success_total")}
    assert 0.3 < ended["error"] / sum(ended.values()) < 0.7


def test_a_dead_one_refuses_and_comes_back_anew_at_the_same_address() -> None:
    seat = FLEET[0]
    endpoint = Endpoint(ScriptedEngine(seat.dialect, seat.workload, StoryClock(60)))
    endpoint.live()
    port = int(endpoint.url.rpartition(":")[2])
    try:
        assert get(port, "/version").text == '{"version": "0.32.0"}'
        assert get(port, "/nothing").status == 404
        endpoint.die()
        with pytest.raises(OSError, match="refused"):
            get(port)
        endpoint.live()
        assert (Page(get(port).text).value("vllm:generation_tokens_total") or 0) < 1000
    finally:
        endpoint.die()
