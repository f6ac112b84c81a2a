"""Money in virtual time: what exporters count, and what recording rules make of it.

Every price here is 3.60 USD an hour, 0.001 a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from inferometer import catalogue as c
from recording_rules.model import Group, Rule
from tests.bundle.promtool import SCRAPE, Series, ask, documents, series

A_MINUTE = 0.06
Figures = dict[tuple[str, ...], float]


def spent(cluster: str, values: str, instance: str = "10.0.0.1:9835", category: str = "gpu",
          model: str = "", pod: str = SCRAPE["pod"]) -> Series:
    scrape = {**SCRAPE, "cluster": cluster, "instance": instance, "pod": pod}
    labels = {"category": category, "model": model}
    if category == "gpu":
        labels["uuid"] = "GPU-0"
    return series(c.COST, values, scrape=scrape, **labels)


def figures(version: str, folder: Path, groups: Iterable[Group], inputs: Iterable[Series],
            rules: Iterable[Rule], time: str, interval: str = "2m") -> list[Figures]:
    """What each rule gives, by the values of its labels."""
    asked = list(rules)
    answers = ask(version, folder, documents(groups), inputs, map(str, asked), time, interval)
    for rule in asked:
        for labels, _ in answers[rule.name]:
            assert set(labels) <= {"__name__", *rule.labels}
    return [{tuple(labels.get(name, "") for name in rule.labels): value
             for labels, value in answers[rule.name]} for rule in asked]


def per_cluster(values: Mapping[str, float]) -> Figures:
    return {(cluster,): value for cluster, value in values.items()}
