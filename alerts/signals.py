"""What engines no longer tell, or tell in ways that do not add up: boards and alerts go blind."""

from __future__ import annotations

from alerts.model import SIGNALS, Alert, AlertGroup
from alerts.promql import MIN_RATE, MODEL_IN_WORDS
from inferometer import catalogue as c
from recording_rules.bounds import HISTOGRAMS, MIXED
from recording_rules.promql import MODEL, SCOPE, any_of, by, on
from recording_rules.requests import RATE, SUCCESS
from recording_rules.tokens import OUTPUT

_KIND = (*SCOPE, c.ENGINE.name)
_SIGNAL = (*MODEL, "signal")
_REPORTED, _MISSING = any_of(c.SOURCE, "native", "derived"), any_of(c.SOURCE, "unavailable")


def _signals(matcher: str, when: str = "") -> str:
    return f"count {by(_SIGNAL)} ({c.SERVER_SIGNAL.name}{{{matcher}}}{when})"


# Engines show some families from their first request on only: it waits for requests.
_BUSY = f"(sum {by(MODEL)} ({RATE}{{{SUCCESS}}}) >= {MIN_RATE} or {OUTPUT} > 0)"

SIGNAL_LOST = Alert(
    "LLMSignalLost", SIGNALS, "warning",
    f"({_signals(_MISSING)} unless {_signals(_REPORTED)}) and {_signals(_REPORTED, ' offset 1h')} "
    f"and {on(MODEL)} {_BUSY}",
    summary="The engine no longer reports a signal that it did report.",
    description=f"{MODEL_IN_WORDS}: {{{{ $labels.signal }}}} was reported an hour ago, and is by "
                "none of {{ $value | humanize }} replicas now.",
    board="exporter")
FAMILIES_UNKNOWN = Alert(
    "LLMFamiliesUnknown", SIGNALS, "info",
    f"max {by(_KIND)} ({c.UNKNOWN_FAMILIES.name}) > "
    f"max {by(_KIND)} (max_over_time({c.UNKNOWN_FAMILIES.name}[1d] offset 1h))",
    summary="The engine has new families that the exporter does not know.",
    description="{{ $labels.engine }}: {{ $value | humanize }} families of a page are unknown, "
                "more than in the day before.",
    board="exporter")
BOUNDS_MIXED = Alert(
    "LLMHistogramBoundsMixed", SIGNALS, "info",
    " or ".join(f'label_replace({MIXED[metric]}, "signal", "{metric.signal}", "", "")'
                for metric in HISTOGRAMS),
    summary="Replicas report a histogram with different bounds, so it has no p50 and p99.",
    description=f"{MODEL_IN_WORDS}: {{{{ $labels.signal }}}} of {{{{ $value | humanize }}}} "
                "replicas does not add up.",
    board="exporter")

GROUP = AlertGroup("inferometer-signal-alerts", (SIGNAL_LOST, FAMILIES_UNKNOWN, BOUNDS_MIXED))
