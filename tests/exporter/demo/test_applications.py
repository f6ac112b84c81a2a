"""Applications of the demo send real spans to a real gateway, which counts what engines served."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from inferometer.demo.agents import LONG_CALLS
from inferometer.demo.applications import NETWORK_SECONDS
from inferometer.demo.clock import StoryClock
from inferometer.demo.endings import CallEnding
from inferometer.demo.engine import PATIENCE_SECONDS, WELL, Condition, ScriptedEngine
from inferometer.demo.fleet import APPLICATIONS, FLEET, HOSTED
from inferometer.demo.gateway import DemoGateway
from inferometer.demo.hosted import CALLS_A_SECOND, SWELL, HostedModel
from inferometer.demo.world import World
from tests.exporter.process import ANYWHERE
from tests.exporter.support import START_SECONDS, Page, get, launched, wait_for

NOBODY = Condition(demand=0)
SETTLED_SECONDS = 60.0  # until all is counted, on a machine that has much else to do
REQUESTS, DURATION = "llm_client_requests_total", "llm_client_request_duration_seconds"
# As a machine without the extra: one of its packages cannot be imported.
BARE = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "uvicorn":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocker())
from inferometer.cli import main
sys.exit(main(sys.argv[1:]))
"""


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World(StoryClock(60))
    world.start()
    yield world
    world.stop()


@pytest.fixture(scope="module")
def gateway(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoGateway]:
    gateway = DemoGateway(world, tmp_path_factory.mktemp("gateway"), "127.0.0.1:0")
    gateway.start()
    yield gateway
    gateway.stop()


def page(gateway: DemoGateway) -> Page:
    return Page(get(urlsplit(gateway.url).port or 0).text)


def called(gateway: DemoGateway, service: str, **labels: str) -> float:
    return sum(page(gateway).values(REQUESTS, service_name=service, **labels))


def test_calls_of_every_application_are_counted_and_priced(gateway: DemoGateway) -> None:
    wait_for(lambda: all(called(gateway, application.service, outcome="success")
                         for application in APPLICATIONS), SETTLED_SECONDS)
    shown = page(gateway)
    for application in APPLICATIONS:
        labels = {"service_name": application.service, "model": application.model.name,
                  "provider": application.model.provider}
        cost = shown.value("llm_client_cost_usd_total", **labels)
        assert cost is not None
        assert (cost > 0) == (application.served_by == (HOSTED,))
        assert not sum(shown.values("llm_client_price_unknown_total", **labels))
        assert not sum(shown.values("llm_client_usage_missing_total", **labels))
        first_tokens = sum(shown.values("llm_client_time_to_first_token_seconds_count", **labels))
        assert (first_tokens > 0) == application.model.streamed
    (build,) = shown.find("inferometer_build_info")
    assert build.labels["version"].endswith("+demo")


def test_the_weeks_before_say_what_is_expected_of_every_application(gateway: DemoGateway) -> None:
    wait_for(lambda: page(gateway).find("llm_client_request_outliers"), SETTLED_SECONDS)
    shown = page(gateway)
    for application in APPLICATIONS:
        labels = {"service_name": application.service}
        lower, tokens, upper = (
            shown.value("llm_client_request_expected_tokens", **labels, band="lower"),
            shown.value("llm_client_request_tokens", **labels),
            shown.value("llm_client_request_expected_tokens", **labels, band="upper"))
        assert lower is not None
        assert tokens is not None
        assert upper is not None
        assert 100 < lower < tokens < upper < 5000
        cost = shown.value("llm_client_request_cost_usd", **labels)
        assert (cost is not None) == (application.served_by == (HOSTED,))
    assert not any(shown.values("llm_client_request_outliers"))


def test_an_application_searches_and_reranks_before_it_calls(gateway: DemoGateway) -> None:
    wait_for(lambda: page(gateway).value("rag_retrievals_total", service_name="chat-app",
                                         result="empty"), SETTLED_SECONDS)
    shown = page(gateway)
    results = {series.labels["result"]: series.value
               for series in shown.find("rag_retrievals_total", service_name="chat-app")}
    assert results["unknown"] == 0
    assert results["hit"] > results["empty"] > 0
    assert sum(results.values()) == sum(shown.values(REQUESTS, service_name="chat-app"))
    assert sum(shown.values("rag_reranks_total", service_name="chat-app")) == results["hit"]


def test_the_parts_of_a_call_add_up_to_its_time_where_its_engine_sends_spans(
        gateway: DemoGateway) -> None:
    parts, decomposed = ("llm_client_request_part_seconds_total",
                         "llm_client_requests_decomposed_total")
    wait_for(lambda: sum(page(gateway).values(decomposed)) >= 10, SETTLED_SECONDS)
    shown = page(gateway)
    assert {series.labels["service_name"] for series in shown.find(decomposed)} == {"chat-app"}
    assert sum(shown.values(decomposed)) == sum(
        shown.values(f"{DURATION}_count", service_name="chat-app"))
    assert abs(sum(shown.values(parts)) - sum(
        shown.values(f"{DURATION}_sum", service_name="chat-app"))) < 0.001
    seconds = {part: sum(shown.values(parts, part=part)) for part in (
        "gateway", "queue", "prefill", "decode", "remainder")}
    assert seconds["gateway"] == 0
    least, most = (way * sum(shown.values(decomposed)) for way in NETWORK_SECONDS)
    assert least <= seconds["remainder"] <= most
    assert seconds["decode"] > seconds["prefill"] > seconds["queue"] > 0


