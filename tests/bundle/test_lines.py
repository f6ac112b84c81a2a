"""Whose line or row it is: legends of boards, replicas, and what a firing alert is about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from dashboards import DASHBOARDS, Board, firing, queries, replicas, substitute
from dashboards.lines import line
from dashboards.variables import NAMES
from deploy.build.bundle import assemble
from deploy.build.expressions import Expressions
from inferometer import catalogue as c
from recording_rules.capacity import EXPECTED, WAITING
from recording_rules.gpus import NODE_BUSY, NODE_GPUS
from tests.bundle.promtool import VERSIONS, ask, selector

ALL = dict.fromkeys(NAMES, ".*")
JOINED = re.compile(r'"(?:place|replica)", "[^"]*", ((?:"\w+"(?:, )?)+)\)')
SHOWN = re.compile(r"\{\{(\w+)\}\}")
# What follows from what is shown: a GPU's index on its node, what a replica's name is made of.
FOLLOWING = {"uuid": "gpu", **dict.fromkeys(
    ("instance", "pod", "job", "cluster", "namespace", "engine", "model"), "replica")}
every_version = pytest.mark.parametrize("version", VERSIONS)


def legend_of(text: str, labels: Mapping[str, str]) -> str:
    """As Grafana fills it in, and a browser shows it."""
    return " ".join(SHOWN.sub(lambda name: labels.get(name[1], ""), text).split())


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.name)
def test_a_legend_has_every_label_by_which_lines_of_its_query_differ(board: Board) -> None:
    expressions = Expressions(assemble())
    for query in queries(board, ALL):
        if query.instant:
            continue
        shown = {*SHOWN.findall(query.legend)}
        for labels in JOINED.findall(query.expr):
            shown |= {*re.findall(r"\w+", labels)}
        differing = expressions.analysis(query.expr).labels
        assert {label for label in differing - shown
                if FOLLOWING.get(label) not in shown} == set(), query


@dataclass(frozen=True)
class Names:
    """What is there, as label values by its labels, and how a board calls it."""

    title: str
    labels: tuple[str, ...]
    present: tuple[tuple[str, ...], ...]
    legends: tuple[str, ...]

    def __str__(self) -> str:
        return self.title


OF_MODELS = ("model", "namespace", "cluster", "engine")
LEGENDS = (
    Names("a name of its own says enough", OF_MODELS,
          (("llama-70b", "chat", "prod", "vllm"), ("qwen", "code", "prod", "vllm")),
          ("llama-70b", "qwen")),
    Names("two clusters", OF_MODELS,
          (("llama-70b", "chat", "east", "vllm"), ("llama-70b", "chat", "west", "vllm"),
           ("qwen", "code", "east", "vllm")),
          ("llama-70b east chat vllm", "llama-70b west chat vllm", "qwen")),
    Names("two namespaces without a cluster", OF_MODELS,
          (("llama-70b", "chat", "", "vllm"), ("llama-70b", "batch", "", "vllm")),
          ("llama-70b batch vllm", "llama-70b chat vllm")),
    Names("a router before its engines", OF_MODELS,
          (("llama-70b", "chat", "prod", "sglang"), ("llama-70b", "chat", "prod", "sglang-router")),
          ("llama-70b prod chat sglang", "llama-70b prod chat sglang-router")),
    Names("nodes", ("node", "cluster"),
          (("gpu-1", "east"), ("gpu-1", "west"), ("gpu-2", "east")),
          ("gpu-1 east", "gpu-1 west", "gpu-2")),
)


@every_version
@pytest.mark.parametrize("names", LEGENDS, ids=str)
def test_a_legend_has_the_place_where_several_have_the_name(
        names: Names, version: str, tmp_path: Path) -> None:
    of_nodes = "node" in names.labels
    every, one = (NODE_GPUS, NODE_BUSY) if of_nodes else (EXPECTED, WAITING)
    query = line(one, "{{node}}" if of_nodes else "{{model}}")
    expr = substitute(query.expr, ALL)
    inputs = [{"series": selector(rule.name, dict(zip(names.labels, values, strict=True))),
               "values": "1x5"} for values in names.present for rule in (every, one)]
    answers = ask(version, tmp_path, [], inputs, [expr], "5m")[expr]
    assert sorted(legend_of(query.legend, labels) for labels, _ in answers) == [*names.legends]


@every_version
def test_a_line_of_what_is_gone_is_still_drawn(version: str, tmp_path: Path) -> None:
    query = line(WAITING)
    expr = substitute(query.expr, ALL)
    inputs = [{"series": selector(WAITING.name, {"model": "llama-70b", "cluster": "prod"}),
               "values": "1x5"}]
    (labels, _), = ask(version, tmp_path, [], inputs, [expr], "5m")[expr]
    assert legend_of(query.legend, labels) == "llama-70b"


REPLICAS = {
    "llama-6d5b9c4f7d-t6tkj": {"pod": "llama-6d5b9c4f7d-t6tkj", "target": "127.0.0.1:8000",
                               "instance": "10.0.0.5:9839"},
    "llama-6d5b9c4f7d-v8k2p": {"pod": "llama-6d5b9c4f7d-v8k2p", "target": "localhost:8000",
                               "instance": "10.0.0.6:9839"},
    "inferometer-0 chat-1": {"pod": "inferometer-0", "target": "chat-1",
                             "instance": "10.0.0.7:9839"},
    "inferometer-0 chat-2": {"pod": "inferometer-0", "target": "chat-2",
                             "instance": "10.0.0.7:9839"},
    "gpu-7:9839": {"target": "127.0.0.1:8000", "instance": "gpu-7:9839"},
    "gpu-8:9839": {"target": "127.0.0.1:8000", "instance": "gpu-8:9839"},
}


@every_version
def test_a_replica_has_a_name_of_its_own(version: str, tmp_path: Path) -> None:
    panel = next(panel for panel in replicas.THROUGHPUT.panels if "Running" in panel.title)
    own, median = (substitute(query.expr, ALL) for query in panel.queries)
    one = substitute(panel.queries[0].expr, {**ALL, "pod": "llama-6d5b9c4f7d-v8k2p"})
    common = {"cluster": "prod", "namespace": "chat", "job": "inferometer", "engine": "vllm",
              "model": "llama-70b"}
    inputs = [{"series": selector(c.SERVER_RUNNING.name, {**common, **labels}),
               "values": f"{number}x5"} for number, labels in enumerate(REPLICAS.values())]
    answers = ask(version, tmp_path, [], inputs, [own, median, one], "5m")
    assert {labels["replica"]: value for labels, value in answers[own]} == {
        name: float(number) for number, name in enumerate(REPLICAS)}
    assert [value for _, value in answers[median]] == [2.5]
    assert [labels["replica"] for labels, _ in answers[one]] == ["llama-6d5b9c4f7d-v8k2p"]


@dataclass(frozen=True)
class Row:
    """What fires, and the row that says it."""

    labels: Mapping[str, str]
    about: str
    place: str
    board: str


PLACE = {"cluster": "prod", "namespace": "chat"}
EXPORTER = {"pod": "inferometer-x2x9v", "job": "inferometer", "instance": "10.0.0.1:9839"}
ROWS = (
    Row({"alertname": "LLMRequestsSlow", "team": "serving", "subject": "latency",
         "engine": "vllm", "model": "llama-70b", **PLACE}, "llama-70b", "prod/chat", "latency"),
    Row({"alertname": "LLMEngineDown", "team": "serving", "subject": "engine", "engine": "vllm",
         "model": "llama-70b", "target": "127.0.0.1:8000", "node": "gpu-1", **EXPORTER, **PLACE},
        "llama-70b inferometer-x2x9v", "prod/chat", "latency"),
    Row({"alertname": "LLMEngineDown", "team": "serving", "subject": "engine", "engine": "vllm",
         "model": "llama-70b", "target": "gpu-7:8000", "instance": "gpu-7:9839", "job": "llm"},
        "llama-70b gpu-7:8000", "", "latency"),
    Row({"alertname": "GpuLost", "team": "hardware", "subject": "gpu", "node": "gpu-1",
         "uuid": "GPU-1a2b3c4d-0000-0000-0000-000000000000", "cluster": "prod"},
        "gpu-1 GPU-1a2b3c4d", "prod", "gpu"),
    Row({"alertname": "CostModelBudgetExceeded", "team": "finance", "subject": "model_budget",
         "model": "llama-70b", "period": "month", "cluster": "prod"},
        "llama-70b month", "prod", "cost"),
    Row({"alertname": "CostOfTheDayHigh", "team": "finance", "subject": "spend",
         "cluster": "prod"}, "spend", "prod", "cost"),
    Row({"alertname": "InferometerDown", "team": "observability", "subject": "self",
         "node": "gpu-1", **EXPORTER, **PLACE}, "inferometer-x2x9v", "prod/chat", "exporter"),
    Row({"alertname": "LLMFamiliesUnknown", "team": "observability", "subject": "signals",
         "engine": "vllm", **PLACE}, "vllm", "prod/chat", "exporter"),
    Row({"alertname": "HallucinationsHigh", "team": "serving", "subject": "answers",
         "service_name": "shop", "model": "gpt-4o-mini", "cluster": "prod"},
        "gpt-4o-mini", "prod", "quality"),
    Row({"alertname": "JudgeBudgetSpent", "team": "observability", "subject": "judge",
         "cluster": "prod"}, "judge", "prod", "quality"),
    Row({"alertname": "LLMThumbsDown", "team": "serving", "subject": "answers",
         "service_name": "shop", "model": "gpt-4o-mini", "cluster": "prod"},
        "gpt-4o-mini", "prod", "feedback"),
)


@every_version
def test_a_row_of_firing_alerts_has_what_it_is_about_where_and_a_board(
        version: str, tmp_path: Path) -> None:
    expr = substitute(firing.subjects('ALERTS{alertstate="firing"}'), ALL)
    inputs = [{"series": selector("ALERTS", {"alertstate": "firing", "severity": "warning",
                                             **row.labels}), "values": "1x5"} for row in ROWS]
    answers = ask(version, tmp_path, [], inputs, [expr], "5m")[expr]
    assert sorted((labels["alertname"], labels["about"].strip(), labels.get("place", ""),
                   labels["board"], labels["model"], labels["node"])
                  for labels, _ in answers) == sorted(
        (row.labels["alertname"], row.about, row.place, row.board,
         row.labels.get("model", "All"), row.labels.get("node", "All")) for row in ROWS)
