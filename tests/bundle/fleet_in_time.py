"""A small fleet over hours, as a Prometheus with PodMonitors sees it: inputs of situations.

What becomes of a pod, an engine or a GPU is a function of time; counters and histograms follow from
it. A sample comes every 30 seconds. What vanishes leaves a marker of staleness, as it does where a
target is no longer found.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from tests.bundle.promtool import Series, selector, series

STEP = 0.5  # minutes between two samples
InTime = Callable[[float], float]  # minutes → a value
Labels = Mapping[str, str]
CLUSTER, NAMESPACE, SERVING = "prod", "inferometer", "llm"
MODEL_NAME = "llama-70b"

# Share of requests that took no longer, at the usual speed; seconds grow with `slowness`.
DURATIONS = ((0.5, 0.3), (1.0, 0.9), (1.9, 1.0))
FIRST_TOKENS = ((0.1, 0.5), (0.25, 0.9), (0.45, 1.0))
PER_TOKEN = ((0.01, 0.5), (0.024, 1.0))
QUEUES = ((0.01, 0.9), (0.3, 1.0))
DURATION_BOUNDS = (0.5, 1.0, 2.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0)
TOKEN_BOUNDS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0)
HISTOGRAMS = (
    (c.SERVER_DURATION, DURATIONS, DURATION_BOUNDS), (c.SERVER_TTFT, FIRST_TOKENS, TOKEN_BOUNDS),
    (c.SERVER_TPOT, PER_TOKEN, TOKEN_BOUNDS), (c.SERVER_QUEUE, QUEUES, TOKEN_BOUNDS),
)


def always(value: float) -> InTime:
    return lambda _: value


ALWAYS, NEVER, TWO, EACH_SECOND = always(1), always(0), always(2), always(60)


def between(begin: float, end: float, value: float = 1, other: float = 0) -> InTime:
    return lambda minute: value if begin <= minute < end else other


def until(end: float) -> InTime:
    return between(-1, end)


def since(begin: float, value: float = 1, other: float = 0) -> InTime:
    return between(begin, 1e9, value, other)


def away(begin: float, period: float, absent: float) -> InTime:
    """1, but from `begin` on 0 for the first `absent` minutes of each period."""
    return lambda minute: float(minute < begin or (minute - begin) % period >= absent)


@dataclass(frozen=True)
class Pod:
    """Where an exporter runs: the labels that its scrape sets, and when it is there."""

    name: str
    address: str
    node: str = "gpu-node-0"
    job: str = "inferometer/inferometer-sidecar"
    namespace: str = SERVING
    cluster: str = CLUSTER
    collectors: tuple[str, ...] = ("engines",)
    lives: InTime = ALWAYS

    @property
    def scrape(self) -> Labels:
        return {"job": self.job, "instance": f"{self.address}:9839", "cluster": self.cluster,
                "namespace": self.namespace, "node": self.node, "pod": self.name}


def replica_pod(workload: str, number: int, **changes: Any) -> Pod:
    """A pod as a Deployment names it."""
    letters = "bcdfghjklmnpqrstvwxz2456789"
    seed = zlib.crc32(f"{workload}-{number}".encode())
    suffix = "".join(letters[seed // 27**place % 27] for place in range(5))
    pod = Pod(f"{workload}-7c9f8d6b54-{suffix}", f"10.244.1.{10 + number}",
              node=f"gpu-node-{number}")
    return replace(pod, **changes)


FLEET_POD = Pod("inferometer-fleet-6d5f9c7b8d-x2vwz", "10.244.9.9", node="cpu-node-1",
                job="inferometer-fleet", namespace=NAMESPACE, collectors=("cost",))


def node_pod(number: int, **changes: Any) -> Pod:
    pod = Pod(f"inferometer-node-{'bcdfg'[number:]}{'hjklm'[:number]}", f"10.0.0.{10 + number}",
              node=f"gpu-node-{number}", job="inferometer-node", namespace=NAMESPACE,
              collectors=("gpu", "pods", "cost"))
    return replace(pod, **changes)


@dataclass(frozen=True)
class Engine:
    """An engine beside its exporter: how it fares, minute by minute."""

    model: str = MODEL_NAME
    engine: str = "vllm"
    answers: InTime = ALWAYS
    per_minute: InTime = EACH_SECOND
    failing: InTime = NEVER  # share of requests
    slowness: InTime = ALWAYS  # times as long as usual
    parts_slowness: InTime | None = None  # of first tokens and tokens; None: as the whole
    running: InTime = TWO
    progresses: InTime = ALWAYS
    more_bounds: tuple[float, ...] = ()
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True)
class Timeline:
    """Values at every sample of so many minutes; in the gap nothing is scraped."""

    minutes: int
    gap: tuple[float, float] = (0, 0)

    @property
    def moments(self) -> Sequence[float]:
        return [number * STEP for number in range(int(self.minutes / STEP) + 1)]

    def gauge(self, value: InTime, present: InTime = ALWAYS) -> str:
        return self._text([value(moment) for moment in self.moments], present)

    def counter(self, per_minute: InTime, present: InTime = ALWAYS) -> str:
        """What grows while it is there, and starts anew after it was away."""
        totals, total = [], 0.0
        for moment in self.moments:
            total = total + per_minute(moment) * STEP if present(moment) else 0.0
            totals.append(total)
        return self._text(totals, present)

    def clock(self, runs: InTime, present: InTime = ALWAYS) -> str:
        """Unix time of the last step in which it ran."""
        seconds = accumulate((moment * 60 * bool(runs(moment)) for moment in self.moments), max)
        return self._text(list(seconds), present)

    def _text(self, values: Sequence[float], present: InTime) -> str:
        samples, was_there = [], False
        for moment, value in zip(self.moments, values, strict=True):
            if self.gap[0] <= moment < self.gap[1]:
                samples.append("_")
                continue
            is_there = bool(present(moment))
            samples.append(f"{value:.10g}" if is_there else "stale" if was_there else "_")
            was_there = is_there
        return " ".join(samples)


def both(one: InTime, other: InTime) -> InTime:
    return lambda minute: one(minute) * other(minute)


def exporter(time: Timeline, pod: Pod) -> Iterator[Series]:
    """What every exporter has, and Prometheus' own word on it."""
    scrape = pod.scrape
    yield {"series": selector("up", scrape), "values": time.gauge(always(1), pod.lives)}
    yield series(c.BUILD_INFO, time.gauge(always(1), pod.lives), scrape=scrape, version="0.1.0")
    yield series(c.CONFIG_RELOAD_OK, time.gauge(always(1), pod.lives), scrape=scrape)
    for collector in pod.collectors:
        yield series(c.COLLECTOR_SUCCESS, time.gauge(always(1), pod.lives), scrape=scrape,
                     collector=collector)


