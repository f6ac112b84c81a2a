"""Captured engine pages through the real exporter, and on into virtual time.

One exporter reads every page as a target of its own while the pages go on. What it says of a
target, with all that it says of GPUs, money and itself, becomes a cluster of the page's name; its
series go on as they did between two scrapes, as if these were a minute apart. The kubelet says that
the GPUs are the engine's. An application calls each page's model and posts its spans.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from inferometer import catalogue as c
from tests.bundle.application import post_calls
from tests.bundle.promtool import SCRAPE, selector
from tests.bundle.promtool import Series as Input
from tests.exporter.gpu.fake_nvml import FakeNvml
from tests.exporter.support import (
    FIXTURES,
    Engine,
    Exporter,
    Page,
    Series,
    exporter,
    free_port,
    get,
    wait_for,
)

ENGINES = FIXTURES / "engines"
# Those that people reported are a few lines each, and say nothing that others do not.
PAGES = {str(file.relative_to(ENGINES).with_suffix("")): file.read_text()
         for file in sorted(ENGINES.rglob("*.prom")) if "reported" not in file.parts}
PATIENCE = 45.0  # seconds for a page of so many engines, on a busy machine
MODEL = "tiny"
CONFIG = """
gpu: {{interval_seconds: 0.2, time_to_live_seconds: 30}}
engines: {{timeout_seconds: 20, discover_ports: [], targets: [{targets}]}}
intake: {{listen: "127.0.0.1:{intake}", settle_seconds: 1}}
ledger: {{path: "{folder}/ledger.db"}}
prices: [{{model: {model}, self_hosted: true}}]
cost: {{gpu_hour_usd: {{NVIDIA H100 80GB HBM3: 3.6}}}}
fleet:
  monthly_usd: {{storage: 310, vector_db: 62, network: 31, other: 31}}
  overhead_percent: 10
  budgets_usd: {{day: 100, month: 3000}}
  limits: {{request_cost_usd: 0.1, million_tokens_cost_usd: 5, least_replicas: 1,
           goodput_ratio: 0.9}}
  models: {{{model}: {{budgets_usd: {{day: 10, month: 200}}}}}}
