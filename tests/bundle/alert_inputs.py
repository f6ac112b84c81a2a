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
UP = series(c.SERVER_UP, "1x900", **ENGINE)


def observed(metric: Metric, seconds: float, per_minute: float = 60, *, values: str = "",
             scrape: Mapping[str, str] = SCRAPE, **labels: str) -> tuple[Series, ...]:
    """A histogram of requests that all took between half of `seconds` and `seconds`."""
    counted = values or growing(per_minute, 240)
    none = "0x240"
    own = {**ENGINE, **labels}
    return (
        series(metric, none, suffix="_bucket", le=f"{seconds / 2}", scrape=scrape, **own),
        series(metric, counted, suffix="_bucket", le=f"{seconds}", scrape=scrape, **own),
        series(metric, counted, suffix="_bucket", le="+Inf", scrape=scrape, **own),
        series(metric, counted, suffix="_count", scrape=scrape, **own),
    )


def requests(outcome: str, values: str, *, scrape: Mapping[str, str] = SCRAPE,
             **labels: str) -> Series:
    """Requests that ended."""
    reason = {"success": "stop", "error": "engine_error", "rejected": "queue_requests",
              "invalid": "http_4xx", "abort": "abort"}[outcome]
    return series(c.SERVER_REQUESTS, values, scrape=scrape,
                  **ENGINE, outcome=outcome, reason=reason, **labels)


def override(metric: Metric, limit: str, values: str, *, scrape: Mapping[str, str] = SCRAPE,
             model: str = "tiny") -> Series:
    """A limit as an exporter publishes it; no model: for all."""
    return series(metric, values, scrape=scrape, limit=limit, model=model)
