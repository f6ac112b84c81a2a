"""metrics.md: every series there is, what it means, and how many of it there may be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deploy import cardinality
from deploy.bundle import Bundle
from deploy.unused import UNUSED
from inferometer.catalogue import GPUS, TARGETS, Label, Metric
from recording_rules.model import Rule

_OWN = {"gpu": "GPUs", "llm_server": "Engines", "llm": "Money", "inferometer": "Inferometer itself"}


def written(bundle: Bundle) -> str:
    """The page."""
    return "\n".join((*_head(bundle), *_metrics(bundle.metrics), *_labels(bundle.metrics),
                      *_recorded([*bundle.rules]), *_alerts(bundle), ""))


def _head(bundle: Bundle) -> Iterator[str]:
    rules = [*bundle.rules]
    page, recorded = cardinality.exporter_series(bundle.metrics), cardinality.recorded_series(rules)
    pages = cardinality.fleet_series(bundle.metrics)
    yield from (
        "# What there is to query", "",
        "How many series at worst, by the caps that the exporter enforces:", "")
    yield from _table(("", "series", "budget"), (
        ("one exporter's page", f"{page:,}", f"{cardinality.EXPORTER_BUDGET:,}"),
        ("the largest family of a page", f"{max(map(cardinality.family_series, bundle.metrics)):,}",
         f"{cardinality.FAMILY_BUDGET:,}"),
        ("all recorded rules", f"{recorded:,}", f"{cardinality.RECORDED_BUDGET:,}"),
        ("the largest recorded rule", f"{max(map(cardinality.rule_series, rules)):,}",
         f"{cardinality.RULE_BUDGET:,}"),
        ("in all, pages and rules", f"{pages + recorded:,}", f"{cardinality.FLEET_BUDGET:,}"),
    ))
    yield from (
        "", f"Recorded rules, and all, are those of a fleet of {cardinality.EXPORTERS} exporters, "
        f"{cardinality.NODES} nodes, {cardinality.GPUS} GPUs, {cardinality.TARGETS} engine "
        f"endpoints and {cardinality.MODELS} models (by namespace and engine). A page is full with "
        f"{TARGETS} endpoints, {GPUS} GPUs and every way a request can end: real ones are far from "
        "it.", "")


def _metrics(metrics: Iterable[Metric]) -> Iterator[str]:
    metrics = [*metrics]
    for prefix, title in _OWN.items():
        yield from (f"## {title}", "")
        yield from _table(("metric", "kind", "what it says", "labels", "series", "OpenTelemetry"), (
            (f"`{metric.name}`", metric.kind, _help(metric), _listed(metric.label_names),
             f"{cardinality.family_series(metric):,}", metric.otel and f"`{metric.otel}`")
            for metric in metrics if _of(metric) == prefix))
        yield ""


def _labels(metrics: Iterable[Metric]) -> Iterator[str]:
    labels = {label: metric for metric in metrics for label in metric.labels}
    yield from (
        "## Labels", "",
        "What comes from outside and has no room any more becomes `_other`.", "")
    yield from _table(("label", "what it says", "values at most", "of"), sorted(
        (f"`{label.name}`", label.help, _cap(label), f"`{metric.name}`")
        for label, metric in labels.items()))
    yield ""


def _recorded(rules: Iterable[Rule]) -> Iterator[str]:
    yield from ("## Recorded rules", "")
    yield from _table(("series", "what it says", "labels", "series at most"), (
        (f"`{rule}{_fixed(rule)}`", rule.help, _listed(rule.labels),
         f"{cardinality.rule_series(rule):,}") for rule in rules))
    yield ""


def _alerts(bundle: Bundle) -> Iterator[str]:
    yield from ("## Alerts", "")
    yield from _table(("alert", "severity", "about", "team", "what it says", "holds"), (
        (f"`{alert}`", alert.severity, alert.subject.name, alert.subject.team, alert.summary,
         f"{alert.hold}: {alert.because}" if alert.because else alert.hold)
        for alert in bundle.alerts))


def _of(metric: Metric) -> str:
    return next(prefix for prefix in _OWN if metric.name.startswith(f"{prefix}_"))


def _help(metric: Metric) -> str:
    because = UNUSED.get(metric)
    return f"{metric.help} *Read by nothing here: {because}*" if because else metric.help


def _cap(label: Label) -> str:
    if len(label.values) > 8:
        return f"{len(label.values)}, closed"
    return _listed(label.values) if label.values else f"{label.budget}"


def _fixed(rule: Rule) -> str:
    inside = ",".join(f'{label}="{value}"' for label, value in rule.fixed.items())
    return f"{{{inside}}}" if inside else ""


def _listed(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in names)


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield _row(heading)
    yield _row("---" for _ in heading)
    yield from map(_row, rows)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