"""
DOCUMENTS = {"/version": b'{"version": "1.0"}'}  # beside the pages
GPUS = ("gpus 1", "set * name NVIDIA H100 80GB HBM3", "drift 0")
ABOUT_A_SCRAPE = {"up": 1.0, "scrape_duration_seconds": 0.1, "scrape_samples_scraped": 300.0,
                  "scrape_samples_post_metric_relabeling": 300.0, "scrape_series_added": 0.0}
# What it says of itself and of each group of rules.
ABOUT_A_GROUP = {"prometheus_rule_group_last_duration_seconds": 0.01,
                 "prometheus_rule_group_interval_seconds": 60.0,
                 "prometheus_rule_evaluation_failures_total": 0.0}
MINUTE = 60.0
CALLS = 40  # of the application between two scrapes
_TIME = re.compile(r"_(timestamp|start_time)_seconds$")
_SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(\{.*\})?\s+(\S+)")
_TYPE = re.compile(r"# TYPE (\S+) (\w+)")
_LE = re.compile(r',?\ble="([^"]+)"')
_PART = re.compile(r"_(total|bucket|count|sum|created)$")


class Captured:
    """A captured page that can be had as of later: what counts goes on, gauges stay.

    What has counted grows by as much as it had, so that histograms and sums of counters stay true;
    what has counted nothing grows by one, in a histogram from the middle bound on.
    """

    def __init__(self, page: str) -> None:
        lines = page.splitlines()
        self._kinds = {typed[1]: typed[2] for line in lines if (typed := _TYPE.match(line))}
        self._bounds: dict[tuple[str, str], list[float]] = {}
        for name, labels, _ in _SAMPLE.findall(page):
            if bound := _LE.search(labels):
                self._bounds.setdefault((name, _LE.sub("", labels)), []).append(float(bound[1]))
        self._lines = [self._line(line) for line in lines]

    def after(self, steps: float) -> str:
        """The page after that many times more of the load that made it."""
        return "".join(f"{begin}{value + steps * growth!r}\n" if growth else f"{begin}\n"
                       for begin, value, growth in self._lines)

    def _line(self, line: str) -> tuple[str, float, float]:
        """How the line begins, its value, and how much that grows; all of it if it does not."""
        sample = None if line.startswith("#") else _SAMPLE.match(line)
        if sample is None or not self._counts(sample[1]):
            return line, 0.0, 0.0
        name, labels, value = sample[1], sample[2] or "", float(sample[3])
        growth = value or float(not self._below_the_middle(name, labels))
        return (f"{name}{labels} ", value, growth) if growth > 0 else (line, 0.0, 0.0)

    def _counts(self, name: str) -> bool:
        stem = _PART.sub("", name)
        kind = self._kinds.get(name) or self._kinds.get(stem, "untyped")
        return kind != "gauge" and not name.endswith("_created")

    def _below_the_middle(self, name: str, labels: str) -> bool:
        bound = _LE.search(labels)
        if bound is None:
            return False
        bounds = sorted(self._bounds[name, _LE.sub("", labels)])
        return float(bound[1]) < bounds[len(bounds) // 2]


@dataclass(frozen=True)
class Course:
    """A series in virtual time: what it is at first, and its growth a minute."""

    name: str
    labels: Mapping[str, str]
    first: float
    growth: float

    @property
    def selector(self) -> str:
        """The series as PromQL writes it."""
        return selector(self.name, self.labels)

    def input(self, minutes: int, step: int = 1, before: str = "", after: str = "") -> Input:
        """As promtool takes it, a value every `step` minutes, and what comes before and after."""
        values = f"{self.first!r}+{step * self.growth!r}x{minutes // step}"
        return {"series": self.selector, "values": f"{before} {values} {after}".strip()}


@dataclass(frozen=True, eq=False)
class Cluster:
    """What one page became: whose labels the engine's series have, what it tells, and all series.
    """

    name: str
    labels: Mapping[str, str]
    signals: frozenset[str]  # signals
    series: Sequence[Course]

    def named(self, name: str) -> Sequence[Course]:
        """Its series of that name."""
        return self._by_name.get(name, ())

    @cached_property
    def _by_name(self) -> Mapping[str, Sequence[Course]]:
        by_name: dict[str, list[Course]] = {}
        for series in self.series:
            by_name.setdefault(series.name, []).append(series)
        return by_name


@dataclass(frozen=True)
class Scraped:
    """A page of ours and when it was had."""

    timestamp: float
    page: Page


def clusters(folder: Path, pages: Mapping[str, str]) -> list[Cluster]:
    """What the exporter says of these pages."""
    folder.mkdir(exist_ok=True)
    captured = {name: Captured(page) for name, page in pages.items()}
    fake, config, intake = FakeNvml(folder / "nvml"), folder / "inferometer.yml", free_port()
    fake.write(*GPUS)
    with Engine() as engine:
        targets = (f'{{url: "{engine.url}/{name}", name: "{name}"}}' for name in pages)
        config.write_text(CONFIG.format(
            targets=", ".join(targets), model=MODEL, intake=intake, folder=folder))
        with exporter(config=config, env=fake.env()) as running:
            scrapes: list[Scraped] = []
            for steps in (1, 2, 3):  # at the first one the counters we derive begin
                engine.paths = {**DOCUMENTS, **{
                    f"/{name}": page.after(steps) for name, page in captured.items()}}
                post_calls(intake, CALLS, MODEL)
                wait_for(partial(_has_counted, running, steps * CALLS), 30)
                wait_for(lambda: _observed(_page(running, "/metrics?collect[]=gpu"))
                         > (_observed(scrapes[-1].page) if scrapes else 0.0), 30)
                page = _page(running)
                scrapes.append(Scraped(time.time(), page))
    return [_cluster(name, *scrapes[1:]) for name in pages]


def _page(running: Exporter, path: str = "/metrics") -> Page:
    response = get(running.port, path, seconds=PATIENCE,
                   headers={"X-Prometheus-Scrape-Timeout-Seconds": "30"})
    assert response.status == 200, response.text
    return Page(response.text)


def signals_of(page: Page, target: str) -> frozenset[str]:
    """The signals that the exporter says it has of a target."""
    return frozenset(series.labels["signal"] for series in page.find(
        c.SERVER_SIGNAL.name, target=target) if series.labels["source"] != "unavailable")


def about_a_scrape(scrape: Mapping[str, str]) -> list[Course]:
    """What Prometheus adds to every scrape."""
    return [Course(name, scrape, value, 0.0) for name, value in ABOUT_A_SCRAPE.items()]


def _about_pods(scrape: Mapping[str, str], page: Page) -> list[Course]:
    """What an exporter beside a kubelet adds: the engine's pod has all GPUs there are."""
    pod = {c.POD_NAMESPACE.name: scrape["namespace"], c.POD_NAME.name: scrape["pod"],
           c.POD_CONTAINER.name: "engine", c.SHARED.name: "false"}
    return [Course(c.GPU_UNLISTED.name, scrape, 0.0, 0.0),
            *(Course(c.GPU_POD_INFO.name, {**scrape, **pod, "gpu": gpu.labels["gpu"],
                                           "uuid": gpu.labels["uuid"]}, 1.0, 0.0)
              for gpu in page.find(c.GPU_UP.name))]