def test_agents_make_calls_and_use_tools_in_runs_that_end(gateway: DemoGateway) -> None:
    wait_for(lambda: sum(page(gateway).values("llm_agent_calls_per_run_count",
                                              agent="clerk")) >= 10, SETTLED_SECONDS)
    shown = page(gateway)
    runs, calls, tools = (sum(shown.values(name, service_name="support-bot")) for name in (
        "llm_agent_calls_per_run_count", "llm_agent_calls_per_run_sum",
        "llm_agent_tool_calls_per_run_sum"))
    assert runs < calls <= LONG_CALLS * runs
    assert tools == calls - runs  # one after each call but the last
    called_tools = {series.labels["tool"] for series in shown.find("llm_tool_calls_total")}
    assert called_tools == {"find_order", "search_help", "refund", "read_file", "run_tests"}


def test_what_applications_saw_is_what_engines_served(world: World, gateway: DemoGateway) -> None:
    names = ("chat-0", "chat-1")
    try:
        for name in names:
            world.turn(name, NOBODY)
        pages = [Page(world.engines[name].engine.page()) for name in names]
        served, seconds = (sum(sum(one.values(f"vllm:{family}")) for one in pages) for family in (
            "request_success_total", "e2e_request_latency_seconds_sum"))
        assert served > 0
        wait_for(lambda: called(gateway, "chat-app") == served, SETTLED_SECONDS)
        shown = page(gateway)
        took, counted = (sum(shown.values(f"{DURATION}_{part}", service_name="chat-app"))
                         for part in ("sum", "count"))
        aborted = sum(shown.values(REQUESTS, service_name="chat-app", outcome="abort"))
        assert counted == served - aborted
        if not aborted:
            least, most = (seconds + counted * way for way in NETWORK_SECONDS)
            assert least - 0.001 <= took <= most + 0.001
    finally:
        for name in names:
            world.turn(name, WELL)


def test_a_provider_that_turns_calls_away_and_an_engine_that_is_dead_show(
        world: World, gateway: DemoGateway) -> None:
    wait_for(lambda: called(gateway, "report-writer") > 0, SETTLED_SECONDS)
    world.turn(HOSTED, Condition(demand=5, failing=0.4))
    world.engines["summaries"].die()
    try:
        wait_for(lambda: called(gateway, "support-bot", outcome="rejected",
                                error_type="rate_limit") > 0, SETTLED_SECONDS)
        wait_for(lambda: called(gateway, "report-writer", outcome="error",
                                error_type="connection") > 0, SETTLED_SECONDS)
    finally:
        world.heal()


def test_callers_of_an_engine_that_hangs_give_up_after_a_while(time: Time) -> None:
    seat = FLEET[0]
    engine = ScriptedEngine(seat.dialect, seat.workload, StoryClock(60, time), seconds=time)

    def outcomes(seconds: float) -> set[str]:
        time.now += seconds
        return {ending.error for ending in engine.endings()}

    assert "" in outcomes(30)
    engine.turn(Condition(hung=True))
    engine.endings()
    assert outcomes(PATIENCE_SECONDS - 1) == set()
    assert outcomes(20) == {"openai.APITimeoutError"}
    engine.turn(WELL)
    assert "" in outcomes(20)


def test_a_hosted_model_answers_as_often_as_it_is_asked(time: Time) -> None:
    model = HostedModel(StoryClock(60, time), seconds=time)
    model.turn(Condition(failing=0.25))
    endings: list[CallEnding] = []
    for _ in range(100):
        time.now += 1
        endings += model.endings()
    assert 1 - SWELL < len(endings) / 100 / CALLS_A_SECOND < 1 + SWELL
    turned_away = [ending for ending in endings if ending.error]
    assert abs(len(turned_away) / len(endings) - 0.25) < 0.02
    assert all(ending.first_token is None for ending in turned_away)
    first_tokens = sorted(ending.first_token for ending in endings if ending.first_token)
    assert first_tokens[int(0.95 * len(first_tokens))] < 0.5  # the demo's limit: all is well


def test_without_the_extra_it_goes_on_and_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text(BARE)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    with launched("demo", *ANYWHERE, "--from", "4", command=("bare",),
                  env={"PYTHONPATH": path, "PATH": ""}) as running:
        wait_for(lambda: "A lost GPU" in "".join(running.printed)
                 or running.process.poll() is not None, 2 * START_SECONDS)
        assert running.process.poll() is None, "".join(running.lines)
        (line,) = [line for line in running.printed if "inferometer[gateway]" in line]
        assert line.strip().startswith("No applications: ")
        printed = "".join(running.printed)
        assert "LLMClient" not in printed
        assert "A provider turns calls away" not in printed
