"""The same hours of the same series, and what our rules record of them in two rule engines.

Both take hour by hour, and in it rule after rule, each after those whose results it reads: what a
chain gives is what it would have given at the time, had no rule lagged behind another.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import struct
import subprocess
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench.backfill import HOUR, Step, answers, in_order
from bench.fleet import BEGIN
from bench.remote_write import Instants, Writer, labels
from bench.server import Server, prometheus
from recording_rules import GROUPS
from tests.bundle.promtool import TOOLS, Series
from tests.exporter.support import free_port, get, wait_for

MINUTE = 60
SCRAPED_AFTER = 15  # seconds into the minute; rules are evaluated on it
WARM_HOURS = 2  # without rules: windows of an hour begin before the counters do
LONGEST_SECONDS = 300
LAST_MINUTES = 100  # are long enough for what is no straight line
STALE = struct.unpack("<d", struct.pack("<Q", 0x7ff0000000000002))[0]  # Prometheus' own NaN
STEPS = in_order(GROUPS)
Identity = tuple[str, frozenset[tuple[str, str]]]  # a recorded series: its name and labels
Recorded = dict[Identity, dict[int, float]]  # second → value


@dataclass(frozen=True)
class History:
    """Input series, each with its moments, in seconds from the begin, and values; all in order."""

    series: Mapping[bytes, Sequence[tuple[int, float]]]
    hours: int

    @classmethod
    def of(cls, inputs: Iterable[Series], hours: int) -> History:
        """Of promtool's notation, a value a minute: a straight line lasts throughout, what else
        there is comes last.
        """
        return cls({labels_of(one["series"]): [
            (MINUTE * number + SCRAPED_AFTER, value) for number, value in enumerate(
                _values(one["values"], hours * 60)) if value is not None] for one in inputs}, hours)

    def write(self, writer: Writer, hour: int) -> None:
        """One hour of all."""
        moments: dict[tuple[int, ...], Instants] = {}
        hours: list[tuple[bytes, bytes]] = []
        for label_bytes, samples in self.series.items():
            begin, end = (bisect_left(samples, (number * HOUR,)) for number in (hour, hour + 1))
            seconds = tuple(BEGIN + second for second, _ in samples[begin:end])
            if seconds not in moments:
                moments[seconds] = Instants(seconds)
            hours.append((label_bytes, moments[seconds].samples(
                [value for _, value in samples[begin:end]])))
        writer.write(hours)


@contextlib.contextmanager
def in_prometheus(history: History, folder: Path) -> Iterator[tuple[Server, Recorded]]:
    """A Prometheus, and what it has recorded."""
    recorded: Recorded = {}
    with prometheus(folder) as server, Writer(server.process.port) as writer:
        for hour in range(history.hours):
            history.write(writer, hour)
            for step in STEPS if hour >= WARM_HOURS else ():
                begin = -(-(BEGIN + hour * HOUR) // step.seconds) * step.seconds
                for others, seconds, values in answers(
                        server, step, begin, BEGIN + (hour + 1) * HOUR - 1):
                    identity = step.rule.name, frozenset(others.items())
                    recorded.setdefault(identity, {}).update(zip(seconds, values, strict=True))
                    writer.write([(labels(step.rule.name, others),
                                   Instants(seconds).samples(values))])
        yield server, recorded


@contextlib.contextmanager
def in_victoriametrics(history: History, folder: Path) -> Iterator[tuple[Victoria, Recorded]]:
    """A VictoriaMetrics, and what vmalert has recorded in it, which replays."""
    layers = [*_layers(folder)]
    with victoriametrics(folder) as server, Writer(server.port) as writer:
        for hour in range(history.hours):
            history.write(writer, hour)
            server.flush()
            for rules in layers if hour >= WARM_HOURS else ():
                begin = BEGIN + hour * HOUR
                server.vmalert(
                    f"-rule={rules}", f"-httpListenAddr=127.0.0.1:{free_port()}",
                    f"-replay.timeFrom={_written(begin)}",
                    f"-replay.timeTo={_written(begin + HOUR - 1)}", "-replay.rulesDelay=0",
                    "-replay.disableProgressBar", "-replay.ruleRetryAttempts=1")
                server.flush()
        yield server, server.recorded()


@dataclass(frozen=True)
class Victoria:
    """A running VictoriaMetrics."""

    port: int

    def ask(self, path: str, **query: str) -> bytes:
        """The body of an answer. Raises AssertionError for a refusal."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONGEST_SECONDS)
        with contextlib.closing(connection):
            connection.request("POST", path, urlencode(query),
                               {"Content-Type": "application/x-www-form-urlencoded"})
            answer = connection.getresponse()
            body = answer.read()
        assert answer.status // 100 == 2, f"{path}: {answer.status} {body[:500]!r}"
        return body

    def query(self, expr: str, end: float, begin: float | None = None,
              step: float = MINUTE) -> list[dict[str, Any]]:
        """Series at a moment, or at every step up to it."""
        where = {"time": f"{end}"} if begin is None else {
            "start": f"{begin}", "end": f"{end}", "step": f"{step}"}
        path = "/api/v1/query" if begin is None else "/api/v1/query_range"
        result: list[dict[str, Any]] = json.loads(
            self.ask(path, query=expr, nocache="1", **where))["data"]["result"]
        return result

    def flush(self) -> None:
        """Show what was written."""
        self.ask("/internal/force_flush")

    def recorded(self) -> Recorded:
        """All that rules have recorded."""
        series = map(json.loads, self.ask(
            "/api/v1/export", **{"match[]": '{__name__=~".+:.+"}'}).splitlines())
        return {(one["metric"].pop("__name__"), frozenset(one["metric"].items())): {
            moment // 1000: value for moment, value in zip(
                one["timestamps"], one["values"], strict=True)} for one in series}

    def vmalert(self, *flags: str) -> None:
        """Run it to its end. Raises AssertionError if it fails, or says that a rule does."""
        process = subprocess.run(self.command(*flags), capture_output=True, text=True, check=False,
                                 timeout=LONGEST_SECONDS)
        output = process.stdout + process.stderr
        assert process.returncode == 0, output
        assert not re.search(r"\t(error|fatal)\t", output), output

    def command(self, *flags: str) -> Sequence[str | Path]:
        """vmalert that asks here and writes here."""
        address = f"http://127.0.0.1:{self.port}"
        return (TOOLS / "vmalert" / "vmalert", f"-datasource.url={address}",
                f"-remoteWrite.url={address}", "-remoteWrite.flushInterval=100ms",
                f"-remoteRead.url={address}", "-disableAlertgroupLabel", "-loggerLevel=WARN",
                *flags)


