"""Signals that engines no longer report, or do not report alike: boards and alerts go blind."""

from __future__ import annotations

from alerts import words
from alerts.model import SIGNALS, Alert, AlertGroup
from inferometer import catalogue as c
from recording_rules.bounds import HISTOGRAMS, MIXED
from recording_rules.capacity import RUNNING
from recording_rules.promql import ENOUGH_RATE, HOUR, MODEL, SCOPE, any_of, by, on
from recording_rules.requests import RATE, SUCCESS
from recording_rules.tokens import OUTPUT

_KIND = (*SCOPE, c.ENGINE.name)
_SIGNAL = (*MODEL, "signal")
_REPORTED, _MISSING = any_of(c.SOURCE, "native", "derived"), any_of(c.SOURCE, "unavailable")


# What comes and goes with the features in use, as an adapter does, is not lost.
_SELDOM = f'signal!~"{"|".join(metric.signal for metric in c.SELDOM_METRICS)}"'


def _signals(matcher: str, when: str = "") -> str:
    return f"count {by(_SIGNAL)} ({c.SERVER_SIGNAL.name}{{{matcher}, {_SELDOM}}}{when})"


def _unknown(when: str = "") -> str:
    return f"max {by(_KIND)} ({c.UNKNOWN_FAMILIES.name}{when})"


# Engines show some families from their first request on only: it waits for requests. What counts
# them may be lost as well, and comes back as families that are unknown.
_BUSY = (f"(sum {by(MODEL)} ({RATE}{{{SUCCESS}}}) >= {ENOUGH_RATE} or {OUTPUT} > 0 "
         f"or max_over_time({RUNNING}[15m]) > 0 or {_signals(_MISSING)} "
         f"and {on(_KIND)} {_unknown()} > {_unknown(f' offset {HOUR}')})")

SIGNAL_LOST = Alert(
    "LLMSignalLost", SIGNALS, "warning",
    f"({_signals(_MISSING)} unless {_signals(_REPORTED)}) "
    f"and {_signals(_REPORTED, f' offset {HOUR}')} and {on(MODEL)} {_BUSY}",
    summary="Engines no longer report a signal that they reported before.",
    description="{{ $labels.signal }} is missing on all replicas "
                f"({{{{ $value | humanize }}}}) of {words.MODEL}, and was there {HOUR} ago. "
                "Alerts and panels that use it are blind.",
    board="exporter")
FAMILIES_UNKNOWN = Alert(
    "LLMFamiliesUnknown", SIGNALS, "info",
    f"{_unknown()} > "
    f"max {by(_KIND)} (max_over_time({c.UNKNOWN_FAMILIES.name}[1d] offset {HOUR}))",
    summary="Engines have new metric families that the exporter does not read.",
    description=f"A page of {words.ENGINE} has {{{{ $value | humanize }}}} families that the "
                "exporter does not know, more than on any page of the last day.",
    board="exporter")
BOUNDS_MIXED = Alert(
    "LLMHistogramBoundsMixed", SIGNALS, "info",
    " or ".join(f'label_replace({MIXED[metric]}, "signal", "{metric.signal}", "", "")'
                for metric in HISTOGRAMS),
    summary="Replicas of a model report a histogram with different bounds.",
    description=f"{{{{ $labels.signal }}}} of {words.MODEL} has different bounds on "
                "{{ $value | humanize }} replicas. It has no p50 and p99. Each set of equal bounds "
                "has a p95 of its own, and the worst one is judged.",
    board="exporter")

GROUP = AlertGroup("inferometer-signal-alerts", (SIGNAL_LOST, FAMILIES_UNKNOWN, BOUNDS_MIXED))
