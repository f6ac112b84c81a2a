"""Limits: the default of each, once, and what is in force for each model.

An exporter's configuration overrides them; it publishes its overrides as `inferometer_limit_*`.
"""

from __future__ import annotations

from dataclasses import dataclass

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.model import Group, Rule
from recording_rules.promql import FLEET, by, configured, on
from recording_rules.requests import RATE


@dataclass(frozen=True)
class Limit:
    """A figure that alerts and boards hold others against."""

    name: str
    metric: Metric
    default: float | None  # None: no limit unless one is configured
    per_model: bool = True
    least: bool = False  # what falls below it is amiss, not what goes above

    @property
    def selector(self) -> str:
        """The limit in force, as PromQL."""
        return f'{self._record}{{{_LIMIT}="{self.name}"}}'

    @property
    def labels(self) -> tuple[str, ...]:
        """What to match it on."""
        return (*FLEET, c.MODEL.name) if self.per_model else FLEET

    def rule(self) -> Rule:
        """What records it: the model's own override, else the fleet's, else the default."""
        subjects = f"count {by(self.labels)} ({_MODELS if self.per_model else _ANYONE})"
        fleet = self._override(FLEET, f'{c.MODEL.name}=""')
        parts = [f"{subjects} * 0 + {on(FLEET)} group_left () {fleet}"]
        if self.per_model:
            own = self._override(self.labels, f'{c.MODEL.name}!=""')
            parts.insert(0, f"({own} and {on(self.labels)} {subjects})")
        if self.default is not None:
            parts.append(f"{subjects} * 0 + {self.default:g}")
        return Rule(self._record, " or ".join(parts), (*self.labels, _LIMIT),
                    f"{self.metric.help.split(';')[0]}: what is in force.", {_LIMIT: self.name})

    @property
    def _record(self) -> str:
        return f"{'model' if self.per_model else 'fleet'}:{self.metric.name}:effective"

    def _override(self, labels: tuple[str, ...], model: str) -> str:
        """The laxer one, where replicas disagree."""
        return configured(labels, self.metric, f'{_LIMIT}="{self.name}"', model,
                          pick="min" if self.least else "max")


_LIMIT = "limit"
# One server may serve several models, of which `up` names one or none.
_MODELS = f"{c.SERVER_UP.name} or {RATE}"
_ANYONE = c.BUILD_INFO.name

DURATION = Limit("request_duration_p95", c.LIMIT_SECONDS, 2.0)
TTFT = Limit("time_to_first_token_p95", c.LIMIT_SECONDS, 0.5)
TPOT = Limit("time_per_output_token_p95", c.LIMIT_SECONDS, 0.05)
QUEUE = Limit("request_queue_p95", c.LIMIT_SECONDS, 1.0)
ERROR = Limit("error", c.LIMIT_RATIO, 0.01)
INVALID = Limit("invalid", c.LIMIT_RATIO, 0.2)
KV_CACHE = Limit("kv_cache_usage", c.LIMIT_RATIO, 0.95)
REQUEST_COST = Limit("request_cost", c.LIMIT_USD, None)
MILLION_TOKENS_COST = Limit("million_tokens_cost", c.LIMIT_USD, None)
GPU_BUSY = Limit("gpu_busy", c.LIMIT_RATIO, 0.8, per_model=False, least=True)
GPU_MEMORY = Limit("gpu_memory", c.LIMIT_RATIO, 0.98, per_model=False)
BUDGET_USED = Limit("budget_used", c.LIMIT_RATIO, 0.8, per_model=False)
DAILY_SPEND = Limit("daily_spend", c.LIMIT_USD, 1000.0, per_model=False)

LIMITS = (
    DURATION, TTFT, TPOT, QUEUE, ERROR, INVALID, KV_CACHE, REQUEST_COST, MILLION_TOKENS_COST,
    GPU_BUSY, GPU_MEMORY, BUDGET_USED, DAILY_SPEND,
)
# What boards draw as a line beside the limit: nobody is woken by it.
TARGET_TTFT_SECONDS = 0.2
TARGET_OUTPUT_TOKENS_PER_SECOND = 50.0

GROUPS = (Group("inferometer-limits", tuple(limit.rule() for limit in LIMITS)),)
