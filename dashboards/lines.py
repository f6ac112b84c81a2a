"""Whose line it is: a model's name or a node's, and its place where several have that name.

A legend of Grafana's cannot depend on anything, so the query makes the label that it shows.
"""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.model import Query
from dashboards.variables import chosen
from inferometer import catalogue as c
from recording_rules.capacity import EXPECTED
from recording_rules.client import COUNT
from recording_rules.gpus import NODE_GPUS
from recording_rules.model import Rule
from recording_rules.promql import MODEL, by, on

BY_MODEL = "{{model}}"
BY_NODE = "{{node}}"
BY_CALLER = "{{service_name}} {{model}}"
BY_SERVICE = "{{service_name}}"
PLACE = "place"  # all else by which series of one name differ; absent from a name of its own
# The first whose legend is part of another's, with the label that several may share.
_ALL = {BY_CALLER: (c.SERVICE_NAME.name, COUNT[c.CLIENT_DURATION]),
        BY_SERVICE: (c.SERVICE_NAME.name, COUNT[c.CLIENT_DURATION]),
        BY_MODEL: (c.MODEL.name, EXPECTED), BY_NODE: ("node", NODE_GPUS)}
_FOLLOWING = {c.UUID.name}  # it need not be named: a GPU has one index on its node


def line(series: Rule | str, legend: str = BY_MODEL, labels: Sequence[str] = MODEL) -> Query:
    """A line for each series, under a legend that has a model's or a node's name.

    An expression has these `labels`, a rule its own.
    """
    if isinstance(series, Rule):
        return line(chosen(series), legend, series.labels)
    label, everything = next(_ALL[name] for name in _ALL if name in legend)
    others = [label for label in labels
              if f"{{{{{label}}}}}" not in legend and label not in _FOLLOWING]
    joined = ", ".join(f'"{label}"' for label in others)
    several = _of_several(label, chosen(everything, labels=labels), [
        other for other in others if other in everything.labels])
    placed = f'label_join({series} and {several}, "{PLACE}", " ", {joined})'
    return Query(f"{placed} or {on(labels)} {series}", f"{legend} {{{{{PLACE}}}}}")


def _of_several(label: str, everything: str, others: Sequence[str]) -> str:
    """Names that several have now, by these other labels."""
    shared = f"count {by((label, *others))} ({everything} @ end())"
    return f"{on((label,))} (count {by((label,))} ({shared}) > 1)"
