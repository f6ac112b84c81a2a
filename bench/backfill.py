"""A fleet's day into a Prometheus, hour by hour, and what its rules would have recorded of it.

promtool's create-blocks-from evaluates each rule over raw series alone. Here the rules are asked of
the server in the order in which they need one another, and each answer is written back before the
next is asked: what a chain of rules gives is what it would have given at the time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any

from bench.fleet import BEGIN, Fleet, Series
from bench.remote_write import Instants, Writer, labels
from bench.server import Server
from recording_rules.model import Group, Rule

HOUR = 3600


@dataclass
class Day:
    """What was written."""

    end: int
    raw: Counter[str] = field(default_factory=Counter)  # series by the job that tells them
    recorded: Counter[str] = field(default_factory=Counter)  # series by the rule's name
    samples: int = 0


@dataclass(frozen=True)
class Step:
    """A rule, and how often its group is evaluated."""

    rule: Rule
    seconds: int


def in_order(groups: Iterable[Group]) -> Sequence[Step]:
    """All rules, each after those whose results it reads."""
    steps = [Step(rule, _seconds(group.interval)) for group in groups for rule in group.rules]
    by_name: dict[str, list[int]] = {}
    for number, step in enumerate(steps):
        by_name.setdefault(step.rule.name, []).append(number)
    needs = {number: [other for name in set(re.findall(r"\w+:[\w:]+", step.rule.expr))
                      if name != step.rule.name for other in by_name.get(name, ())]
             for number, step in enumerate(steps)}
    return [steps[number] for number in TopologicalSorter(needs).static_order()]


def fill(server: Server, fleet: Fleet, hours: int, steps: Iterable[Step],
         nodes: Sequence[int] = (), once: Sequence[int] = ()) -> Day:
    """Write so many hours from `BEGIN` on, of all nodes or of these.

    Of the nodes `once` it is only written what they tell of their cluster.
    """
    day, seen = Day(BEGIN), set[bytes]()
    with Writer(server.process.port) as writer:
        for _ in range(hours):
            begin, day.end = day.end, day.end + HOUR
            writer.write(_raw(fleet, nodes or range(fleet.nodes), begin, day))
            writer.write(_raw(fleet, once, begin, day, fleet.once))
            for step in steps:
                writer.write(_recorded(server, step, begin, day, seen))
        day.samples = writer.samples
    return day


def answers(server: Server, step: Step, begin: int, end: int
            ) -> Iterator[tuple[Mapping[str, str], tuple[int, ...], list[float]]]:
    """What a rule records from one moment to another: labels, seconds, and a value for each."""
    answer = server.over(step.rule.expr, begin, end, step.seconds)
    if answer.error:
        raise RuntimeError(f"{step.rule.name}: {answer.error}")
    for series in answer.result:
        seconds, values = zip(*series["values"], strict=True)
        yield _labels(series["metric"], step.rule.fixed), seconds, [float(one) for one in values]


def _raw(fleet: Fleet, nodes: Iterable[int], begin: int, day: Day,
         series: Callable[[int], Iterable[Series]] | None = None) -> Iterator[tuple[bytes, bytes]]:
    first = begin == BEGIN
    for node in nodes:
        hour = fleet.hour(node, begin, day.end)
        made: dict[tuple[str, float, float], bytes] = {}
        for party, label_bytes, move in (series or fleet.series)(node):
            if move not in made:
                made[move] = hour.samples(move)
            day.raw[party] += first
            yield label_bytes, made[move]


def _recorded(server: Server, step: Step, begin: int, day: Day,
              seen: set[bytes]) -> Iterator[tuple[bytes, bytes]]:
    moments: dict[tuple[int, ...], Instants] = {}
    for others, seconds, values in answers(server, step, begin + step.seconds, day.end):
        label_bytes = labels(step.rule.name, others)
        if seconds not in moments:
            moments[seconds] = Instants(seconds)
        if label_bytes not in seen:
            seen.add(label_bytes)
            day.recorded[step.rule.name] += 1
        yield label_bytes, moments[seconds].samples(values)


def _labels(metric: Mapping[str, Any], fixed: Mapping[str, str]) -> Mapping[str, str]:
    return {**{name: value for name, value in metric.items() if name != "__name__"}, **fixed}


def _seconds(interval: str) -> int:
    return int(interval[:-1]) * {"s": 1, "m": 60, "h": 3600}[interval[-1]]

