"""What an alert is, and whom it is about.

Three severities with one meaning each: critical pages somebody, warning is read the same day in
chat or mail, info is logged. Symptoms page; causes inform.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from recording_rules.agents import SERVICE as APPLICATION
from recording_rules.client import CLIENT
from recording_rules.promql import ENDPOINT, EXPORTER, FLEET, MODEL
from recording_rules.shares import ANSWERS as OF_ANSWERS
from recording_rules.workloads import WORKLOAD

SEVERITIES = ("critical", "warning", "info")
# What one notification to a team is about: a model, a node, a cluster's money, one of us.
TEAMS: Mapping[str, tuple[str, ...]] = {
    "serving": ("cluster", "namespace", "model"),
    "hardware": ("cluster", "node"),
    "finance": ("cluster", "model"),
    "observability": ("cluster", "instance"),
}
HOLD = "10m"
KEEP_FIRING = "5m"
HAPPENED = "What has happened does not go away by waiting."  # why an alert does not hold


@dataclass(frozen=True)
class Subject:
    """What alerts are about. One that fires silences lesser ones of the same subject and scope.

    All alerts of a subject carry all labels of its scope: a label that is missing on both sides
    counts as equal, and would let one thing silence another.
    """

    name: str
    scope: tuple[str, ...]
    team: str
    of_boards: tuple[str, ...] | None = None  # labels that narrow its board; None: all of its scope


TARGET = (*MODEL, *(label for label in ENDPOINT if label not in MODEL))
SERVICE = Subject("service", MODEL, "serving")
LATENCY = Subject("latency", MODEL, "serving")
ERRORS = Subject("errors", MODEL, "serving")
SATURATION = Subject("saturation", MODEL, "serving")
TRAFFIC = Subject("traffic", MODEL, "serving")
UNNAMED = Subject("workload", (*WORKLOAD, "engine"), "serving")
SIZE = Subject("replicas", ("cluster", "model"), "serving")
ENGINE = Subject("engine", TARGET, "serving")
SIGNALS = Subject("signals", ("cluster", "namespace", "engine"), "observability")
GPU_HEALTH = Subject("gpu", ("cluster", "node", "uuid"), "hardware")
GPU_DRIVER = Subject(
    "gpu_driver", ("cluster", "node", *(label for label in EXPORTER if label != "cluster")),
    "hardware", of_boards=("cluster", "node"))
GPU_USE = Subject("gpu_use", ("cluster", "node"), "hardware")
SPEND = Subject("spend", ("cluster",), "finance")
CALLS = Subject("calls", CLIENT, "serving")
CALLS_SLOW = Subject("calls_slow", CLIENT, "serving")
CALLS_DEAR = Subject("calls_dear", CLIENT, "finance")
CALLS_UNKNOWN = Subject("calls_unknown", CLIENT, "observability")
AGENTS = Subject("agents", APPLICATION, "serving")
SEARCHES = Subject("searches", APPLICATION, "serving")
USAGE = Subject("usage", APPLICATION, "finance")
ANSWERS = Subject("answers", OF_ANSWERS, "serving")
JUDGED = Subject("judged", OF_ANSWERS, "observability")
JUDGE = Subject("judge", ("cluster",), "observability")
COST = Subject("cost", ("cluster", "model"), "finance")
BUDGET = Subject("budget", ("cluster", "period"), "finance")
MODEL_BUDGET = Subject("model_budget", ("cluster", "model", "period"), "finance")
BILLED = Subject("billed", ("cluster", "month"), "finance", of_boards=FLEET)
SELF = Subject("self", EXPORTER, "observability")
EXPORTERS = Subject("exporters", ("cluster",), "observability")
# Prometheus and Alertmanager, which are in another namespace than what boards show.
RULES = Subject("rules", EXPORTER, "observability", of_boards=FLEET)
CONFIGURED = Subject("configured", ("cluster", "model"), "observability")
WATCHDOG = Subject("watchdog", (), "observability")
SUBJECTS = (SERVICE, LATENCY, ERRORS, SATURATION, TRAFFIC, UNNAMED, SIZE, ENGINE, SIGNALS, CALLS,
            CALLS_SLOW, CALLS_DEAR, CALLS_UNKNOWN, AGENTS, SEARCHES, USAGE, ANSWERS, JUDGED, JUDGE,
            GPU_HEALTH, GPU_DRIVER, GPU_USE, SPEND, COST, BUDGET, MODEL_BUDGET, BILLED, SELF,
            EXPORTERS, RULES, CONFIGURED, WATCHDOG)


@dataclass(frozen=True)
class Alert:
    """One alert. `expr` gives at least the labels of the subject's scope.

    `summary` says in one sentence what is wrong; `description` is a template that says of what,
    how much, and against which limit. `labels` are its own beside those of its series, where one
    name stands for several rules. `hold` other than the usual needs `because`. `board` is where
    to look: the board's uid without its prefix.
    """

    name: str
    subject: Subject
    severity: str
    expr: str
    summary: str
    description: str
    board: str
    hold: str = HOLD
    because: str = ""
    keep_firing: str = KEEP_FIRING
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class AlertGroup:
    """Alerts evaluated together."""

    name: str
    alerts: tuple[Alert, ...]
    interval: str = "1m"
