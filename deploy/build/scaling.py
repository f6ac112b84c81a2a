"""What the replicas of a model are scaled on: expressions over recorded series.

Each gives one number, or nothing where it is not known. It is a sum over replicas, of which each
replica may have a part of `target`: so many replicas are asked for as targets fit into it, whoever
of them is loading yet. It is given by cluster, so that a Prometheus of several never gives a sum
over them: an autoscaler that gets two numbers refuses both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.beyond import LIMITED
from recording_rules.capacity import EXPECTED, KV_USAGE_MEAN, REPLICAS, RUNNING, WAITING
from recording_rules.goodput import UPPER
from recording_rules.limits import DURATION, GOODPUT, KV_CACHE, QUEUE, Limit
from recording_rules.model import Rule
from recording_rules.promql import FLEET, FRONTS, MODEL, WORKERS, by, on
from recording_rules.requests import RATE

FINISHED_PER_SECOND = 4  # requests by one replica at its best: to be measured
PERCENT_OF_LIMIT = 80  # of the KV cache's limit: room for what comes while a replica loads


@dataclass(frozen=True)
class Signal:
    """A number to scale on.

    `expr` takes matchers of a model's series, `told_by` are the signals that an engine must have
    for it, and `series` is what the number cannot be without. Up to `idle` it is no sign of work.
    """

    name: str
    series: Rule | Metric
    expr: Callable[[str], str]
    target: int
    told_by: tuple[str, ...]
    help: str
    idle: int = 0


def _in_time(limit: Limit) -> int:
    """Requests that one replica finishes within the limit's default: Little's law."""
    if limit.default is None:
        raise ValueError(f"{limit.name} has no default to make a target of")
    return max(1, round(FINISHED_PER_SECOND * limit.default))


def _total(expr: str) -> str:
    return f"sum {by(FLEET)} ({expr})"


def _in_flight(chosen: str) -> str:
    return _total(f"{RUNNING}{{{chosen}}} + {on(MODEL)} {WAITING}{{{chosen}}}")


def _waiting(chosen: str) -> str:
    return _total(f"{WAITING}{{{chosen}}}")


def _kv_cache(chosen: str) -> str:
    used = f"{KV_USAGE_MEAN}{{{chosen}}} * {on(MODEL)} {REPLICAS}{{{chosen}}}"
    return f"100 * {_total(f'{used} / {on(KV_CACHE.labels)} group_left () {KV_CACHE.selector}')}"


def _goodput(chosen: str) -> str:
    replicas = f"{EXPECTED}{{{chosen}}}"
    missed = (f"({UPPER}{{{chosen}}} < bool {on(GOODPUT.labels)} group_left () "
              f"{GOODPUT.selector})")
    return _total(f"{replicas} * {on(MODEL)} {missed} or {on(MODEL)} {replicas} * 0")


def _front(chosen: str) -> str:
    """What has ended, and what it holds, of which not every front tells."""
    ended = _total(f"{RATE}{{{chosen}}}")
    in_hand = (f"({_total(f'{rule}{{{chosen}}}')} or {on(FLEET)} {ended} * 0)"
            for rule in (WAITING, RUNNING))
    return f" + {on(FLEET)} ".join((ended, *in_hand))


IN_FLIGHT = Signal(
    "in_flight", RUNNING, _in_flight, _in_time(DURATION),
    (c.SERVER_RUNNING.signal, c.SERVER_WAITING.signal), "requests that run or wait")
QUEUED = Signal(
    "waiting", WAITING, _waiting, _in_time(QUEUE), (c.SERVER_WAITING.signal,),
    "requests that wait")
KV_FULL = Signal(
    "kv_cache", KV_USAGE_MEAN, _kv_cache, PERCENT_OF_LIMIT, (c.SERVER_KV_USAGE.signal,),
    "KV cache in use, in percent of the limit in force, added up over replicas", idle=5)
MISSED = Signal(
    "goodput", EXPECTED, _goodput, 1,
    (*(metric.signal for metric in LIMITED), "requests_success", "requests_error"),
    "replicas there are while goodput is surely below its limit, else 0: none is taken away then")
SIGNALS = (IN_FLIGHT, QUEUED, KV_FULL, MISSED)
AT_A_FRONT = Signal(
    "front", RATE, _front, IN_FLIGHT.target, (),
    "requests that end per second at what stands in front of the model, wait or run there")


def workers(*matchers: str) -> str:
    """Matchers of the engines' own series: what fronts tell of the same requests is left out."""
    return ", ".join((*matchers, WORKERS))


def fronts(*matchers: str) -> str:
    """Matchers of the series of what stands in front."""
    return ", ".join((*matchers, FRONTS))


# Of pods that serve one model in two ways: recorded series are of the model, these of a pod's name.


def _pool_waiting(chosen: str) -> str:
    return _total(f"{c.SERVER_WAITING.name}{{{chosen}}}")


def _pool_in_flight(chosen: str) -> str:
    running = _total(f"{c.SERVER_RUNNING.name}{{{chosen}}}")
    return f"{running} + {on(FLEET)} {_pool_waiting(chosen)}"


def _pool_kv_cache(chosen: str) -> str:
    """A pod's ranks share what it has, so their mean is the pod's."""
    of_pod = f"avg {by((*FLEET, 'pod', c.MODEL.name))} ({c.SERVER_KV_USAGE.name}{{{chosen}}})"
    return f"100 * {_total(f'{of_pod} / {on(KV_CACHE.labels)} group_left () {KV_CACHE.selector}')}"


_POOL_IN_FLIGHT = replace(IN_FLIGHT, series=c.SERVER_RUNNING, expr=_pool_in_flight)
_POOL_QUEUED = replace(QUEUED, series=c.SERVER_WAITING, expr=_pool_waiting)
_POOL_KV_FULL = replace(KV_FULL, series=c.SERVER_KV_USAGE, expr=_pool_kv_cache)
POOLS = {"prefill": (_POOL_IN_FLIGHT, _POOL_QUEUED), "decode": (_POOL_IN_FLIGHT, _POOL_KV_FULL)}
