"""Whose line it is: a model's name or a node's, and its place where several have that name.

A legend of Grafana's cannot depend on anything, so the query makes the label that it shows.
"""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.model import Query
from dashboards.variables import chosen
from inferometer import catalogue as c
from recording_rules.capacity import EXPECTED
from recording_rules.gpus import NODE_GPUS
from recording_rules.model import Rule
from recording_rules.promql import MODEL, by, on

BY_MODEL = "{{model}}"
BY_NODE = "{{node}}"
PLACE = "place"  # all else by which series of one name differ; absent from a name of its own
_ALL = {BY_MODEL: EXPECTED, BY_NODE: NODE_GPUS}
_FOLLOWING = {c.UUID.name}  # it need not be named: a GPU has one index on its node


def line(series: Rule | str, legend: str = BY_MODEL, labels: Sequence[str] = MODEL) -> Query:
    """A line for each series, under a legend that has a model's or a node's name.

    An expression has these `labels`, a rule its own.
    """
    if isinstance(series, Rule):
        return line(chosen(series), legend, series.labels)
    name = next(name for name in _ALL if name in legend)
    others = [label for label in labels
              if f"{{{{{label}}}}}" not in legend and label not in _FOLLOWING]
    joined = ", ".join(f'"{label}"' for label in others)
    placed = f'label_join({series} and {_of_several(name, others)}, "{PLACE}", " ", {joined})'
    return Query(f"{placed} or {on(labels)} {series}", f"{legend} {{{{{PLACE}}}}}")


def _of_several(name: str, others: Sequence[str]) -> str:
    """Names that several have now, by these other labels."""
    label, everything = name.strip("{}"), _ALL[name]
    shared = (label, *(other for other in others if other in everything.labels))
    now = f"{chosen(everything, labels=shared)} @ end()"
    return f"{on((label,))} (count {by((label,))} (count {by(shared)} ({now})) > 1)"
