"""Every board and number to scale on asked in a real Prometheus that scrapes a real exporter."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest

from dashboards import DASHBOARDS, BoardQuery, queries
from recording_rules import GROUPS
from tests.bundle.needs import Needs
from tests.bundle.test_never_blank import scaled
from tests.bundle.virtual import Cluster, Course, about_a_scrape, signals_of
from tests.e2e.ailing import Patient
from tests.e2e.alerting import Stack, stack
from tests.exporter.gpu.fake_nvml import FakeNvml
from tests.exporter.support import Exporter, Page, exporter, get, wait_for

pytestmark = pytest.mark.timeout(180)

VERSION = "3"
FASTER = 60
PATIENCE_SECONDS = 60.0
RANGE_SECONDS = 60
CONFIG = """
web: {{enable_alert_log: true}}
gpu: {{interval_seconds: 0.5, time_to_live_seconds: 5}}
engines: {{discover_ports: [], targets: [{{url: "{url}", name: chat}}]}}
cost: {{gpu_hour_usd: {{NVIDIA H100 80GB HBM3: 3.6}}}}
fleet:
  monthly_usd: {{storage: 310}}
  budgets_usd: {{day: 100, month: 3000}}
  limits: {{request_cost_usd: 0.1, million_tokens_cost_usd: 5, least_replicas: 1,
           goodput_ratio: 0.9}}
"""
SCRAPE = {"job": "inferometer", "cluster": VERSION, "namespace": "llm", "node": "127.0.0.1"}


def test_every_panel_of_every_board_has_data_where_the_engine_tells(tmp_path: Path) -> None:
    patient, gpus, config = Patient(), FakeNvml(tmp_path / "nvml"), tmp_path / "inferometer.yml"
    gpus.write("gpus 1", "set * name NVIDIA H100 80GB HBM3", "drift 0")
    config.write_text(CONFIG.format(url=patient.url))
    needs = Needs(rule for group in GROUPS for rule in group.rules)
    try:
        with (exporter(config=config, env=gpus.env()) as running,
              stack(VERSION, tmp_path / VERSION, running, FASTER) as live):
            wait_for(lambda: running.scrape().value("llm_server_output_tokens_total"), 10)
            cluster = seen(running, live)
            asked = {asked: needs.answered(asked.expr, cluster) for board in DASHBOARDS
                     for asked in queries(board, {
                         "cluster": VERSION, "namespace": ".*", "engine": "vllm",
                         "model": "tiny", "node": ".*", "pod": ".*", "service_name": ".*"})}
            asked |= {BoardQuery("", name, expr, "", instant=True): needs.answered(expr, cluster)
                      for name, expr in scaled(VERSION).items()}
            blank = [question for question, answer in asked.items() if answer]
            assert len(blank) > len(asked) / 2
            end = time.monotonic() + PATIENCE_SECONDS
            while blank and time.monotonic() < end:
                time.sleep(1)
                blank = [question for question in blank if not answered(live, question)]
            assert not blank, "\n".join(f"{question.board} / {question.panel}: {question.expr}"
                                        for question in blank)
            for question, answer in asked.items():
                assert answer is not False or not answered(live, question), question
    finally:
        patient.die()


def seen(running: Exporter, live: Stack) -> Cluster:
    """The series of the exporter and of Prometheus itself, with the labels of their scrapes."""
    page = running.scrape()
    scrape = {**SCRAPE, "instance": f"127.0.0.1:{running.port}"}
    itself = {"job": "prometheus", "cluster": VERSION}
    up, = page.find("llm_server_up", target="chat")
    series = [Course(sample.name, {**labels, **sample.labels}, sample.value, 0.0)
              for labels, target_page in (
                  (scrape, page), (itself, Page(get(live.prometheus.port).text)))
              for sample in target_page.series]
    return Cluster(VERSION, {**scrape, **up.labels}, signals_of(page, "chat"),
                   [*series, *about_a_scrape(scrape)])


def answered(live: Stack, question: BoardQuery) -> bool:
    """Whether Prometheus has data, now or over the range that the board shows."""
    if question.instant:
        return bool(live.prometheus.query(question.expr))
    now = time.time()
    reply = json.loads(get(live.prometheus.port, "/api/v1/query_range?" + urlencode({
        "query": question.expr, "start": now - RANGE_SECONDS, "end": now, "step": 1})).body)
    assert reply["status"] == "success", reply
    return bool(reply["data"]["result"])
