"""The vLLM page the prometheus_client way: as the engine's own objects, and parsed and said anew.

    python -m bench.prometheus native PORT             the engine's process: objects, registry, HTTP
    python -m bench.prometheus sidecar PORT ENGINE     another that fetches, parses and says it anew
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from urllib.request import urlopen

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    Summary,
    start_http_server,
)
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from bench.vllm import PAGE

KINDS = {"counter": Counter, "gauge": Gauge, "summary": Summary}
OWN = ("python_", "process_")  # said by collectors of prometheus_client itself

# The families of the page that the exporter's table reads, as the parser calls them.
WANTED = frozenset((
    "http_requests", "process_start_time_seconds", "vllm:admission_rejections",
    "vllm:cache_config_info", "vllm:e2e_request_latency_seconds", "vllm:generation_tokens",
    "vllm:inter_token_latency_seconds", "vllm:kv_cache_usage_perc", "vllm:num_preemptions",
    "vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:prefix_cache_hits",
    "vllm:prefix_cache_queries", "vllm:prompt_tokens", "vllm:prompt_tokens_cached",
    "vllm:request_decode_time_seconds", "vllm:request_prefill_time_seconds",
    "vllm:request_queue_time_seconds", "vllm:request_success",
    "vllm:request_time_per_output_token_seconds", "vllm:time_to_first_token_seconds",
))


class Native:
    """A registry that holds the page's families as the engine's own code would."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._moves: list[Callable[[], None]] = []
        for own in (ProcessCollector, PlatformCollector, GCCollector):
            own(registry=self.registry)
        for family in text_string_to_metric_families(PAGE.read_text()):
            # What the objects say themselves is not said twice.
            if not family.name.endswith("_created") and not family.name.startswith(OWN):
                self._build(family)

    def step(self) -> None:
        """What happens between two scrapes: everything that was ever counted counts on."""
        for move in self._moves:
            move()

    def _build(self, family: Metric) -> None:
        names = [name for name in dict.fromkeys(
            name for sample in family.samples for name in sample.labels)
            if (family.type, name) != ("histogram", "le")]
        if family.type == "histogram":
            bounds = dict.fromkeys(
                float(s.labels["le"]) for s in family.samples if "le" in s.labels)
            parent: MetricWrapperBase = Histogram(family.name, family.documentation, names,
                                                  registry=self.registry, buckets=tuple(bounds))
        else:
            parent = KINDS[family.type](family.name, family.documentation, names,
                                        registry=self.registry)
        for sample in family.samples:
            labels = {name: sample.labels[name] for name in names}
            child = parent.labels(**labels) if names else parent
            self._fill(child, sample.name.removeprefix(family.name), sample.labels, sample.value)

    def _fill(self, child: MetricWrapperBase, suffix: str, labels: dict[str, str],
              value: float) -> None:
        if isinstance(child, Gauge):
            child.set(value)
        elif isinstance(child, Counter):
            child.inc(value)
            if value:
                self._moves.append(child.inc)
        elif isinstance(child, Histogram) and suffix == "_bucket":
            bound = float(labels["le"])
            place = child._upper_bounds.index(bound)
            child._buckets[place].inc(value - sum(b.get() for b in child._buckets[:place]))
            if value and bound < float("inf"):
                self._moves.append(lambda: child.observe(bound))
        elif isinstance(child, Summary) and suffix == "_count":
            child._count.inc(value)
            self._moves.append(lambda: child.observe(1.0))
        elif isinstance(child, Histogram | Summary) and suffix == "_sum":
            child._sum.inc(value)


class Sidecar(Collector):
    """Parses a page and renders the families that the exporter reads, under other names."""

    def __init__(self, fetch: Callable[[], str]) -> None:
        self._fetch = fetch

    def collect(self) -> Iterable[Metric]:
        """The families, with the exporter's own labels."""
        for family in text_string_to_metric_families(self._fetch()):
            if family.name in WANTED:
                renamed = Metric("llm_server_" + family.name.removeprefix("vllm:"),
                                 family.documentation, family.type)
                for sample in family.samples:
                    labels = {"target": "chat", "engine": "vllm", **sample.labels}
                    labels["model"] = labels.pop("model_name", "")
                    renamed.add_sample(renamed.name + sample.name.removeprefix(family.name), labels,
                                       sample.value)
                yield renamed


def main(role: str, port: int, engine: int = 0) -> None:
    """Serve until killed."""
    registry = CollectorRegistry()
    if role == "native":
        registry = Native().registry
    else:
        registry.register(Sidecar(
            lambda: urlopen(f"http://127.0.0.1:{engine}/metrics").read().decode()))
    start_http_server(port, "127.0.0.1", registry)
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
