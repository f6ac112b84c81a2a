"""Who has Prometheus, Alertmanager and Grafana already does as docs/install.md says.

The snippets are the document's own. Only addresses and folders are put in the place of its
examples, and a second for its half minute.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from inferometer.cli import main
from tests.bundle.promtool import TOOLS, VERSIONS
from tests.bundle.running import asked, evaluated, prometheus_process
from tests.e2e.test_prometheus import Prometheus
from tests.exporter.support import Engine, exporter, fixture, send, wait_for
from tests.install import blocks, section

ROOT = Path(__file__).parents[2]
PAGE = section((ROOT / "docs/install.md").read_text(), "I already have Prometheus and Grafana")
FILES = "/etc/inferometer"  # where the document puts them
FASTER = 60
PATIENCE = 60.0

PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s, external_labels: {{region: north}}}}
rule_files: [shop.rules.yml]
scrape_configs:
  - {{job_name: shop, static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{team: web}}}}]}}
"""
SHOP = """
groups:
  - name: shop
    rules:
      - {record: "shop:orders:sum", expr: sum(shop_orders)}
      - {alert: Watchdog, expr: vector(1), labels: {severity: none}}
"""
ALERTMANAGER = """
global: {resolve_timeout: 2m}
route:
  receiver: web
  group_by: [alertname]
  routes:
    - {receiver: heartbeat, matchers: [alertname="Watchdog"]}
    - {receiver: log, matchers: [severity="info"]}
receivers:
  - name: web
  - name: heartbeat
  - name: log
  - name: YOUR_CHAT
  - name: YOUR_PAGER
  - name: YOUR_LOG
inhibit_rules:
  - {source_matchers: [severity="critical"], target_matchers: [team="web"], equal: [shop]}
"""


def block(beginning: str) -> str:
    """The one snippet that begins so."""
    (snippet,) = [text for text in blocks(PAGE) if text.startswith(beginning)]
    return snippet


