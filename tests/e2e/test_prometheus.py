"""A real Prometheus, the oldest supported and a current one, scrapes the exporter."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.exporter.support import Engine, exporter, fixture, free_port, get, wait_for

TOOLS = Path(os.environ.get("TOOLS", Path(__file__).parents[2] / ".cache" / "tools"))
CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: inferometer
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


class Prometheus:
    """A running Prometheus, asked through its HTTP API."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ready(self) -> bool:
        try:
            return get(self.port, "/-/ready", seconds=2).status == 200
        except OSError:
            return False

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        answer = json.loads(get(self.port, f"/api/v1/query?query={quote(expression)}").body)
        assert answer["status"] == "success", answer
        return [(r["metric"], float(r["value"][1])) for r in answer["data"]["result"]]


@pytest.fixture(params=["prometheus-2.42", "prometheus-3"])
def prometheus(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Prometheus]:
    with Engine(fixture("vllm/0.32.0/busy.prom")) as engine, exporter(
            "--engine", engine.url) as running:
        config, port = tmp_path / "prometheus.yml", free_port()
        config.write_text(CONFIG.format(port=running.port))
        with (tmp_path / "prometheus.log").open("w") as log:
            process = subprocess.Popen(
                [TOOLS / request.param / "prometheus", f"--config.file={config}",
                 f"--storage.tsdb.path={tmp_path / 'data'}",
                 f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
        try:
            asked = Prometheus(port)
            wait_for(asked.ready, 30)
            yield asked
        finally:
            process.kill()
            process.wait()


def test_it_takes_the_page_and_finds_every_label_under_its_own_name(
        prometheus: Prometheus) -> None:
    wait_for(lambda: prometheus.query("up == 1"), 30)
    wait_for(lambda: prometheus.query('llm_server_up{engine="vllm",model="tiny"} == 1'), 10)
    assert prometheus.query("llm_server_output_tokens_total")[0][1] == 13209
    for label in ("job", "instance", "namespace", "pod", "container", "node", "service", "cluster"):
        assert not prometheus.query(f'{{exported_{label}!=""}}'), label


def test_a_quantile_comes_out_of_the_histograms(prometheus: Prometheus) -> None:
    wait_for(lambda: prometheus.query("llm_server_time_to_first_token_seconds_bucket"), 30)
    [(_, p50)] = prometheus.query(
        "histogram_quantile(0.5, sum by (le) (llm_server_time_to_first_token_seconds_bucket))")
    assert 1.0 < p50 < 2.5  # 20 of 74 at or below 1 s, 48 at or below 2.5 s
