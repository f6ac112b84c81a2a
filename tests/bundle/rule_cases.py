"""Cases of recording rules: what comes in, and what is then recorded, label by label.

Each runs under promtool of both versions. Inputs are such that ranges closed on the left (2.x) and
open (3.x) give the same: what grows, grows evenly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from recording_rules.model import Rule
from tests.bundle.alert_cases import resting_on
from tests.bundle.promtool import VERSIONS, Series, ask, documents

Labels = Mapping[str, str]
Recorded = list[tuple[Labels, float]]
NOTHING: Recorded = []
BOTH_VERSIONS = pytest.mark.parametrize("version", VERSIONS)


@dataclass(frozen=True)
class Case:
    """What comes in, and all that each of these rules then records."""

    name: str
    inputs: tuple[Series, ...]
    recorded: Mapping[Rule, Recorded]
    time: str = "30m"


def cases(*table: Case) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", table, ids=lambda case: case.name)


def prove(case: Case, version: str, folder: Path) -> None:
    recorded = record(case.recorded, case.inputs, version, folder, case.time)
    for rule, expected in case.recorded.items():
        samples = recorded[rule]
        assert [labels for labels, _ in samples] == [dict(labels) for labels, _ in _sorted(
            expected)], f"{rule}: {samples}"
        values = [value for _, value in samples]
        assert values == pytest.approx([value for _, value in _sorted(expected)]), rule.name


def record(rules: Iterable[Rule], inputs: Iterable[Series], version: str, folder: Path,
           time: str) -> dict[Rule, Recorded]:
    """What each rule records, without the name, whose labels it has declared."""
    asked = list(rules)
    groups = documents(resting_on(" ".join(map(str, asked))))
    answers = ask(version, folder, groups, inputs, [_query(rule) for rule in asked], time)
    recorded: dict[Rule, Recorded] = {}
    for rule in asked:
        samples = [({name: value for name, value in labels.items() if name != "__name__"}, number)
                   for labels, number in answers[_query(rule)]]
        assert all(set(labels) <= set(rule.labels) for labels, _ in samples), f"{rule}: {samples}"
        recorded[rule] = _sorted(samples)
    return recorded


def one(value: float, **labels: str) -> Recorded:
    """A single series."""
    return [(labels, value)]


def _query(rule: Rule) -> str:
    matchers = ", ".join(f'{name}="{value}"' for name, value in rule.fixed.items())
    return f"{rule}{{{matchers}}}"


def _sorted(samples: Iterable[tuple[Labels, float]]) -> Recorded:
    return sorted(samples, key=lambda sample: sorted(sample[0].items()))