def run(version: str, folder: Path, command: str) -> str:
    """What the command prints, with the tools of a version and files of the folder."""
    tools = (TOOLS / f"{name}-{version}" for name in ("promtool", "amtool"))
    path = os.pathsep.join(map(str, (Path(sys.executable).parent, *tools, os.environ["PATH"])))
    done = subprocess.run(["sh", "-ec", command.replace(FILES, str(folder / "files"))],
                          cwd=folder, capture_output=True, text=True, check=False, timeout=60,
                          env={**os.environ, "PATH": path, "GRAFANA_TOKEN": "secret"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the document's command writes, in a hurry, as `files`."""
    folder = tmp_path_factory.mktemp("existing")
    command = block("inferometer bundle").strip().replace(FILES, str(folder / "files"))
    assert main([*shlex.split(command)[1:], "--faster", str(FASTER)]) == 0
    return folder


def extended(theirs: dict[str, Any], snippet: str) -> dict[str, Any]:
    """Their file with the snippet's entries at the ends of its lists."""
    return theirs | {key: theirs[key] + added for key, added in yaml.safe_load(snippet).items()}


def test_the_scrape_job_is_the_generated_one(bundled: Path) -> None:
    generated = yaml.safe_load((bundled / "files/prometheus/prometheus.yml").read_text())
    ours = yaml.safe_load(block("# prometheus.yml"))["scrape_configs"]
    assert [{"scrape_interval": "30s"} | generated["scrape_configs"][0]] == ours


@pytest.mark.parametrize("version", VERSIONS)
def test_promtool_takes_the_extended_configuration(version: str, bundled: Path) -> None:
    theirs = yaml.safe_load(PROMETHEUS.format(port=1))
    snippet = block("# prometheus.yml").replace(FILES, str(bundled / "files"))
    (bundled / "shop.rules.yml").write_text(SHOP)
    (bundled / "prometheus.yml").write_text(yaml.safe_dump(extended(theirs, snippet)))
    run(version, bundled, block("promtool check").splitlines()[0])


def test_a_prometheus_takes_up_ours_and_goes_on_with_its_own(
        bundled: Path, tmp_path: Path) -> None:
    with (Engine("shop_orders 7\n") as shop, Engine(fixture("vllm/0.32.0/busy.prom")) as engine,
          exporter("--engine", engine.url) as running):
        config, rules = tmp_path / "prometheus.yml", tmp_path / "shop.rules.yml"
        theirs = yaml.safe_load(PROMETHEUS.format(port=shop.port))
        config.write_text(yaml.safe_dump(theirs))
        rules.write_text(SHOP)
        with prometheus_process("3", config, tmp_path) as (process, port):
            before = asked(port, "rules")["groups"]
            snippet = block("# prometheus.yml").replace(FILES, str(bundled / "files")).replace(
                "127.0.0.1:9839", f"127.0.0.1:{running.port}").replace("30s", "1s")
            config.write_text(yaml.safe_dump(extended(theirs, snippet)))
            process.send_signal(signal.SIGHUP)
            wait_for(lambda: len(asked(port, "rules")["groups"]) > len(before), PATIENCE)
            live = Prometheus(port)
            for question in block("up{").splitlines():
                wait_for(partial(live.query, question), PATIENCE)
            wait_for(lambda: live.query('model:llm_server_up:count{cluster="prod"}'), PATIENCE)
            assert not [rule for rule in evaluated(port) if rule["health"] != "ok"]
            assert [shape(group) for group in asked(port, "rules")["groups"]
                    if group["name"] == "shop"] == [shape(group) for group in before]
            assert wait_for(lambda: live.query("shop_orders"), PATIENCE) == [({
                "__name__": "shop_orders", "job": "shop", "team": "web",
                "instance": f"127.0.0.1:{shop.port}"}, 7.0)]
            for recorded in ("shop:orders:sum == 7", 'ALERTS{severity="none"}'):
                wait_for(partial(live.query, recorded), PATIENCE)


def shape(group: dict[str, Any]) -> tuple[str, list[str]]:
    return group["file"], [f"{rule['name']}: {rule['query']}" for rule in group["rules"]]


def routed(version: str, folder: Path, file: str, *labels: str) -> list[str]:
    return run(version, folder, f"amtool config routes test --config.file={file} "
               + shlex.join(labels)).split(",")


@pytest.mark.parametrize("version", VERSIONS)
def test_an_alertmanager_takes_our_routes_and_keeps_its_own(version: str, bundled: Path) -> None:
    (bundled / "alertmanager.yml").write_text(ALERTMANAGER)
    (bundled / "merge.py").write_text(block("# merge.py"))
    merging, checking, testing = block("python3 merge.py").splitlines()
    run(version, bundled, f"{merging}\n{checking}")
    assert run(version, bundled, testing).strip() == "inferometer-page"
    for ours, receivers in {
            ("severity=info", "team=hardware"): ["inferometer-log"],
            ("severity=critical", "team=finance"): ["inferometer-finance", "inferometer-page"],
            ("severity=info", "alertname=Watchdog"): ["inferometer-dead-mans-switch"],
            ("severity=other",): ["inferometer-unrouted"]}.items():
        assert [name.strip() for name in routed(
            version, bundled, "merged.yml", "subject=engine", *ours)] == receivers
    for labels in (("alertname=Watchdog", "severity=none"), ("severity=critical", "team=web"),
                   ("severity=info",)):
        assert routed(version, bundled, "merged.yml", *labels) == routed(
            version, bundled, "alertmanager.yml", *labels)
    theirs, merged = (yaml.safe_load((bundled / name).read_text())
                      for name in ("alertmanager.yml", "merged.yml"))
    assert merged["global"]["resolve_timeout"] == "2m"
    assert merged["inhibit_rules"][:1] == theirs["inhibit_rules"]
    assert merged["receivers"][:6] == theirs["receivers"]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_alertmanager_sends_ours_to_receivers_that_it_has(version: str, bundled: Path) -> None:
    theirs = yaml.safe_load(ALERTMANAGER)
    added = yaml.safe_load(block("# alertmanager.yml"))["route"]["routes"]
    generated = yaml.safe_load((bundled / "files/alertmanager/alertmanager.yml").read_text())
    theirs["route"]["routes"] = added + theirs["route"]["routes"]
    theirs["inhibit_rules"] += generated["inhibit_rules"]
    (bundled / "own.yml").write_text(yaml.safe_dump(theirs))
    run(version, bundled, "amtool check-config own.yml")
    for labels, receiver in {("subject=gpu", "severity=critical"): "YOUR_PAGER",
                             ("subject=gpu", "severity=warning"): "YOUR_CHAT",
                             ("subject=watchdog", "severity=info"): "YOUR_LOG",
                             ("severity=critical",): "web"}.items():
        assert routed(version, bundled, "own.yml", *labels) == [f"{receiver}\n"]


def test_every_board_is_in_the_folder_that_grafana_is_to_read(bundled: Path) -> None:
    provisioning = yaml.safe_load(block("# /etc/grafana/provisioning"))
    (provider,) = provisioning["providers"]
    folder = provider["options"]["path"].replace(FILES, str(bundled / "files"))
    assert [json.loads(board.read_text())["schemaVersion"]
            for board in Path(folder).glob("*.json")] == [42] * 10


def test_every_board_is_posted_to_the_api(bundled: Path) -> None:
    came: list[tuple[str, str | None, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            came.append((self.path, self.headers["Authorization"], body))
            send(self, "{}")

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        run("3", bundled, block("for board").replace(
            "https://grafana.example.org", f"http://127.0.0.1:{server.server_port}"))
        server.shutdown()
    assert {path for path, _, _ in came} == {"/api/dashboards/db"}
    assert {authorization for _, authorization, _ in came} == {"Bearer secret"}
    assert {body["dashboard"]["uid"] for _, _, body in came} == {
        file.stem for file in (bundled / "files/dashboards").glob("*.json")}