def replica(time: Timeline, pod: Pod, engine: Engine) -> Iterator[Series]:
    """An exporter and the engine in its pod."""
    yield from exporter(time, pod)
    own = {"target": "127.0.0.1:8000", "engine": engine.engine, "model": engine.model,
           **engine.labels}
    present = both(pod.lives, engine.answers)

    def emit(metric: Metric, values: str, suffix: str = "", **labels: str) -> Series:
        return series(metric, values, scrape=pod.scrape, suffix=suffix, **own, **labels)

    yield emit(c.SERVER_UP, time.gauge(engine.answers, pod.lives))
    yield emit(c.SERVER_LAST_SCRAPE, time.clock(always(1), present))
    yield emit(c.SERVER_LAST_PROGRESS, time.clock(engine.progresses, present))
    yield emit(c.SERVER_START, time.gauge(always(1000), present))
    yield emit(c.SERVER_RUNNING, time.gauge(engine.running, present))
    yield emit(c.SERVER_WAITING, time.gauge(always(0), present))
    yield emit(c.SERVER_KV_USAGE, time.gauge(always(0.4), present))
    yield emit(c.SERVER_PREEMPTIONS, time.counter(always(0), present))
    served = both(engine.per_minute, lambda minute: 1 - engine.failing(minute))
    outcomes = (("success", "stop", served), ("error", "http_5xx",
                both(engine.per_minute, engine.failing)), ("rejected", "queue_requests", always(0)),
                ("invalid", "http_4xx", always(0)), ("abort", "abort", always(0)))
    for outcome, reason, rate in outcomes:
        yield emit(c.SERVER_REQUESTS, time.counter(rate, present), outcome=outcome, reason=reason)
    for metric, tokens in ((c.SERVER_INPUT, 500), (c.SERVER_OUTPUT, 200)):
        yield emit(metric, time.counter(both(served, always(tokens)), present))
    for signal in ("requests_success", "time_to_first_token", "request_duration"):
        yield emit(c.SERVER_SIGNAL, time.gauge(always(1), present), signal=signal, source="native")
    for metric, shares, bounds in HISTOGRAMS:
        slow = engine.slowness if metric is c.SERVER_DURATION else (
            engine.parts_slowness or engine.slowness)
        mean = _mean(shares)
        for bound in sorted({*bounds, *engine.more_bounds}):
            yield emit(metric, time.counter(_within(served, shares, slow, bound), present),
                       "_bucket", le=f"{bound}")
        yield emit(metric, time.counter(served, present), "_bucket", le="+Inf")
        yield emit(metric, time.counter(served, present), "_count")
        seconds = both(served, both(slow, always(mean)))
        yield emit(metric, time.counter(seconds, present), "_sum")


