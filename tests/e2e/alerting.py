"""The whole way of an alert, in a hurry: Prometheus, Alertmanager and those who are told.

All of it is real and as the build generates it, but for durations, which are divided, and for the
receivers that need somebody else's service: in their stead a webhook writes down what comes.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from alerts import routing
from deploy.build.bundle import assemble
from deploy.build.files import render
from inferometer.bundle.options import ALERT_LOG, Addresses, Options
from tests.bundle.promtool import TOOLS
from tests.e2e.test_prometheus import Prometheus
from tests.exporter.support import Exporter, free_port, get, send, wait_for

START_SECONDS = 60.0
LOOKBACK_SECONDS = 300  # Prometheus' own, which is a duration too
RESEND_SECONDS = 5  # what fires before Alertmanager is found is told when it is sent again
OWN_ADDRESS = "127.0.0.1:9090"  # where the generated configuration has Prometheus find itself


@dataclass(frozen=True, order=True)
class Notice:
    """What somebody is told of one alert."""

    receiver: str
    alert: str
    severity: str
    status: str


class Receivers:
    """Webhooks on loopback, a path for each receiver, that keep what came."""

    def __init__(self) -> None:
        self.came: list[Notice] = []
        keep = self._keep

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                keep(self.path[1:], self.rfile.read(int(self.headers["Content-Length"])))
                send(self, "")

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, receiver: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{receiver}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _keep(self, receiver: str, body: bytes) -> None:
        self.came += [Notice(receiver, alert["labels"]["alertname"], alert["labels"]["severity"],
                             alert["status"]) for alert in json.loads(body)["alerts"]]


@dataclass
class Stack:
    """One version's Prometheus and Alertmanager, and the notices that they have sent."""

    version: str
    prometheus: Prometheus
    receivers: Receivers
    exporter: Exporter

    def notices(self) -> set[Notice]:
        """All that came by webhook, and all in the exporter's log."""
        return {*self.receivers.came} | {*self._logged()}

    def _logged(self) -> Iterator[Notice]:
        receiver = ""
        for line in self.exporter.logged():
            receiver = line.get("receiver", receiver)  # the first of a notification has it
            if line["message"] == "alert" and line["labels"]["cluster"] == self.version:
                labels = line["labels"]
                yield Notice(receiver, labels["alertname"], labels["severity"], line["status"])

    def firing(self) -> set[tuple[str, str]]:
        """Alerts that fire, whoever is told of them, with their severity."""
        return {(labels["alertname"], labels["severity"])
                for labels, _ in self.prometheus.query('ALERTS{alertstate="firing"}')}


@contextlib.contextmanager
def stack(version: str, folder: Path, exporter: Exporter, faster: int) -> Iterator[Stack]:
    """Both of a version, ready; the version is the name of the cluster that they watch."""
    folder.mkdir()
    own, manager, receivers = free_port(), free_port(), Receivers()
    options = Options(
        exporters=f"127.0.0.1:{exporter.port}", alertmanagers=f"127.0.0.1:{manager}",
        cluster=version, namespace="llm", faster=faster, addresses=Addresses(
            alert_log=f"http://127.0.0.1:{exporter.port}{ALERT_LOG}"))
    for path, text in render(assemble(), options).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text.replace(OWN_ADDRESS, f"127.0.0.1:{own}"))
    _tell_here(folder / "alertmanager/alertmanager.yml", receivers)
    with contextlib.ExitStack() as started:
        started.callback(receivers.close)
        started.enter_context(_running(folder, f"prometheus-{version}/prometheus", own, (
            "--config.file=prometheus/prometheus.yml", "--storage.tsdb.path=data",
            f"--query.lookback-delta={LOOKBACK_SECONDS // faster}s",
            f"--rules.alert.resend-delay={RESEND_SECONDS}s")))
        started.enter_context(_running(folder, f"alertmanager-{version}/alertmanager", manager, (
            "--config.file=alertmanager/alertmanager.yml", "--storage.path=told",
            "--cluster.listen-address=")))
        wait_for(lambda: _ready(own) and _ready(manager), START_SECONDS)
        yield Stack(version, Prometheus(own), receivers, exporter)


def _tell_here(file: Path, receivers: Receivers) -> None:
    """Let all be told by webhook, except what the exporter itself writes down."""
    configuration = yaml.safe_load(file.read_text())
    for receiver in configuration["receivers"]:
        if receiver["name"] != routing.TIERS["info"][0]:
            receiver_name = receiver["name"]
            receiver.clear()
            receiver.update(name=receiver_name, webhook_configs=[
                {"url": receivers.url(receiver_name), "send_resolved": True}])
    file.write_text(yaml.safe_dump(configuration))


@contextlib.contextmanager
def _running(folder: Path, program: str, port: int, flags: Sequence[str]) -> Iterator[None]:
    with (folder / f"{Path(program).name}.log").open("w") as log:
        process = subprocess.Popen(
            [TOOLS / program, *flags, f"--web.listen-address=127.0.0.1:{port}"],
            cwd=folder, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.kill()
            process.wait()


def _ready(port: int) -> bool:
    try:
        return get(port, "/-/ready", seconds=2).status == 200
    except OSError:
        return False
