"""The judge: every judgement in one table, and since when each finding has been so."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from inferometer import catalogue as c
from inferometer.config import Config
from inferometer.families import Family
from inferometer.home.judge import (
    failures,
    figures,
    gpus,
    latencies,
    measured,
    money,
    replicas,
)
from inferometer.home.judge.evidence import Evidence
from inferometer.home.judge.limits import EffectiveLimits
from inferometer.home.judge.measured import LimitedFigure
from inferometer.home.judge.model import (
    PROBLEM,
    SEVERITIES,
    Finding,
    Judgement,
    Owner,
    Verdict,
)
from inferometer.home.judge.tally import LatestPoints, ModelKey, Tally, latest_of

VerdictKey = tuple[str, Owner]  # an alert, and what it is about

# Alerts about engines, GPUs and money that no exporter can know by itself, with the reason.
LEFT_TO_THE_RULES: Mapping[str, str] = {
    "LLMServingNothing": "It asks what was served a week ago.",
    "LLMErrorBudgetBurning 1d": "It looks back a day, with enough traffic for it.",
    "LLMErrorBudgetBurning 3d": "It looks back three days.",
    "CostOfTheMonthIncomplete": "It is about what Prometheus has seen of the month.",
    "CostReconciliationGapHigh": "It is about a bill, which the ledger of a gateway has.",
    "CostBudgetForecastExceeded": "It forecasts from a whole day.",
    "CostPerRequestDrifting": "It compares a day with a week.",
    "CostPerTokenDrifting": "It compares a day with a week.",
    "CostModelPerRequestDrifting": "It compares a day with a week.",
    "CostModelPerTokenDrifting": "It compares a day with a week.",
    "CostModelBudgetNearlyUsed": "Which GPUs are a model's takes the exporters of several pods.",
    "CostModelBudgetExceeded": "Which GPUs are a model's takes the exporters of several pods.",
    "CostModelPerRequestHigh": "Which GPUs are a model's takes the exporters of several pods.",
    **dict.fromkeys(
        ("LLMClientCallsFailing 5m", "LLMClientCallsFailing 1h", "LLMClientCallsSlow",
         "LLMClientFirstTokenSlow", "LLMClientCallDear"),
        "It is about the calls of an application, over a window."),
    **dict.fromkeys(("LLMClientCostUnusual", "LLMClientTokensUnusual"),
                    "It holds an application against its own weeks."),
    **dict.fromkeys(
        ("LLMAgentLooping", "LLMRetrievalEmpty", "LLMRerankDisagrees", "LLMAnswersUnreadable",
         "LLMAnswersRefused", "LLMThumbsDown", "LLMAnswersRegenerated"),
        "It holds an application against its own week."),
    **dict.fromkeys(
        ("HallucinationsHigh", "FaithfulnessFell", "RefusalsHigh"),
        "It goes on until the evidence is clearly below an alarm, which Prometheus remembers."),
    "CostModelPerTokenHigh": "Which GPUs are a model's takes the exporters of several pods.",
}


def _collectors(evidence: Evidence) -> Iterable[Finding]:
    driver_down = any(not up for _, up in evidence.numbers(c.GPU_DRIVER_UP))
    for (name,), works in evidence.numbers(c.COLLECTOR_SUCCESS):
        if not works and not (name == "gpu" and driver_down):
            yield Finding(("collector", name), "failed, or was late; why is in the log")


def _reload(evidence: Evidence) -> Iterable[Finding]:
    for _, good in evidence.numbers(c.CONFIG_RELOAD_OK):
        if not good:
            yield Finding(("configuration",), "the last reload failed, the old one stays in "
                          "force; why is in the log")


_OF_ITSELF = (
    Judgement("InferometerCollectorFailing", "warning", PROBLEM, _collectors),
    Judgement("InferometerReloadFailed", "warning", PROBLEM, _reload),
)


@dataclass(frozen=True)
class Assessment:
    """What is amiss, the worst first, and what figures come to."""

    verdicts: Sequence[Verdict] = ()
    models: Mapping[ModelKey, Sequence[LimitedFigure]] = field(default_factory=dict)
    money: Sequence[LimitedFigure] = ()
    held_down: Mapping[str, float] = field(default_factory=dict)  # share of 5 minutes, by GPU
    limits: EffectiveLimits = field(default_factory=lambda: EffectiveLimits(Config()))


class Judge:
    """Takes every reading of the history, and tells what is amiss now and since when.

    `pace` is as of Tally.
    """

    def __init__(self, config: Config, pace: float = 1.0) -> None:
        self._limits = EffectiveLimits(config)
        self._tally = Tally(pace)
        self._ledger = money.Ledger()
        self.judgements = (*failures.JUDGEMENTS, *replicas.JUDGEMENTS, *latencies.JUDGEMENTS,
                           *gpus.JUDGEMENTS, *money.judgements(self._ledger), *_OF_ITSELF)
        self._since: dict[VerdictKey, float] = {}
        self._lock = threading.Lock()

    def configure(self, config: Config) -> None:
        """Take other limits."""
        with self._lock:
            self._limits = EffectiveLimits(config)

    def record(self, families: Iterable[Family], step: int, now: float) -> None:
        """Take the reading of a step; `now` in Unix seconds."""
        latest = latest_of(families)
        with self._lock:
            self._tally.record(latest, step)
            figures.remember(self._tally, self._limits)
            evidence = self._evidence(latest, now)
            gpus.remember(evidence)
            money.remember(evidence, self._ledger)
            self._judge(evidence)

    def assess(self, families: Iterable[Family], now: float) -> Assessment:
        """What is amiss by the reading that is at hand, and what the figures come to."""
        with self._lock:
            evidence = self._evidence(latest_of(families), now)
            verdicts = self._judge(evidence)
            return Assessment(verdicts, measured.of_models(evidence),
                              measured.of_money(evidence, self._ledger), gpus.held_down(evidence),
                              self._limits)

    def _evidence(self, latest: LatestPoints, now: float) -> Evidence:
        return Evidence(now, latest, self._tally, self._limits)

    def _judge(self, evidence: Evidence) -> list[Verdict]:
        """One verdict for each alert and what it is about: of several severities the worst."""
        verdicts: dict[VerdictKey, Verdict] = {}
        for severity in SEVERITIES:
            for judgement in self.judgements:
                if judgement.severity != severity:
                    continue
                for finding in _joined(judgement.judge(evidence)):
                    key = judgement.alert, finding.owner
                    if key not in verdicts:
                        since = self._since.get(key, evidence.now)
                        verdicts[key] = Verdict(
                            judgement.alert, severity, judgement.state, finding.owner,
                            finding.text, min(since, finding.since or since))
        self._since = {key: verdict.since for key, verdict in verdicts.items()}
        return list(verdicts.values())


def _joined(findings: Iterable[Finding]) -> Iterable[Finding]:
    """One for each owner, with the texts of all of its own."""
    by_owner: dict[Owner, list[Finding]] = {}
    for finding in findings:
        by_owner.setdefault(finding.owner, []).append(finding)
    for owner, mine in by_owner.items():
        times = [finding.since for finding in mine if finding.since is not None]
        yield Finding(owner, "; ".join(dict.fromkeys(finding.text for finding in mine)),
                      min(times, default=None))
