"""Every definition is in the list that makes it count: one in no list would be missing silently."""

from __future__ import annotations

import ast
import inspect
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import alerts
import dashboards
import recording_rules
from alerts.model import SUBJECTS, Alert, Subject
from dashboards.model import Board
from deploy.build.bundle import Bundle
from deploy.build.expressions import Expressions
from inferometer import catalogue
from inferometer.catalogue import METRICS, Label, Metric
from recording_rules.limits import LIMITS, Limit
from recording_rules.model import Rule


@dataclass(frozen=True)
class Listing:
    """A kind of definition, the modules that define it, those that are listed, and what to do.

    `{tuples}` in the advice stands for the tuples of metrics in the module of the definition.
    """

    package: ModuleType
    kind: type
    listed: tuple[Any, ...]
    advice: str


LISTINGS = (
    Listing(catalogue, Metric, METRICS, "is in no tuple there: add it to {tuples}"),
    Listing(catalogue, Label, tuple(label for metric in METRICS for label in metric.labels),
            "no metric has it: give it to one, or take it out"),
    Listing(recording_rules, Rule,
            tuple(rule for group in recording_rules.GROUPS for rule in group.rules),
            "is in no group: add it to one of GROUPS there"),
    Listing(recording_rules, Limit, LIMITS, "is not in LIMITS there: add it"),
    Listing(alerts, Subject, SUBJECTS, "is not in SUBJECTS there: add it"),
    Listing(alerts, Alert,
            tuple(alert for group in alerts.ALERT_GROUPS for alert in group.alerts),
            "is in no group: add it to GROUP there"),
    Listing(dashboards, Board, dashboards.DASHBOARDS,
            "is not in DASHBOARDS of dashboards/__init__.py: add it"),
)


def findings(_: Bundle, __: Expressions) -> Iterator[str]:
    """What is defined and in no list, a line each."""
    for listing in LISTINGS:
        yield from unlisted(listing)


def unlisted(listing: Listing) -> Iterator[str]:
    """The definitions of a kind that are in no list."""
    identities = {*map(id, listing.listed)}
    for module in _modules(listing.package):
        names = [*_assigned(module)]
        tuples = [name for name in names if name.endswith("_METRICS")]
        in_tuples = {id(value) for name in tuples for value in getattr(module, name)}
        file = "/".join(module.__name__.split(".")[-2:]) + ".py"
        for value in _of_kind(listing.kind, (getattr(module, name) for name in names)):
            if id(value) not in identities:
                identities.add(id(value))
                advice = listing.advice.format(tuples=" or ".join(tuples))
                if id(value) in in_tuples:
                    advice = f"{tuples[0]} is not part of METRICS in catalogue/__init__.py: add it"
                yield f"{value.name} is defined in {file} and {advice}"


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for module in pkgutil.iter_modules(package.__path__):
        yield import_module(f"{package.__name__}.{module.name}")


def _assigned(module: ModuleType) -> Iterator[str]:
    """The names that the module itself defines at its top, not those that it imports."""
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (name.id for target in targets for name in ast.walk(target)
                        if isinstance(name, ast.Name))


def _of_kind(kind: type, values: Iterable[Any]) -> Iterator[Any]:
    """Those of a kind, be they in tuples or mappings."""
    for value in values:
        if isinstance(value, kind):
            yield value
        elif isinstance(value, Mapping):
            yield from _of_kind(kind, value.values())
        elif isinstance(value, list | tuple):
            yield from _of_kind(kind, value)
