"""A real exporter beside a hostile engine, and all that must hold of every page it serves."""

from __future__ import annotations

import contextlib
import math
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.openmetrics import parser as openmetrics

from inferometer import catalogue as c
from inferometer.exposition import OPENMETRICS
from tests.exporter.process import ANYWHERE, ready, started
from tests.exporter.support import Behaviour, Engine, Exporter, Page, fixture, get
from tests.exporter.test_golden import PROMTOOLS, lint

BUSY = fixture("vllm/0.32.0/busy.prom")
TOKENS = "vllm:generation_tokens_total"
ENDED = "vllm:request_success_total"
RUNNING = "vllm:num_requests_running"
TTFT = "vllm:time_to_first_token_seconds"
BOUNDS = ("0.1", "1.0", "10.0", "+Inf")
MOST = {f"{metric.name}{suffix}": metric.max_series for metric in c.METRICS
        for suffix in ("", "_bucket", "_count", "_sum")}


@dataclass
class Bed:
    """An exporter, a hostile engine and a good one."""

    running: Exporter
    bad: Engine
    good: Engine
    megabytes: float  # that the exporter may ever hold
    good_series: frozenset[tuple[object, ...]] = frozenset()  # with their labels

    def serve(self, page: bytes | str | Behaviour) -> None:
        self.bad.serve(page)

    def scrape(self, seconds: float = 10.0) -> Page:
        """The page, after checking all that must hold of every page."""
        began = time.monotonic()
        page = self.running.scrape(**{"X-Prometheus-Scrape-Timeout-Seconds": f"{seconds:g}"})
        assert time.monotonic() - began < seconds
        assert page.value("inferometer_collector_success", collector="engines") == 1
        assert page.value("llm_server_up", target="good") == 1
        good_series = frozenset(
            (series.name, frozenset(series.labels.items())) for series in page.series
            if series.labels.get("target") == "good")
        self.good_series = self.good_series or good_series
        assert good_series == self.good_series
        series = Counter((series.name, frozenset(series.labels.items())) for series in page.series)
        assert max(series.values()) == 1
        for name, count in Counter(series.name for series in page.series).items():
            assert count <= MOST.get(name, 10), name
        assert self.peak_megabytes() < self.megabytes
        return page

    def prove(self) -> None:
        """Have the page read by the strictest parsers there are."""
        response = get(self.running.port, headers={"Accept": OPENMETRICS}, seconds=30)
        assert response.headers["Content-Type"] == OPENMETRICS
        assert list(openmetrics.text_string_to_metric_families(response.text))  # type: ignore[no-untyped-call]
        page = get(self.running.port, seconds=30)
        old, new = PROMTOOLS
        lint(old, page.body)
        if len(page.body) < 2**17:  # of more it makes seconds
            lint(new, page.body)

    def peak_megabytes(self) -> float:
        """The most memory that the exporter ever had, in MB."""
        status = Path(f"/proc/{self.running.process.pid}/status").read_text()
        match = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert match
        return int(match[1]) / 1024

    def why(self) -> str:
        """Why the hostile engine is down, as the log has it."""
        return str([line["why"] for line in self.running.logged()
                    if line.get("target") == "bad"][-1])


@contextlib.contextmanager
def made_bed(folder: Path, megabytes: float = 100, seconds: float = 5.0) -> Iterator[Bed]:
    """A fresh one; the engines have so many seconds to answer."""
    with Engine(BUSY) as bad, Engine(BUSY) as good:
        config = folder / "inferometer.yml"
        config.write_text(
            f"gpu: {{enabled: false}}\nengines:\n  timeout_seconds: {seconds}\n  targets:\n"
            f"  - {{url: {bad.url}, name: bad}}\n  - {{url: {good.url}, name: good}}\n")
        with started(*ANYWHERE, "--config", config) as running:
            bed = Bed(ready(running), bad, good, megabytes)
            yield bed
            print(f"{bed.peak_megabytes():.0f} MB at most")


def family(name: str, kind: str, *lines: tuple[str, float | str]) -> str:
    """A family of the page: what stands between the braces, and the value."""
    return f"# TYPE {name} {kind}\n" + "".join(
        f"{name}{{{labels}}} {value}\n" for labels, value in lines)


def tokens(*models: tuple[str, float | str]) -> str:
    return family(TOKENS, "counter", *((f'model_name="{model}"', n) for model, n in models))


def histogram(model: str, buckets: Iterable[tuple[str, object]], count: object = None,
              total: object = None) -> str:
    """The lines of one histogram, without its TYPE."""
    named = f'model_name="{model}"'
    text = "".join(f'{TTFT}_bucket{{{named},le="{le}"}} {n}\n' for le, n in buckets)
    text += f"{TTFT}_count{{{named}}} {count}\n" if count is not None else ""
    return text + (f"{TTFT}_sum{{{named}}} {total}\n" if total is not None else "")


def models(names: Iterable[str], value: int = 1) -> str:
    """A page of two counters, a gauge and a histogram for each model, all of this value."""
    names = list(names)
    stop = [(f'finished_reason="stop",model_name="{name}"', value) for name in names]
    running = [(f'model_name="{name}"', value) for name in names]
    return (tokens(*((name, value) for name in names)) + family(ENDED, "counter", *stop)
            + family(RUNNING, "gauge", *running) + f"# TYPE {TTFT} histogram\n"
            + "".join(histogram(name, [(le, value) for le in BOUNDS], value, value)
                      for name in names))


def total(page: Page, name: str, **labels: str) -> float:
    """All that is said of the hostile engine under a name, added up."""
    return math.fsum(page.values(name, target="bad", **labels))


def totals(page: Page) -> list[float]:
    """Tokens, requests and histogram of the hostile engine, each over all its models."""
    return [total(page, "llm_server_output_tokens_total"),
            total(page, "llm_server_requests_total"),
            total(page, "llm_server_time_to_first_token_seconds_count"),
            total(page, "llm_server_time_to_first_token_seconds_sum"),
            *(total(page, "llm_server_time_to_first_token_seconds_bucket", le=le)
              for le in BOUNDS)]


def served(page: Page) -> set[str]:
    """The models of the hostile engine."""
    return {series.labels["model"] for series in page.find("llm_server_output_tokens_total",
                                                           target="bad")}
