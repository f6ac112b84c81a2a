"""A synthetic fleet: nodes of eight GPUs and one vLLM each, as the exporters around it tell of it.

The engine's page is a captured one, ours is what the real exporter makes of it, of a fake driver,
and of the calls of an application; each node repeats them under its own names. A day's load goes
up and down, and where it is high requests take longer.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import parser as text
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics

from bench.node_page import GPUS_A_NODE, PRODUCT, exporter_page
from bench.remote_write import Instants, labels
from bench.vllm import PAGE
from inferometer.catalogue import OWN_CATEGORY

MODELS = tuple(f"model-{name}" for name in "abcdefgh")
PARTIES = {"vllm": 8000, "inferometer": 9839, "dcgm": 9400}  # who shows series, and its port
SCRAPE_SECONDS = 30
DAY = 86400
BEGIN = 1_784_073_600  # a midnight in July 2026
SAID_ONCE = ("inferometer_budget_", "inferometer_limit_")  # by the first node of a cluster

# Counters of GPUs and of money, by what they grow a second: at full load, and at none.
GROWTH = {
    "gpu_busy_seconds_total": (1.0, 0.0), "gpu_observed_seconds_total": (1.0, 1.0),
    "gpu_energy_joules_total": (650.0, 110.0), "gpu_pcie_bytes_total": (4e9, 1e6),
    "gpu_nvlink_bytes_total": (2e10, 0.0), "gpu_throttled_seconds_total": (0.1, 0.0),
    "llm_cost_usd_total": (2.5 / 3600, 2.5 / 3600), "llm_cost_gpu_idle_usd_total": (0, 2.5 / 3600),
}
# Gauges that follow the load, and those that tell the time.
WAVING = (
    "vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc",
    "llm_server_requests_running", "llm_server_requests_waiting",
    "llm_server_kv_cache_usage_ratio", "gpu_utilization_ratio", "gpu_power_watts",
    "gpu_temperature_celsius", "gpu_memory_bandwidth_utilization_ratio",
)
CLOCKS = (
    "llm_server_last_scrape_timestamp_seconds", "llm_server_last_progress_timestamp_seconds",
    "gpu_last_sample_timestamp_seconds",
)
SCRAPES_OF_THE_PAGE = 5  # in which a counter of the page grows by as much as it stood at
# What dcgm-exporter's own dashboard asks for, and about what it would be.
DCGM = {
    "DCGM_FI_DEV_GPU_TEMP": 70, "DCGM_FI_DEV_POWER_USAGE": 600, "DCGM_FI_DEV_SM_CLOCK": 1980,
    "DCGM_FI_DEV_GPU_UTIL": 95, "DCGM_FI_DEV_FB_USED": 75000,
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": 0.4,
}

Move = tuple[str, float, float]  # how a series moves, and by which two figures
Series = tuple[str, bytes, Move]  # who shows it, its labels, and how it moves


@dataclass(frozen=True)
class Hour:
    """What a node went through in an hour: its moments, load, and what has been done so far."""

    instants: Instants
    load: Sequence[float]
    done: Sequence[float]  # scrapes' worth of the page, in requests as quick as captured
    slow: Sequence[float]  # the same, in slower ones
    every: int  # seconds between two scrapes

    def samples(self, move: Move) -> bytes:
        """The samples of all series that move so."""
        return self.instants.samples(self.values(move))

    def values(self, move: Move) -> array[float]:
        """The values of all series that move so: how, and by which two figures."""
        kind, a, b = move
        return array("d", _MOVES[kind](self, a, b))


_MOVES: Mapping[str, Callable[[Hour, float, float], Iterable[float]]] = {
    "constant": lambda hour, a, _: [a] * len(hour.load),
    "wave": lambda hour, a, _: [a * share for share in hour.load],
    "clock": lambda hour, a, _: hour.instants.seconds,
    "events": lambda hour, a, b: [
        float(int(a * quick) + int(b * slow))
        for quick, slow in zip(hour.done, hour.slow, strict=True)],
    "sum": lambda hour, a, b: [
        a * quick + b * slow for quick, slow in zip(hour.done, hour.slow, strict=True)],
    "growth": lambda hour, a, b: [
        a * SCRAPES_OF_THE_PAGE * hour.every * done + b * (second - BEGIN)
        for done, second in zip(hour.done, hour.instants.seconds, strict=True)],
}


@dataclass(frozen=True)
class Point:
    """A series of a page, and how it moves."""

    name: str
    labels: Mapping[str, str]
    move: Move


@dataclass(frozen=True)
class Fleet:
    """So many nodes, and the series that each exporter shows of a node."""

    nodes: int
    engine: Sequence[Point]
    ours: Sequence[Point]
    every: int = SCRAPE_SECONDS
    scopes: Sequence[tuple[str, str]] = (("main", "models"),)

    @classmethod
    def of(cls, nodes: int, every: int = SCRAPE_SECONDS, page: str = "") -> Fleet:
        """A fleet of so many replicas, and eight times as many GPUs, scraped so often.

        `page` is what our exporter says of a node; by default one is asked.
        """
        ours = list(_points(page or exporter_page()))
        return cls(nodes, list(_points(PAGE.read_text())), [*ours, *_pods(ours)], every)

    def series(self, node: int) -> Iterator[Series]:
        """Every series of a node: the exporter that shows it, its labels, and how it moves."""
        number, model = f"{node:03d}", MODELS[node % len(MODELS)]
        for party in PARTIES:
            target = self.target(node, party)
            shown = list(self.shown(party, number, model, self.is_first(node)))
            for name, value in _scrape(len(shown)).items():
                yield party, labels(name, target), ("constant", value, 0.0)
            for point in shown:
                yield party, labels(point.name, {**target, **point.labels}), point.move

    def once(self, node: int) -> Iterator[Series]:
        """Of the first node of a cluster, what is told of the whole cluster."""
        number, model, party = f"{node:03d}", MODELS[node % len(MODELS)], "inferometer"
        target = self.target(node, party)
        for point in self.shown(party, number, model, first=True):
            if _said_once(point):
                yield party, labels(point.name, {**target, **point.labels}), point.move

    def scope(self, node: int) -> tuple[str, str]:
        """The node's cluster and namespace; all models are in each."""
        return self.scopes[node // len(MODELS) % len(self.scopes)]

    def is_first(self, node: int) -> bool:
        """Whether the node is the first one of its cluster, which tells of the whole cluster."""
        cluster = self.scope(node)[0]
        first = next(i for i, scope in enumerate(self.scopes) if scope[0] == cluster)
        return node == first * len(MODELS)

    def target(self, node: int, party: str) -> Mapping[str, str]:
        """The labels that the scrape gives to all of an exporter's series."""
        number, model = f"{node:03d}", MODELS[node % len(MODELS)]
        cluster, namespace = self.scope(node)
        return {"cluster": cluster, "namespace": namespace, "node": f"node-{number}",
                "pod": f"{model}-{number}", "job": party,
                "instance": f"10.0.{node // 250}.{node % 250 + 1}:{PARTIES[party]}"}

    def shown(self, party: str, number: str, model: str, first: bool) -> Iterator[Point]:
        """What an exporter of a node shows, under the node's own names."""
        points = {"vllm": self.engine, "inferometer": self.ours}.get(party) or _dcgm(number)
        for point in points:
            if first or not _said_once(point):
                yield Point(point.name, _renamed(point.labels, number, model), point.move)

    def hour(self, node: int, begin: int, end: int) -> Hour:
        """The load of a node at each scrape; nodes are scraped one after another."""
        # Computed from BEGIN on at every call: the past is short, and nothing need be kept.
        offset = 1 + node * (self.every - 1) // self.nodes
        moments = range(BEGIN + offset, end + 1, self.every)
        load = [_load(moment, node) for moment in moments]
        done = [total / SCRAPES_OF_THE_PAGE for total in accumulate(load)]
        slow = [total / SCRAPES_OF_THE_PAGE
                for total in accumulate(max(0.0, share - 0.7) for share in load)]
        first = next(i for i, moment in enumerate(moments) if moment > begin)
        return Hour(Instants(list(moments[first:])), load[first:], done[first:], slow[first:],
                    self.every)


def _scrape(series: int) -> Mapping[str, float]:
    """What Prometheus itself says of each scrape."""
    return {"up": 1.0, "scrape_samples_scraped": series, "scrape_series_added": 0.0,
            "scrape_samples_post_metric_relabeling": series, "scrape_duration_seconds": 0.01}


def _load(moment: int, node: int) -> float:
    return 0.55 + 0.4 * math.sin(2 * math.pi * (moment - BEGIN) / DAY + node % 7 / 5) \
        + 0.05 * math.sin(moment / 171 + node)


def _said_once(point: Point) -> bool:
    return point.name.startswith(SAID_ONCE) or (
        point.name == "llm_cost_usd_total" and not point.labels.get("uuid")
        and point.labels["category"] != OWN_CATEGORY)


def _renamed(point_labels: Mapping[str, str], number: str, model: str) -> Mapping[str, str]:
    if service := point_labels.get("service_name"):
        return {**point_labels, "service_name": f"{service}-{number}"}
    if point_labels.get("category") == OWN_CATEGORY:
        return point_labels
    own = {"uuid": f"{point_labels.get('uuid')}-{number}", "model": model, "model_name": model,
           "k8s_pod_name": f"{model}-{number}"}
    return {name: own[name] if name in own and value else value
            for name, value in point_labels.items()}


def _pods(points: Iterable[Point]) -> Iterator[Point]:
    """The pod of each GPU, as the kubelet would give it: the node's engine has all of them."""
    pod = {"k8s_namespace_name": "models", "k8s_pod_name": "named by the node",
           "k8s_container_name": "engine", "shared": "false"}
    for point in points:
        if point.name == "gpu_up":
            yield Point("gpu_pod_info", {**point.labels, **pod}, ("constant", 1.0, 0.0))


def _dcgm(number: str) -> Iterator[Point]:
    for gpu in range(GPUS_A_NODE):
        point_labels = {"gpu": str(gpu), "UUID": f"GPU-{gpu}-{number}", "device": f"nvidia{gpu}",
                        "pci_bus_id": f"00000000:{gpu:02x}:00.0", "Hostname": f"node-{number}",
                        "modelName": PRODUCT, "DCGM_FI_DRIVER_VERSION": "570.00.01"}
        for name, value in DCGM.items():
            yield Point(name, point_labels, ("wave", value, 0.0))


def _points(page: str) -> Iterator[Point]:
    read = openmetrics if page.endswith("# EOF\n") else text
    for family in read.text_string_to_metric_families(page):
        below: dict[str, float] = {}
        for sample in family.samples:
            others = str({k: v for k, v in sample.labels.items() if k != "le"})
            slower = below.get(others, 0.0)  # a bound further on for the same number of requests
            if sample.name.endswith("_bucket") and sample.labels["le"] != "+Inf":
                below[others] = sample.value
            else:
                slower = sample.value
            yield Point(sample.name, sample.labels,
                        _move(family, sample.name, sample.value, slower))


def _move(family: Metric, name: str, value: float, slower: float) -> Move:
    if name in GROWTH:
        full, none = GROWTH[name]
        return "growth", full - none, none
    if name in CLOCKS:
        return "clock", 0.0, 0.0
    if name in WAVING:
        return "wave", value, 0.0
    if family.type not in ("counter", "histogram", "summary") or not value:
        return "constant", value, 0.0
    if name.startswith(("gpu_", "inferometer_")):
        return "constant", value, 0.0
    if name.endswith("_sum"):
        return "sum", value, 2 * value
    return "events", value, slower
