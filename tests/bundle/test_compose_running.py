"""Compose's services without its engine: their commands, files and checks, by real programs."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import yaml

from tests.bundle.composed import GENERATED, ROOT, Network, Service, model
from tests.bundle.promtool import TOOLS, VERSIONS
from tests.e2e.test_prometheus import Prometheus
from tests.exporter.support import Engine, Exporter, exporter, fixture, free_port, get, wait_for

START_SECONDS = 60.0
TOLD = {"alertname": "Told", "severity": "info", "team": "observability"}


@pytest.fixture(scope="module")
def services() -> Mapping[str, Service]:
    loaded: Mapping[str, Service] = model("compose.yml")["services"]
    return loaded


@contextlib.contextmanager
def exporting(services: Mapping[str, Service],
              folder: Path) -> Iterator[tuple[Network, Exporter]]:
    """The exporter with Compose's configuration, an engine where it looks for one, a network."""
    ports = {name: free_port() for name in services}
    with Engine(fixture("vllm/0.32.0/busy.prom")) as engine:
        staged = Network(services, folder / "staged", {**ports, "engine": engine.port})
        config = staged.root("inferometer") / "etc/inferometer/inferometer.yml"
        with exporter(config=config) as running:
            yield Network(services, folder, {**ports, "inferometer": running.port}), running


@pytest.mark.parametrize("version", VERSIONS)
def test_promtool_and_amtool_take_what_is_mounted(
        version: str, services: Mapping[str, Service], tmp_path: Path) -> None:
    network = Network(services, tmp_path, dict.fromkeys(services, 1))
    for service, program, check in (("prometheus", "promtool", ("check", "config")),
                                    ("alertmanager", "amtool", ("check-config",))):
        mounted = network.root(service) / "etc" / service / f"{service}.yml"
        done = subprocess.run([TOOLS / f"{program}-{version}" / program, *check, mounted],
                              capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_loads_every_rule_scrapes_all_and_shows_the_runbook(
        services: Mapping[str, Service], tmp_path: Path) -> None:
    with exporting(services, tmp_path) as (network, _):
        root = network.root("prometheus")
        hurried(root / "etc/prometheus/prometheus.yml", "scrape_interval: 30s")
        with network.running("alertmanager"), network.running("prometheus"):
            asked = Prometheus(network.ports["prometheus"])
            wait_for(lambda: network.healthy("prometheus"), START_SECONDS)
            assert loaded(asked.port) == written()
            shown = get(asked.port, "/user/runbook.md")
            assert shown.body == (ROOT / "alerts/runbook.md").read_bytes()
            wait_for(lambda: {labels["job"] for labels, _ in asked.query("up == 1")} == {
                "inferometer", "prometheus", "alertmanager"}, START_SECONDS)
            wait_for(lambda: asked.query('llm_server_up{target="engine",engine="vllm"} == 1'),
                     START_SECONDS)
        assert not network.healthy("prometheus")


def hurried(file: Path, duration: str) -> None:
    """Let a second do where the file has one of its longer durations."""
    text = file.read_text()
    assert duration in text
    file.write_text(text.replace(duration, f"{duration.split()[0]} 1s"))


def loaded(port: int) -> dict[str, int]:
    """How many rules a Prometheus has, by their group."""
    groups = json.loads(get(port, "/api/v1/rules").body)["data"]["groups"]
    return {group["name"]: len(group["rules"]) for group in groups}


def written() -> dict[str, int]:
    """How many rules the files have, by their group."""
    return {group["name"]: len(group["rules"])
            for file in ("compose/alerts.rules.yml", "prometheus/recording.rules.yml")
            for group in yaml.safe_load((GENERATED / file).read_text())["groups"]}


def test_alertmanager_starts_without_a_secret_and_the_exporter_logs_what_is_info(
        services: Mapping[str, Service], tmp_path: Path) -> None:
    with exporting(services, tmp_path) as (network, running):
        root = network.root("alertmanager")
        hurried(root / "etc/alertmanager/alertmanager.yml", "group_wait: 1m")
        secrets = {file.name for file in (root / "etc/alertmanager/secrets").iterdir()}
        assert secrets == {"README.md", ".gitignore"}
        with network.running("alertmanager"):
            wait_for(lambda: network.healthy("alertmanager"), START_SECONDS)
            fire(network.ports["alertmanager"])
            logged = wait_for(lambda: [line for line in running.logged()
                                       if line["message"] == "alert"], START_SECONDS)
        assert [line["labels"] for line in logged] == [TOLD]
        assert not network.healthy("alertmanager")


def fire(port: int) -> None:
    """Tell an Alertmanager of an alert."""
    request = Request(f"http://127.0.0.1:{port}/api/v2/alerts", json.dumps([
        {"labels": TOLD}]).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        assert answer.status == 200