@contextlib.contextmanager
def victoriametrics(folder: Path, *flags: str) -> Iterator[Victoria]:
    """One that keeps its data and its log in the folder."""
    port, log = free_port(), folder / "victoria-metrics.log"

    def ready() -> bool:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError):
            return get(port, "/health", seconds=2).status == 200
        return False

    with log.open("w") as written:
        process = subprocess.Popen(
            [TOOLS / "victoria-metrics" / "victoria-metrics", "-retentionPeriod=100y",
             f"-storageDataPath={folder / 'victoria'}", f"-httpListenAddr=127.0.0.1:{port}",
             "-search.latencyOffset=0s", "-loggerLevel=WARN", *flags],
            stdout=written, stderr=written)
    try:
        wait_for(ready, 60)
        yield Victoria(port)
    finally:
        process.kill()
        process.wait()


def _layers(folder: Path) -> Iterator[Path]:
    """Files of rules, each of those that read nothing but what the files before it record."""
    depths: dict[str, int] = {}
    layers: dict[int, dict[int, list[Step]]] = {}
    for step in STEPS:
        needs = {*re.findall(r"\w+:[\w:]+", step.rule.expr)} - {step.rule.name}
        depth = 1 + max((depths.get(name, -1) for name in needs), default=-1)
        depths[step.rule.name] = max(depth, depths.get(step.rule.name, 0))
        layers.setdefault(depth, {}).setdefault(step.seconds, []).append(step)
    for depth, groups in sorted(layers.items()):
        path = folder / f"rules-{depth}.json"
        path.write_text(json.dumps({"groups": [
            {"name": f"{seconds}s", "interval": f"{seconds}s", "rules": [
                {"record": step.rule.name, "expr": step.rule.expr, "labels": {**step.rule.fixed}}
                for step in steps]} for seconds, steps in groups.items()]}))
        yield path


def labels_of(selector: str) -> bytes:
    """A series as it is written."""
    name, _, inner = selector.partition("{")
    return labels(name, {key: json.loads(value) for key, value in re.findall(
        r'(\w+)=("(?:\\.|[^"\\])*")', inner)})


def _values(text: str, count: int) -> Sequence[float | None]:
    parts = text.split()
    if len(parts) == 1:
        return _part(text, count)
    last = [value for part in parts for value in _part(part)][:LAST_MINUTES]
    return ([None] * (count - LAST_MINUTES) + last + [None] * LAST_MINUTES)[:count]


def _part(text: str, count: int = 0) -> list[float | None]:
    """So many values of a line, or as many as are written."""
    if text == "stale":
        return [STALE]
    parts = re.fullmatch(r"(_|[\d.e]+)(?:\+([\d.e]+))?x(\d+)", text)
    assert parts, f"no straight line: {text}"
    if parts[1] == "_":
        return [None] * int(parts[3])
    return [float(parts[1]) + float(parts[2] or 0) * number
            for number in range(count or int(parts[3]) + 1)]


def _written(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
