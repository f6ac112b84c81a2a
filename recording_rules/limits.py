"""Limits: what is in force for each model, and who set it. Defaults are the catalogue's.

An exporter's configuration overrides them; it publishes its overrides as `inferometer_limit_*`.
Nobody is woken for a default: what pages asks for `chosen`.
"""

from __future__ import annotations

from dataclasses import dataclass

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules import client
from recording_rules.capacity import MISSED, REPLICAS
from recording_rules.model import Group, Rule
from recording_rules.promql import FLEET, by, configured, on
from recording_rules.requests import RATE


@dataclass(frozen=True)
class Limit:
    """A figure that alerts and boards hold others against."""

    name: str
    metric: Metric
    unserved: bool = False  # holds for models that nothing serves, too
    called: bool = False  # holds for models that applications call elsewhere, too

    @property
    def default(self) -> float | None:
        """In force where none is configured; None: there is no limit then."""
        return c.LIMIT_DEFAULTS[self.name]

    @property
    def per_model(self) -> bool:
        """Whether models may have one of their own."""
        return self.name not in c.FLEET_LIMITS

    @property
    def least(self) -> bool:
        """Whether what falls below it is amiss, not what goes above."""
        return self.name in c.LEAST_LIMITS

    @property
    def selector(self) -> str:
        """The limit in force, as PromQL."""
        return f'{self._record}{{{_LIMIT}="{self.name}"}}'

    @property
    def chosen(self) -> str:
        """The limit in force where somebody configured it, for the model or the fleet."""
        return self.selector.replace("}", f", {CHOSEN}}}")

    @property
    def unchosen(self) -> str:
        """The limit in force where it is the default."""
        return self.selector.replace("}", f', {SET_BY}="{DEFAULT}"}}')

    @property
    def labels(self) -> tuple[str, ...]:
        """What to match it on."""
        return (*FLEET, c.MODEL.name) if self.per_model else FLEET

    def rule(self) -> Rule:
        """What records it: the model's own override, else the fleet's, else the default."""
        subjects = f"count {by(self.labels)} ({self._subjects})"
        fleet = self._override(FLEET, f'{c.MODEL.name}=""')
        parts = {"fleet": f"{subjects} * 0 + {on(FLEET)} group_left () {fleet}"}
        if self.per_model:
            own = self._override(self.labels, f'{c.MODEL.name}!=""')
            served = "" if self.unserved else f" and {on(self.labels)} {subjects}"
            parts = {c.MODEL.name: f"{own}{served}", **parts}
        if self.default is not None:
            parts[DEFAULT] = f"{subjects} * 0 + {self.default:g}"
        marked = (f'label_replace({expr}, "{SET_BY}", "{setter}", "", "")'
                  for setter, expr in parts.items())
        return Rule(self._record, f" or {on(self.labels)} ".join(marked),
                    (*self.labels, _LIMIT, SET_BY),
                    f"{self.metric.help.split(';')[0]}: what is in force.", {_LIMIT: self.name})

    @property
    def _record(self) -> str:
        return f"{'model' if self.per_model else 'fleet'}:{self.metric.name}:effective"

    @property
    def _subjects(self) -> str:
        """What it is for, where it is not for one model alone."""
        if not self.per_model:
            return _ANYONE
        if self.unserved:
            return f"last_over_time({REPLICAS}[{MISSED}])"
        return f"{_MODELS} or {client.RATE}" if self.called else _MODELS

    def _override(self, labels: tuple[str, ...], model: str) -> str:
        """The laxer one, where replicas disagree."""
        return configured(labels, self.metric, f'{_LIMIT}="{self.name}"', model,
                          pick="min" if self.least else "max")


_LIMIT = "limit"
SET_BY = "set_by"  # the model's own configuration, the fleet's, or nobody's
DEFAULT = "default"
CHOSEN = f'{SET_BY}!="{DEFAULT}"'
# One server may serve several models, of which `up` names one or none.
_MODELS = f"{c.SERVER_UP.name} or {RATE}"
_ANYONE = c.BUILD_INFO.name

DURATION = Limit("request_duration_p95", c.LIMIT_SECONDS, called=True)
TTFT = Limit("time_to_first_token_p95", c.LIMIT_SECONDS, called=True)
TPOT = Limit("time_per_output_token_p95", c.LIMIT_SECONDS, called=True)
OUTPUT_SPEED = Limit("output_tokens_per_second", c.LIMIT_TOKENS_PER_SECOND)
QUEUE = Limit("request_queue_p95", c.LIMIT_SECONDS)
ERROR = Limit("error", c.LIMIT_RATIO, called=True)
INVALID = Limit("invalid", c.LIMIT_RATIO)
GOODPUT = Limit("goodput", c.LIMIT_RATIO, called=True)
LEAST_REPLICAS = Limit("least_replicas", c.LIMIT_REPLICAS, unserved=True)
KV_CACHE = Limit("kv_cache_usage", c.LIMIT_RATIO)
REQUEST_COST = Limit("request_cost", c.LIMIT_USD)
CALL_COST = Limit("call_cost", c.LIMIT_USD, called=True)
MILLION_TOKENS_COST = Limit("million_tokens_cost", c.LIMIT_USD)
GPU_BUSY = Limit("gpu_busy", c.LIMIT_RATIO)
GPU_MEMORY = Limit("gpu_memory", c.LIMIT_RATIO)
GPU_IDLE_COST = Limit("gpu_idle_cost", c.LIMIT_RATIO)
BUDGET_USED = Limit("budget_used", c.LIMIT_RATIO)
DAILY_SPEND = Limit("daily_spend", c.LIMIT_USD)

LIMITS = (
    DURATION, TTFT, TPOT, OUTPUT_SPEED, QUEUE, ERROR, INVALID, GOODPUT, LEAST_REPLICAS, KV_CACHE,
    REQUEST_COST, CALL_COST, MILLION_TOKENS_COST, GPU_BUSY, GPU_MEMORY, GPU_IDLE_COST, BUDGET_USED,
    DAILY_SPEND,
)
TARGET_TTFT_SECONDS = 0.2  # what boards draw as a line beside the limit: no alert asks for it

GROUPS = (Group("inferometer-limits", tuple(limit.rule() for limit in LIMITS)),)
