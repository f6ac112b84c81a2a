"""A Prometheus for the demo, with the shipped rules in a hurry: all durations divided."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import yaml

from inferometer.addresses import split_address
from inferometer.bundle import Options, render, runbook
from inferometer.demo.endpoint import LOOPBACK
from inferometer.demo.exporters import NODE_JOB, Targets
from inferometer.demo.fleet import CLUSTER
from inferometer.durations import milliseconds

START_SECONDS, STOP_SECONDS, ANSWER_SECONDS = 60.0, 10.0, 3.0
LOOKBACK_SECONDS = 300  # Prometheus' own, which is a duration too
SHORTEST_LOOKBACK_SECONDS = 5
SHORTEST_SCRAPE_MILLISECONDS = 1000  # in which a busy machine answers, too
PROGRAM = "prometheus"
# The exporter that shows all has the engines' families as well: each engine is counted once.
COUNT_ONCE = {"source_labels": ["__name__"], "regex": "llm_server_.*", "action": "drop"}
# Becomes a program that is ended with the process that started it, even if that is killed.
BECOME = """
import ctypes, os, signal, sys
prctl, PR_SET_PDEATHSIG = getattr(ctypes.CDLL(None), "prctl", None), 1  # of Linux
if prctl:
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
os.execv(sys.argv[1], sys.argv[1:])
"""
Fired = tuple[str, str]  # alert and severity


class PrometheusError(Exception):
    """Prometheus does not start."""


def find(given: str) -> str | None:
    """The program: the one given, or a folder's, or else the one on PATH. None if there is none.

    Raises PrometheusError if what is given is no program.
    """
    if not given:
        return shutil.which(PROGRAM)
    program = shutil.which(Path(given) / PROGRAM if Path(given).is_dir() else given)
    if program is None:
        raise PrometheusError(f"{given} is no program, and no folder with {PROGRAM}")
    return program


@dataclass(frozen=True)
class Site:
    """Whom a Prometheus scrapes: `targets`, all of them on `host`, and itself at `own`.

    `own` is HOST:PORT; `people` is the same as people reach it.
    """

    targets: Targets
    host: str
    own: str
    people: str


def write(folder: Path, site: Site, faster: int) -> None:
    """The bundle's rules, a configuration for the site, and the runbook, into the folder."""
    files = render(Options(cluster=CLUSTER, prometheus=site.own, faster=faster,
                           runbook_url=f"http://{site.people}/user"), ["prometheus/*"])
    document = yaml.safe_load(files.pop("prometheus/prometheus.yml"))
    (folder / "user").mkdir(parents=True, exist_ok=True)
    (folder / "user/runbook.md").write_text(runbook(), encoding="utf-8")
    for path, text in files.items():
        (folder / Path(path).name).write_text(text, encoding="utf-8")
    (folder / "prometheus.yml").write_text(yaml.safe_dump(_adapted(document, site)),
                                           encoding="utf-8")


def _adapted(document: dict[str, Any], site: Site) -> dict[str, Any]:
    """The bundle's configuration with the site's targets, and nobody to be told."""
    ours, itself, *_ = document["scrape_configs"]
    limits = {key: value for key, value in ours.items() if key.endswith("_limit")}
    jobs = [{"job_name": job, **limits,
             **({"metric_relabel_configs": [COUNT_ONCE]} if job == NODE_JOB else {}),
             "static_configs": [{"targets": [f"{site.host}:{port}"], "labels": dict(labels)}
                                for port, labels in scrapes]}
            for job, scrapes in site.targets.items()]
    pace = {**document["global"]}
    if milliseconds(pace["scrape_interval"]) < SHORTEST_SCRAPE_MILLISECONDS:
        pace["scrape_interval"] = f"{SHORTEST_SCRAPE_MILLISECONDS}ms"
    return {"global": pace, "rule_files": document["rule_files"],
            "scrape_configs": [*jobs, itself]}


class Prometheus:
    """A Prometheus that runs somewhere, asked over HTTP."""

    def __init__(self, address: str) -> None:
        self._host, self._port = split_address(address)

    @property
    def url(self) -> str:
        """Where people look at it."""
        return f"http://{self._host}:{self._port}"

    def is_ready(self) -> bool:
        """Whether it has started."""
        return self._get("/-/ready") is not None

    def firing(self) -> set[Fired] | None:
        """The alerts that fire now; None if it does not answer."""
        body = self._get("/api/v1/alerts")
        if body is None:
            return None
        return {(alert["labels"]["alertname"], alert["labels"].get("severity", ""))
                for alert in json.loads(body)["data"]["alerts"] if alert["state"] == "firing"}

    def _get(self, path: str) -> bytes | None:
        connection = HTTPConnection(self._host, self._port, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()
        return body if answer.status == 200 else None


class OwnPrometheus(Prometheus):
    """One that is started on a free port of loopback, and ended by its pid."""

    def __init__(self, program: str, folder: Path) -> None:
        super().__init__(f"{LOOPBACK}:{_free_port()}")
        self._program = program
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, targets: Targets, faster: int) -> None:
        """Start it with these targets, and wait until it is ready. Raises PrometheusError."""
        own = f"{self._host}:{self._port}"
        write(self._folder, Site(targets, LOOPBACK, own, own), faster)
        lookback = max(SHORTEST_LOOKBACK_SECONDS, LOOKBACK_SECONDS // faster)
        with (self._folder / "log").open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", BECOME, self._program,
                 "--config.file=prometheus.yml", "--storage.tsdb.path=data",
                 f"--query.lookback-delta={lookback}s", "--web.user-assets=user",
                 "--web.cors.origin=.*", f"--web.listen-address={self._host}:{self._port}"],
                cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)  # a Ctrl-C is for the demo, which ends this one itself
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if self._process is None or self._process.poll() is not None or (
                    time.monotonic() > deadline):
                self.stop()
                last = (self._folder / "log").read_text(errors="replace").splitlines()[-1:]
                raise PrometheusError(f"{self._program} does not start: {''.join(last)}")
            time.sleep(0.1)  # between two looks whether it is ready

    def stop(self) -> None:
        """End it, if it runs."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
