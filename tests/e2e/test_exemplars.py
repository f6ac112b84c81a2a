"""From a slow bucket to the trace of a call in it: real scrapes of a real gateway."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from dashboards import queries, requests
from inferometer import catalogue as c
from inferometer.exposition import OPENMETRICS
from tests.bundle.application import SERVICE, post_calls
from tests.bundle.composed import GENERATED, model
from tests.bundle.promtool import VERSIONS
from tests.bundle.running import prometheus
from tests.e2e.engines_of_rules import victoriametrics
from tests.e2e.gateways import Gateway, gateway
from tests.exporter.support import Engine, get, send, wait_for

pytestmark = pytest.mark.timeout(180)

PATIENCE_SECONDS = 60.0
MODEL = "tiny.en-1"  # a name that a regular expression would take for others
SLOW_SECONDS = 25
QUICK = 3  # calls of two seconds
PANEL = requests.CALLS_AND_TRACES.title
CHOSEN = {**dict.fromkeys(requests.BOARD.variables, ".*"), "model": MODEL}
BUCKETS = f"{c.CLIENT_DURATION.name}_bucket"
SCRAPED_BY_VICTORIAMETRICS = """
scrape_configs:
  - {{job_name: asked, scrape_interval: 1s, static_configs: [{{targets: ["{gateway}"]}}]}}
  - {{job_name: openmetrics, scrape_interval: 1s, static_configs: [{{targets: ["{openmetrics}"]}}]}}
"""


@pytest.fixture
def sent_to(tmp_path: Path) -> Iterator[tuple[Gateway, str, list[str]]]:
    """A gateway that has counted some calls, the trace of the slow one, and those of the others."""
    with gateway(tmp_path) as running:
        (slow,) = post_calls(running.intake, 1, MODEL, SLOW_SECONDS)
        quick = post_calls(running.intake, QUICK, MODEL)
        running.settled()
        yield running, slow, quick


def of_compose(folder: Path, target: str) -> tuple[Path, list[str]]:
    """The configuration of Compose's Prometheus, which scrapes this alone, and its features."""
    document = yaml.safe_load((GENERATED / "compose/prometheus.yml").read_text())
    job = document["scrape_configs"][0]
    job["static_configs"][0]["targets"] = [target]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump({
        "global": {"scrape_interval": "1s"}, "storage": document["storage"],
        "scrape_configs": [job]}))
    command = model("compose.yml")["services"]["prometheus"]["command"]
    return file, [flag for flag in command if flag.startswith("--enable-feature=")]


def exemplars(port: int, expr: str) -> dict[str, dict[str, Any]]:
    """What a Prometheus keeps of the last minutes for the series of this, by their bound."""
    now = time.time()
    path = urlencode({"query": expr, "start": now - 600, "end": now + 600})
    answer = json.loads(get(port, f"/api/v1/query_exemplars?{path}").body)
    assert answer["status"] == "success", answer
    return {series["seriesLabels"]["le"]: {**series["exemplars"][-1], **series["seriesLabels"]}
            for series in answer["data"]}


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_board_asks_leads_from_a_slow_bucket_to_the_trace_that_was_posted(
        version: str, sent_to: tuple[Gateway, str, list[str]], tmp_path: Path) -> None:
    running, slow, quick = sent_to
    asked, of_all = (query.expr for chosen in (CHOSEN, {**CHOSEN, "model": ".*"})
                     for query in queries(requests.BOARD, chosen) if query.panel == PANEL)
    config, features = of_compose(tmp_path, f"127.0.0.1:{running.running.port}")
    with prometheus(version, config, tmp_path, *features) as port:
        kept = wait_for(lambda: exemplars(port, asked), PATIENCE_SECONDS, 0.2)
        assert exemplars(port, of_all) == {}
    assert kept.keys() == {"2.0", "30.0"}
    assert kept["30.0"]["labels"] == {"trace_id": slow}
    assert float(kept["30.0"]["value"]) == SLOW_SECONDS
    assert kept["30.0"]["service_name"] == SERVICE
    assert kept["2.0"]["labels"]["trace_id"] in quick
    assert abs(kept["30.0"]["timestamp"] - time.time()) < PATIENCE_SECONDS + 180


@pytest.mark.heavy
def test_victoriametrics_takes_pages_with_exemplars_and_leaves_them_out(
        sent_to: tuple[Gateway, str, list[str]], tmp_path: Path) -> None:
    running, slow, _ = sent_to
    config, port = tmp_path / "scrape.yml", running.running.port
    page = get(port, headers={"Accept": OPENMETRICS}).text
    assert f'trace_id="{slow}"' in page
    with Engine(partial(send, body=page, kind=OPENMETRICS)) as repeated:
        config.write_text(SCRAPED_BY_VICTORIAMETRICS.format(
            gateway=f"127.0.0.1:{port}", openmetrics=repeated.name))
        with victoriametrics(tmp_path, f"-promscrape.config={config}") as server:
            def counted() -> dict[str, float]:
                return {series["metric"]["job"]: float(series["value"][1])
                        for series in server.query(f'{BUCKETS}{{le="30.0"}}', time.time())}
            calls = float(1 + QUICK)
            wait_for(lambda: counted() == {"asked": calls, "openmetrics": calls},
                     PATIENCE_SECONDS, 0.5)
            assert {series["value"][1] for series in server.query("up", time.time())} == {"1"}
