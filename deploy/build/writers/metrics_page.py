"""metrics.md: every series there is, what it means, and how many of it there may be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deploy.build import series
from deploy.build.bundle import Bundle
from inferometer.catalogue import GPUS, TARGETS, VALUES_REFUSED, Label, Metric
from inferometer.roles import ROLES
from recording_rules.model import Rule

# Chapters, and how the names of their metrics begin.
_TITLES = {
    "GPUs": ("gpu_",), "Engines": ("llm_server_",),
    "Applications": ("llm_client_", "llm_tool_", "llm_agent_", "rag_"), "Money": ("llm_",),
    "Inferometer itself": ("inferometer_",)}


def page(bundle: Bundle) -> str:
    """The page in Markdown."""
    return "\n".join((*_head(bundle), *_metrics(bundle.metrics), *_labels(bundle.metrics),
                      *_recorded([*bundle.rules]), *_alerts(bundle), ""))


def _head(bundle: Bundle) -> Iterator[str]:
    rules = [*bundle.rules]
    recorded, pages = series.recorded_series(rules), series.fleet_series(bundle.metrics)
    yield from (
        "# What there is to query", "",
        "How many series at worst, by the caps that the exporter enforces:", "")
    yield from _table(("", "series", "budget"), (
        *((f"one exporter's page, {series.in_role(role)}",
           f"{series.exporter_series(role, bundle.metrics):,}", f"{series.EXPORTER_BUDGET:,}")
          for role in ROLES),
        ("the largest family of a page", f"{max(map(series.family_series, bundle.metrics)):,}",
         f"{series.FAMILY_BUDGET:,}"),
        ("all recorded rules", f"{recorded:,}", f"{series.RECORDED_BUDGET:,}"),
        ("the largest recorded rule", f"{max(map(series.rule_series, rules)):,}",
         f"{series.RULE_BUDGET:,}"),
        ("in all, pages and rules", f"{pages + recorded:,}", f"{series.FLEET_BUDGET:,}"),
    ))
    yield from (
        "", f"Recorded rules, and all, are those of a fleet of {series.EXPORTERS} exporters, "
        f"{series.NODES} nodes, {series.GPUS} GPUs, {series.TARGETS} engine "
        f"endpoints and {series.MODELS} models (by namespace and engine). A page is full with "
        f"{TARGETS} endpoints, {GPUS} GPUs and every way a request can end: real ones are far from "
        "it.", "",
        "What a GPU or an engine says that cannot be is left out, and counted in "
        f"`{VALUES_REFUSED.name}`: what is beyond the range below, or grows by more in a second. A "
        "counter that has jumped goes on from where it was.", "")


def _metrics(metrics: Iterable[Metric]) -> Iterator[str]:
    metrics = [*metrics]
    for title in _TITLES:
        yield from (f"## {title}", "")
        yield from _table(
            ("metric", "kind", "what it says", "labels", "series", "can be", "OpenTelemetry"), (
                (f"`{metric.name}`", metric.kind, _help(metric), _listed(metric.label_names),
                 f"{series.family_series(metric):,}", _range(metric),
                 metric.otel and f"`{metric.otel}`")
                for metric in metrics if _title(metric) == title))
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
         f"{series.rule_series(rule):,}") for rule in rules))
    yield ""


def _alerts(bundle: Bundle) -> Iterator[str]:
    yield from ("## Alerts", "")
    yield from _table(("alert", "severity", "about", "team", "what it says", "holds"), (
        (f"`{alert}`", alert.severity, alert.subject.name, alert.subject.team, alert.summary,
         f"{alert.hold}: {alert.because}" if alert.because else alert.hold)
        for alert in bundle.alerts))


def _title(metric: Metric) -> str:
    return next(title for title, beginnings in _TITLES.items()
                if metric.name.startswith(beginnings))


def _help(metric: Metric) -> str:
    reason = metric.unread
    return f"{metric.help} *Read by nothing here: {reason}*" if reason else metric.help


def _range(metric: Metric) -> str:
    """What its values can be, in words."""
    bounds = f"{metric.range.least:g} to {metric.range.most:.3g}"
    if metric.under:
        bounds += f", {metric.under[1]:g} times `{metric.under[0].name}` at most"
    return bounds if metric.kind == "gauge" else f"{bounds}, {metric.pace:.3g} more a second"


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
