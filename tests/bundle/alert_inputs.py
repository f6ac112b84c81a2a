"""What engines say in cases of alerts: one model, two replicas, histograms, overrides."""

from __future__ import annotations

from collections.abc import Mapping

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from tests.bundle.promtool import SCRAPE, Series, growing, series

ENGINE = {"target": "chat", "engine": "vllm", "model": "tiny"}
OTHER = SCRAPE | {"instance": "10.0.0.2:9835", "pod": "inferometer-fghij"}  # another replica's
BARE = {"job": "inferometer", "instance": "10.0.0.1:9835"}  # without Kubernetes
MODEL = {"cluster": "east", "namespace": "chat", "engine": "vllm", "model": "tiny"}
TARGET = {**SCRAPE, **ENGINE}


def emit(metric: Metric, values: str, *, scrape: Mapping[str, str] = SCRAPE, suffix: str = "",
         **labels: str) -> Series:
    """What the engine says of itself."""
    return series(metric, values, scrape=scrape, suffix=suffix, **{**ENGINE, **labels})


def histogram(metric: Metric, buckets: Mapping[str, str], *, scrape: Mapping[str, str] = SCRAPE,
              **labels: str) -> tuple[Series, ...]:
    """Values by upper bound; those of the last one are the count."""
    return (*(emit(metric, values, scrape=scrape, suffix="_bucket", **{**labels, "le": bound})
              for bound, values in buckets.items()),
            emit(metric, buckets["+Inf"], scrape=scrape, suffix="_count", **labels))


def observed(metric: Metric, seconds: float, per_minute: float = 60, *, values: str = "",
             scrape: Mapping[str, str] = SCRAPE, **labels: str) -> tuple[Series, ...]:
    """A histogram of requests that all took between half of `seconds` and `seconds`."""
    counted = values or growing(per_minute, 240)
    buckets = {f"{seconds / 2}": "0x240", f"{seconds}": counted, "+Inf": counted}
    return histogram(metric, buckets, scrape=scrape, **labels)


def requests(outcome: str, values: str, *, scrape: Mapping[str, str] = SCRAPE,
             **labels: str) -> Series:
    """Requests that ended."""
    reason = {"success": "stop", "error": "engine_error", "rejected": "queue_requests",
              "invalid": "http_4xx", "abort": "abort"}[outcome]
    return emit(c.SERVER_REQUESTS, values, scrape=scrape,
                **{**labels, "outcome": outcome, "reason": reason})


def override(metric: Metric, limit: str, values: str, *, scrape: Mapping[str, str] = SCRAPE,
             model: str = "tiny") -> Series:
    """A limit as an exporter publishes it; no model: for all."""
    return series(metric, values, scrape=scrape, limit=limit, model=model)


UP = emit(c.SERVER_UP, "1x900")