def _about_prometheus(cluster: str) -> list[Course]:
    group = {"job": "prometheus", "instance": "127.0.0.1:9090", "cluster": cluster,
             "rule_group": "recording.rules.yml;inferometer-tokens"}
    return [Course(name, group, value, 0.0) for name, value in ABOUT_A_GROUP.items()]


def _has_counted(running: Exporter, calls: int) -> bool:
    """Whether so many calls of the application are counted."""
    return calls == sum(series.value for series in _page(running, "/metrics?collect[]=calls").find(
        c.CLIENT_REQUESTS.name))


def _observed(page: Page) -> float:
    """For how long the GPU was observed: while that stays, it has not been read again."""
    return page.value(c.GPU_OBSERVED.name) or 0.0


def _cluster(name: str, before: Scraped, after: Scraped) -> Cluster:
    up, = after.page.find(c.SERVER_UP.name, target=name)
    assert up.value == 1, f"{name} is not read"
    earlier = {_key(series): series.value for series in before.page.series}
    scrape = {**SCRAPE, "cluster": name}
    courses = [
        _course(_of_its_model(series, up), scrape, earlier[_key(series)], before.timestamp,
                after.timestamp)
        for series in after.page.series if _key(series) in earlier
        and series.labels.get("target", name) == name]
    return Cluster(name, {**scrape, **up.labels}, signals_of(after.page, name),
                   [*courses, *about_a_scrape(scrape), *_about_pods(scrape, after.page),
                    *_about_prometheus(name)])


def _of_its_model(series: Series, up: Series) -> Series:
    """What is configured of a model is configured of the one that is served, if that is known.

    What an application calls is what is served, whatever its name.
    """
    model = up.labels["model"] or ("" if "service_name" in series.labels else MODEL)
    configured = "target" not in series.labels and series.labels.get("model") == MODEL
    return replace(series, labels={**series.labels, "model": model}) if configured else series


def _course(series: Series, scrape: Mapping[str, str], earlier: float, before: float,
            after: float) -> Course:
    """How it goes on: virtual time begins at 0, and is as fast as the engines' pages were."""
    first, grown = series.value, series.value - earlier
    if _TIME.search(series.name):
        first, grown = first - after, MINUTE if grown else 0.0
    elif not _PART.search(series.name):
        grown = 0.0
    elif "target" not in series.labels:
        grown *= MINUTE / (after - before)
    return Course(series.name, {**scrape, **series.labels}, first, grown)


def _key(series: Series) -> tuple[str, frozenset[tuple[str, str]]]:
    return series.name, frozenset(series.labels.items())
