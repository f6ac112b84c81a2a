"""What a gateway says in cases of rules and alerts: one application that calls one model."""

from __future__ import annotations

from collections.abc import Mapping

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from tests.bundle.promtool import SCRAPE, Series, growing, series

# The gateway's own namespace and pod are no part of whose call it is.
GATEWAY = SCRAPE | {"instance": "10.0.0.7:9839", "namespace": "inferometer", "pod": "gateway-0"}
SECOND = GATEWAY | {"instance": "10.0.0.8:9839", "pod": "gateway-1"}
CALL = {"provider": "openai", "model": "gpt-4o-mini", "operation": "chat", "service_name": "shop"}
CALLER = {"cluster": "east", "service_name": "shop", "provider": "openai", "model": "gpt-4o-mini"}
ERROR_TYPES = {"success": "", "error": "server", "rejected": "rate_limit",
               "invalid": "bad_request", "abort": "cancelled"}


def spoken(metric: Metric, values: str, *, scrape: Mapping[str, str] = GATEWAY, suffix: str = "",
         **labels: str) -> Series:
    """What the gateway says of the calls."""
    return series(metric, values, scrape=scrape, suffix=suffix, **{**CALL, **labels})


def calls(outcome: str, values: str, *, scrape: Mapping[str, str] = GATEWAY, **labels: str
          ) -> Series:
    """Calls that ended."""
    return spoken(c.CLIENT_REQUESTS, values, scrape=scrape, outcome=outcome,
                error_type=ERROR_TYPES[outcome], **labels)


def took(metric: Metric, buckets: Mapping[str, float], minutes: int = 120, *,
         total: float = 24, scrape: Mapping[str, str] = GATEWAY, **labels: str
         ) -> tuple[Series, ...]:
    """A histogram, of which each bucket and the sum grow by so much a minute."""
    return (*(spoken(metric, growing(number, minutes), scrape=scrape, suffix="_bucket", le=bound,
                   **labels) for bound, number in buckets.items()),
            spoken(metric, growing(buckets["+Inf"], minutes), scrape=scrape, suffix="_count",
                 **labels),
            spoken(metric, growing(total, minutes), scrape=scrape, suffix="_sum", **labels))
