"""The same rules over the two halves of a fleet record what one Prometheus does of the whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import pytest

from bench.backfill import fill
from bench.fleet import MODELS, Fleet
from bench.rules import RULES
from bench.server import Server, prometheus
from recording_rules.model import Rule

SCOPES = (("east", "chat"), ("east", "batch"), ("west", "chat"))
CHAT, BATCH, WEST = ((number * len(MODELS), number * len(MODELS) + 1) for number in range(3))
# What each Prometheus scrapes: nodes, and those of which it has what is told of the cluster.
PARTS = {
    "all": ((*CHAT, *BATCH, *WEST), ()), "east": ((*CHAT, *BATCH), ()), "west": (WEST, ()),
    "chat": (CHAT, ()), "batch": (BATCH, CHAT[:1]),
}
Recorded = Mapping[frozenset[tuple[str, str]], float]
Combine = Callable[[float, float], float]


def _same(one: float, other: float) -> float:
    assert one == pytest.approx(other)
    return one


def _sum(one: float, other: float) -> float:
    return one + other


# Rules that tell of a cluster, by what makes the figure of two namespaces into that of the whole;
# the first that fits counts. Of the last no figure of the whole can be made of two.
BY_CLUSTER: Mapping[str, Combine | None] = {
    r"\w+:(inferometer_(budget|limit)|llm_evaluation_limit)_\w+:effective": _same,
    r"fleet:inferometer_build_info:first_seen": min,
    r"client:llm_client_request_\w+:expected_lower": min,
    r".*:(max|last_seen|last_hour|expected_upper|renamed|known_seconds1h)": max,
    r"fleet:llm_cost_usd_\w+:\w+": None,  # fixed costs are in each
    r".*(_per_gpu:rate5m|(:|_)(ratio|ratio_\w+|avg|per_\w+|error_\w+|used_\w+|projected_\w+))":
        None,
    r"(client|fleet):\w+:(p\d+_\w+|mean_\w+|max_1w)": None,
    r".*:(rate5m|count_rate5m|sum_rate5m|sum|count|increase1h|today|month|down)": _sum,
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, tuple[Server, int]]]:
    """A Prometheus each for the fleet and its parts, and the moment up to which they have it."""
    fleet = Fleet.of(len(SCOPES) * len(MODELS), 60)
    fleet = Fleet(fleet.nodes, fleet.engine, fleet.ours, fleet.every, SCOPES)
    with ExitStack() as stack:
        yield {name: filled(stack.enter_context(prometheus(tmp_path_factory.mktemp(name))),
                            fleet, *part) for name, part in PARTS.items()}


def filled(server: Server, fleet: Fleet, nodes: tuple[int, ...],
           once: tuple[int, ...]) -> tuple[Server, int]:
    return server, fill(server, fleet, 1, RULES, nodes, once).end


def recorded(servers: Mapping[str, tuple[Server, int]], name: str, rule: Rule) -> Recorded:
    """What a Prometheus has recorded by the rule at the end."""
    server, end = servers[name]
    fixed = ", ".join(f'{label}="{value}"' for label, value in rule.fixed.items())
    return {frozenset(one["metric"].items()): float(one["value"][1])
            for one in server.instant(f"{rule}{{{fixed}}}", end).result}


RECORDED = tuple({(step.rule.name, *step.rule.fixed.items()): step.rule for step in RULES}.values())


def test_two_clusters_record_apart_what_one_prometheus_records_of_both(
        servers: Mapping[str, tuple[Server, int]]) -> None:
    compared = 0
    for rule in (rule for rule in RECORDED if "cluster" in rule.labels):
        both, east, west = (recorded(servers, name, rule) for name in ("all", "east", "west"))
        assert not east.keys() & west.keys()
        assert both == pytest.approx({**east, **west}, rel=1e-9), rule.name
        compared += len(both)
    assert compared > 500


def test_two_namespaces_record_apart_what_is_of_a_namespace_a_node_or_a_gpu(
        servers: Mapping[str, tuple[Server, int]]) -> None:
    compared = 0
    for rule in (rule for rule in RECORDED if {"namespace", "node", "uuid"} & {*rule.labels}):
        both, chat, batch = (recorded(servers, name, rule) for name in ("east", "chat", "batch"))
        assert not chat.keys() & batch.keys()
        assert both == pytest.approx({**chat, **batch}, rel=1e-9), rule.name
        compared += len(both)
    assert compared > 500


def test_what_is_of_a_cluster_is_the_sum_of_its_namespaces_or_has_to_be_made_otherwise(
        servers: Mapping[str, tuple[Server, int]]) -> None:
    seen = set[Combine | None]()
    for rule in RECORDED:
        if "cluster" in rule.labels and not {"namespace", "node", "uuid"} & {*rule.labels}:
            both, chat, batch = (
                recorded(servers, name, rule) for name in ("east", "chat", "batch"))
            combine = next(combine for pattern, combine in BY_CLUSTER.items()
                           if re.fullmatch(pattern, rule.name))
            seen.add(combine)
            for series, value in both.items():
                parts = [part[series] for part in (chat, batch) if series in part]
                assert parts or not combine, (rule.name, series)
                if dict(series).get("category", "gpu") not in ("gpu", "api"):
                    assert parts == [pytest.approx(value)] * len(parts), (rule.name, series)
                elif combine and len(parts) == 2:
                    assert combine(*parts) == pytest.approx(value), (rule.name, series)
                elif combine:
                    assert parts == [pytest.approx(value)], (rule.name, series)
    assert seen == {*BY_CLUSTER.values()}
