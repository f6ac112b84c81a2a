"""There are no more series than one Prometheus has room for: every count is within its budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deploy.build import series
from deploy.build.bundle import Bundle
from deploy.build.expressions import Expressions
from inferometer.catalogue import MAX_LABEL_VALUES, Label, Metric
from recording_rules.model import Rule

_BUDGETS = "raise its budget in deploy/build/series.py"
_SMALLER_METRIC = f"lower caps or closed values in the catalogue, or {_BUDGETS}"
_SMALLER_RULE = f"record fewer labels, or {_BUDGETS}"


def findings(bundle: Bundle, _: Expressions) -> Iterator[str]:
    """What is over its budget, a line each."""
    yield from over_budget(bundle.metrics, [*bundle.rules])


def over_budget(metrics: Iterable[Metric], rules: Iterable[Rule]) -> list[str]:
    """What of these metrics and recorded rules is over its budget."""
    metrics, rules = [*metrics], [*rules]
    if unsized := [f"{rule}: it is not declared how many {label} there are: add it to LABEL_VALUES "
                   "in deploy/build/series.py"
                   for rule in rules
                   for label in sorted(series.distinguishing(rule) - series.LABEL_VALUES.keys())]:
        return unsized
    recorded, fullest = series.recorded_series(rules), series.fullest_role(metrics)
    return [
        *_labels({label for metric in metrics for label in metric.labels}),
        *_over("family", series.FAMILY_BUDGET, _SMALLER_METRIC,
               ((metric.name, series.family_series(metric)) for metric in metrics)),
        *_over("page of", series.EXPORTER_BUDGET, _SMALLER_METRIC,
               [(f"an exporter {series.in_role(fullest)}",
                 series.exporter_series(fullest, metrics))]),
        *_over("rule", series.RULE_BUDGET, _SMALLER_RULE,
               ((rule.name, series.rule_series(rule)) for rule in rules)),
        *_over("sum of", series.RECORDED_BUDGET, _SMALLER_RULE, [("all recorded rules", recorded)]),
        *_over("sum of", series.FLEET_BUDGET, _SMALLER_METRIC,
               [("all", series.fleet_series(metrics) + recorded)]),
    ]


def _labels(labels: Iterable[Label]) -> Iterator[str]:
    for label in labels:
        count = len(label.values) or label.budget
        if not 0 < count <= MAX_LABEL_VALUES:
            yield (f"label {label.name} may have {count} values, budget {MAX_LABEL_VALUES}: "
                   "close it by `values`, or give it a smaller `budget`")


def _over(kind: str, budget: int, advice: str, counts: Iterable[tuple[str, int]]) -> Iterator[str]:
    return (f"{kind} {name}: {count} series, budget {budget}: {advice}"
            for name, count in counts if count > budget)
