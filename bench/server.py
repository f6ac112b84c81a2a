"""A real Prometheus of one's own: written to, asked, and charged for what an answer costs."""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from bench.process import ROOT, Process, free_port, serving

TOOLS = Path(os.environ.get("TOOLS", ROOT / ".cache" / "tools"))
RELEASE = "prometheus-3"
LONGEST_SECONDS = 300


@dataclass(frozen=True)
class Memory:
    """What a Prometheus holds: series in its head, and bytes."""

    series: int
    live: int  # of its heap, by the latest collection
    resident: int  # of the process, files aside

    def __str__(self) -> str:
        return (f"{self.series} series, {self.live / self.series:.0f} bytes each live, "
                f"{self.resident / self.series:.0f} resident ({self.resident / 1e9:.2f} GB)")


@dataclass(frozen=True)
class Answer:
    """What one query gave, and took."""

    seconds: float
    cpu_seconds: float
    samples: int  # that the engine touched
    result: list[dict[str, Any]]
    error: str = ""


class Server:
    """A client of a running Prometheus, with the process that it measures."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", process.port, timeout=LONGEST_SECONDS + 30)

    def instant(self, expr: str, moment: float) -> Answer:
        """The query at one moment."""
        return self._ask("query", {"query": expr, "time": f"{moment:.3f}"})

    def over(self, expr: str, start: float, end: float, step: float) -> Answer:
        """The query at every step of a range."""
        return self._ask("query_range", {"query": expr, "start": f"{start:.3f}",
                                         "end": f"{end:.3f}", "step": f"{step:g}"})

    def number(self, expr: str, moment: float) -> float:
        """A query that gives one number; 0 where it gives none."""
        return sum(float(one["value"][1]) for one in self.instant(expr, moment).result)

    def own(self, name: str) -> float:
        """A figure of its own page, as the sum of its series."""
        return math.fsum(sample.value for sample in self._samples(name))

    def labelled(self, name: str, label: str) -> Mapping[str, float]:
        """A figure of its own page by the values of a label."""
        return {sample.labels[label]: sample.value for sample in self._samples(name)}

    def _samples(self, name: str) -> Iterator[Sample]:
        self._connection.request("GET", "/metrics")
        page = self._connection.getresponse().read().decode()
        families = text_string_to_metric_families(page)
        return (sample for one in families for sample in one.samples if sample.name == name)

    def memory(self) -> Memory:
        """What it holds now; its heap as it was after the latest garbage collection."""
        live = self.own("go_memstats_next_gc_bytes") / (1 + self.own("go_gc_gogc_percent") / 100)
        return Memory(int(self.own("prometheus_tsdb_head_series")), int(live),
                      self.process.own_bytes())

    def settle(self) -> None:
        """Wait until it has nothing to do: blocks are compacted after they were written."""
        quiet = 0
        while quiet < 3:
            before = self.process.cpu_seconds()
            time.sleep(1.0)
            quiet = quiet + 1 if self.process.cpu_seconds() - before < 0.05 else 0

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _ask(self, endpoint: str, query: Mapping[str, str]) -> Answer:
        began, before = time.perf_counter(), self.process.cpu_seconds()
        self._connection.request("POST", f"/api/v1/{endpoint}",
                                 urlencode({**query, "stats": "all"}),
                                 {"Content-Type": "application/x-www-form-urlencoded"})
        body = self._connection.getresponse().read()
        took, spent = time.perf_counter() - began, self.process.cpu_seconds() - before
        reply = json.loads(body)
        if reply["status"] != "success":
            return Answer(took, spent, 0, [], reply["error"])
        data = reply["data"]
        return Answer(took, spent, data["stats"]["samples"]["totalQueryableSamples"],
                      data["result"])


IDLE: Mapping[str, Any] = {"global": {"evaluation_interval": "1m"}}  # scrapes nobody


@contextlib.contextmanager
def prometheus(folder: Path, configuration: Mapping[str, Any] = IDLE) -> Iterator[Server]:
    """A Prometheus that keeps its data in the folder, until it is left."""
    config, port = folder / "prometheus.yml", free_port()
    config.write_text(json.dumps(configuration))
    command = (
        TOOLS / RELEASE / "prometheus", f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}", "--storage.tsdb.retention.time=400d",
        f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver",
        f"--query.timeout={LONGEST_SECONDS}s", "--query.max-samples=500000000",
        "--log.level=warn",
    )
    with serving("prometheus", command, port, folder) as process:
        server = Server(process)
        deadline = time.monotonic() + 300
        while not _is_ready(port):
            if time.monotonic() > deadline:
                raise RuntimeError(f"Prometheus is not ready: {folder / 'prometheus.log'}")
            time.sleep(0.1)
        with contextlib.closing(server):
            yield server


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == 200