def _within(served: InTime, shares: Sequence[tuple[float, float]], slow: InTime,
            bound: float) -> InTime:
    """Requests per minute that take no longer than the bound."""
    def rate(minute: float) -> float:
        share = max((share for seconds, share in shares if seconds * slow(minute) <= bound),
                    default=0.0)
        return served(minute) * share
    return rate


def _mean(shares: Sequence[tuple[float, float]]) -> float:
    below = [0.0, *(share for _, share in shares)]
    return sum(seconds * (share - lower)
               for (seconds, share), lower in zip(shares, below, strict=False))


def gpus(time: Timeline, pod: Pod, count: int = 2, *, listed: InTime = ALWAYS,
         answers: InTime = ALWAYS, info: InTime = ALWAYS, busy: float = 0.9,
         usd_per_hour: float = 3.0, xid: tuple[str, InTime] | None = None) -> Iterator[Series]:
    """A node's exporter and its GPUs; `xid` is a code and when it has been counted once."""
    yield from exporter(time, pod)
    present = both(pod.lives, listed)
    for number in range(count):
        own = {"gpu": str(number), "uuid": f"GPU-{pod.cluster}-{pod.node}-{number}"}

        def emit(metric: Metric, values: str, own: Labels = own, **labels: str) -> Series:
            return series(metric, values, scrape=pod.scrape, **own, **labels)

        yield emit(c.GPU_INFO, time.gauge(always(1), both(present, info)), name="NVIDIA H100",
                   driver_version="570.1", pci_bus_id=f"00000000:0{number}:00.0")
        yield emit(c.GPU_UP, time.gauge(answers, present))
        read = both(present, answers)
        yield emit(c.GPU_BUSY, time.counter(always(60 * busy), read))
        yield emit(c.GPU_OBSERVED, time.counter(always(60), read))
        yield emit(c.GPU_MEMORY_USED, time.gauge(always(7.2e10), read))
        yield emit(c.GPU_MEMORY_TOTAL, time.gauge(always(8e10), read))
        code, counted = xid or ("79", always(0))
        for value in dict.fromkeys(("13", "48", "63", "79", code)):
            yield emit(c.GPU_XID, time.gauge(counted if value == code else always(0), present),
                       xid=value)
        if xid:
            first = next((moment for moment in time.moments if counted(moment)), None)
            if first is not None:
                yield emit(c.GPU_XID_LAST, time.gauge(always(first * 60),
                                                      both(present, since(first))))
        for kind in ("corrected", "uncorrected"):
            yield emit(c.GPU_ECC, time.gauge(always(0), present), kind=kind)
        usd = usd_per_hour / 60
        yield series(c.COST, time.counter(always(usd), present), scrape=pod.scrape, category="gpu",
                     model="", uuid=own["uuid"])
        yield emit(c.COST_IDLE, time.counter(always(usd * (1 - busy)), present))
