"""All definitions in one place, as the proofs see them and the writers write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import alerts
import dashboards
from alerts import routing
from alerts.model import Alert, AlertGroup
from deploy.build.scaling import AT_A_FRONT, POOLS, SIGNALS, Signal
from inferometer.catalogue import METRICS, Metric
from recording_rules import GROUPS
from recording_rules.model import Group, Rule

RUNBOOK = Path(alerts.__file__).parent / "runbook.md"
MIXIN = Path(__file__).parents[1] / "mixin.libsonnet"


@dataclass(frozen=True)
class Bundle:
    """Metrics, rules, alerts, routing, boards as Grafana's JSON by uid, and texts beside them."""

    metrics: tuple[Metric, ...]
    groups: tuple[Group, ...]
    alert_groups: tuple[AlertGroup, ...]
    routing: Mapping[str, Any]
    boards: Mapping[str, Any]
    runbook: str
    mixin: str
    signals: tuple[Signal, ...] = ()  # to scale on

    @property
    def rules(self) -> Iterator[Rule]:
        """All recording rules."""
        return (rule for group in self.groups for rule in group.rules)

    @property
    def alerts(self) -> Iterator[Alert]:
        """All alerts."""
        return (alert for group in self.alert_groups for alert in group.alerts)


def assemble() -> Bundle:
    """The bundle of all definitions."""
    return Bundle(
        METRICS, GROUPS, alerts.ALERT_GROUPS,
        routing.configuration(), dashboards.render_all(),
        RUNBOOK.read_text(encoding="utf-8"), MIXIN.read_text(encoding="utf-8"),
        (*SIGNALS, AT_A_FRONT, *(signal for pool in POOLS.values() for signal in pool)))
