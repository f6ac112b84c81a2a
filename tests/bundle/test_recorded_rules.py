"""All recording rules together: each records something, and with the labels that it declares."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable, Iterator
from itertools import accumulate, product
from pathlib import Path

import pytest

from deploy.build.vocabulary import FOREIGN
from inferometer import catalogue as c
from inferometer.catalogue import Label, Metric
from recording_rules import (
    GROUPS,
    agents,
    anomalies,
    attribution,
    bounds,
    capacity,
    cost,
    exporters,
    goodput,
    gpus,
    latency,
    requests,
    tokens,
)
from recording_rules.shares import SHARES
from tests.bundle.promtool import (
    SCRAPE,
    VERSIONS,
    Samples,
    Series,
    ask,
    documents,
    growing,
    selector,
    series,
)
from tests.bundle.rule_cases import BOTH_VERSIONS

RULES = [rule for group in GROUPS for rule in group.rules]
OTHER = SCRAPE | {"instance": "10.0.0.2:9835"}
# Or of one model.
FLEETWIDE = (c.COST, c.BUDGET, c.BUDGET_PAGE, c.LIMIT_SECONDS, c.LIMIT_RATIO, c.LIMIT_USD)
# A GPU is a model's if a pod has all of it.
OF_THE_POD = {c.MIG.name: "", c.SHARED.name: "false", c.POD_NAMESPACE.name: SCRAPE["namespace"],
              c.POD_NAME.name: SCRAPE["pod"]}
MINUTES = 90
# They need more history than there is here, or a midnight: tests/bundle/test_request_rules.py,
# tests/bundle/test_cost_gaps.py and tests/bundle/test_quality_alerts.py have them.
SEEN_FOR_HOURS = (requests.ERROR_RATIO["6h"], *requests.ERROR_RATIO_LONG.values(),
                  cost.GAINED_BEFORE_DAY, agents.MOST_COST,
                  *(rule for group in anomalies.GROUPS for rule in group.rules),
                  *(rule for share in SHARES for rule in (share.usual, share.limit)))
IN_TROUBLE = (*bounds.MIXED.values(), *bounds.WORST.values(), gpus.LOST, exporters.RENAMED,
              exporters.FLEET_SEEN, cost.GAINED, cost.GAINED_SECONDS)
OF_TRAFFIC = (
    *latency.MEAN.values(), *latency.QUANTILES.values(), *latency.QUANTILES_HOUR.values(),
    *latency.JUDGED.values(), latency.OUTPUT_SPEED,
    *requests.ERROR_RATIO.values(), *requests.ERROR_RATIO_LONG.values(), requests.INVALID_RATIO,
    requests.FLEET_ERROR_RATIO, capacity.PREFIX_HITS, capacity.ACCEPTED, tokens.CACHED_RATIO,
    tokens.NODE_JOULES, tokens.FLEET_JOULES, gpus.BUSY, gpus.NODE_BUSY, gpus.FLEET_BUSY,
    attribution.MODEL_BUSY, attribution.JOULES, cost.PER_REQUEST, cost.PER_1M_TOKENS,
    cost.MODEL_PER_REQUEST, cost.MODEL_PER_1M_TOKENS, goodput.LOWER, goodput.UPPER,
)


def values_of(metric: Metric, label: Label) -> tuple[str, ...]:
    if label is c.ENGINE:
        return ("vllm",)
    if label is c.EVALUATION:
        return c.JUDGED_EVALUATION.values
    if label is c.MODEL:
        return ("", "tiny") if metric in FLEETWIDE else ("tiny",)
    if metric is c.GPU_POD_INFO and label.name in OF_THE_POD:
        return (OF_THE_POD[label.name],)
    return label.values or ("0",)


def published(metric: Metric, bounds: tuple[str, ...], scrape: dict[str, str]) -> Iterator[Series]:
    """Every closed label's every value, and one of each open one."""
    names = [label.name for label in metric.labels]
    for values in product(*(values_of(metric, label) for label in metric.labels)):
        labels = dict(zip(names, values, strict=True))
        if metric.kind == "histogram":
            for bound in bounds:
                yield series(metric, growing(60, MINUTES), scrape=scrape, suffix="_bucket",
                             **labels, le=bound)
            for suffix in ("_count", "_sum"):
                yield series(metric, growing(60, MINUTES), scrape=scrape, suffix=suffix, **labels)
        else:
            counts = growing(60, MINUTES) if metric.kind == "counter" else f"1x{MINUTES}"
            yield series(metric, counts, scrape=scrape, **labels)


def everything() -> list[Series]:
    """What an exporter says of an engine and a GPU of which all is known, and Prometheus of it."""
    group = "/etc/prometheus/recording.rules.yml;inferometer-gpus"
    return [
        *(one for metric in c.METRICS for one in published(metric, ("0.1", "+Inf"), SCRAPE)),
        *({"series": selector(name, SCRAPE | dict.fromkeys(labels, group)),
           "values": growing(60, MINUTES)} for name, labels in FOREIGN.items())]


def troubles() -> list[Series]:
    """Another exporter's: an engine's histograms have other bounds, and a GPU does not answer.

    One more reports under another name of its cluster, one does nothing but speak of money, and
    another cluster's is scraped again since the last evaluation but one.
    """
    ttft = [one for metric in c.METRICS if metric.kind == "histogram"
            for one in published(metric, ("0.2", "+Inf"), OTHER)]
    lost = {"gpu": "1", "uuid": "1"}
    renamed = [series(c.BUILD_INFO, values, scrape=OTHER | {"cluster": cluster}, version="0")
               for cluster, values in (("old", "1x40 stale"), ("new", "_x41 1x90"))]
    fleet = series(c.COLLECTOR_SUCCESS, f"1x{MINUTES}", scrape=OTHER, collector="cost")
    return [*ttft, *renamed, fleet, series(c.GPU_UP, f"0x{MINUTES}", scrape=OTHER, **lost),
            series(c.GPU_INFO, f"1x{MINUTES}", scrape=OTHER, **lost, name="0", driver_version="0",
                   pci_bus_id="0"),
            series(c.COST, f"{growing(60, 59)} _x17 {growing(60, 10, 4620)}",
                   scrape=OTHER | {"cluster": "west"}, category="api", model="")]


def asked(version: str, folder: Path, inputs: Iterable[Series]) -> dict[str, Samples]:
    """All that the rules record, by name."""
    recorded = '{__name__=~".+:.+"}'
    answers = ask(version, folder, documents(GROUPS), inputs, [recorded], "81m", interval="3m")
    samples: dict[str, Samples] = {}
    for labels, value in answers[recorded]:
        samples.setdefault(labels["__name__"], []).append((labels, value))
    return samples


@BOTH_VERSIONS
def test_every_rule_records_and_with_the_labels_that_it_declares(version: str,
                                                                 tmp_path: Path) -> None:
    well = asked(version, tmp_path, everything())
    ill = asked(version, tmp_path, [*everything(), *troubles()])
    assert {*map(str, IN_TROUBLE)} == ill.keys() - well.keys()
    for rule in (rule for rule in RULES if rule not in SEEN_FOR_HOURS):
        samples = [labels for labels, _ in {**ill, **well}.get(rule.name, ())
                   if rule.fixed.items() <= labels.items()]
        assert samples, f"{rule} records nothing"
        declared = {"__name__", *rule.labels}
        for labels in samples:  # a model's name may be empty, which is to say absent
            assert {*labels} <= declared <= {*labels, "model"}, f"{rule}: {labels}"


@BOTH_VERSIONS
def test_of_nothing_but_the_time_nothing_is_recorded(version: str, tmp_path: Path) -> None:
    timed = {rule.name for rule in RULES if not rule.labels}
    assert asked(version, tmp_path, []).keys() == timed


@BOTH_VERSIONS
def test_counters_that_stand_still_give_no_share_quantile_or_mean(version: str,
                                                                  tmp_path: Path) -> None:
    still = [{**one, "values": f"7x{MINUTES}"} for one in everything()]
    recorded = asked(version, tmp_path, still)
    assert all(math.isfinite(value) for samples in recorded.values() for _, value in samples)
    assert not {rule.name for rule in OF_TRAFFIC} & recorded.keys()


def test_ranges_open_on_the_left_change_nothing_that_matters(tmp_path: Path) -> None:
    """Scrapes come uneven and hardly ever on the dot: what both versions record is the same."""
    chance = random.Random(7)

    def values(metric: Metric) -> str:
        if metric.kind == "gauge":
            return "1x140"
        return " ".join(map(str, accumulate(chance.randrange(9) for _ in range(140))))

    inputs = [{**one, "values": values(metric)} for metric in (
        c.SERVER_REQUESTS, c.SERVER_OUTPUT, c.SERVER_INPUT, c.GPU_BUSY, c.GPU_OBSERVED, c.GPU_INFO)
        for one in published(metric, (), SCRAPE)]
    everywhere = '{__name__=~".+:.+"}'
    old, new = (ask(version, tmp_path, documents(GROUPS), inputs, [everywhere], "16m",
                    scraped="7s")[everywhere] for version in VERSIONS)
    assert [labels for labels, _ in old] == [labels for labels, _ in new]
    assert len({labels["__name__"] for labels, _ in old}) > 30
    assert [value for _, value in old] == pytest.approx([value for _, value in new], rel=0.02)


def test_names_say_level_metric_and_operation() -> None:
    for rule in RULES:
        assert re.fullmatch(r"(client|model|gpu|node|fleet):[a-z0-9_]+:[a-z0-9_]+", rule.name), rule
        level = rule.name.partition(":")[0]
        assert ("uuid" in rule.labels) == (level == "gpu"), rule
        assert level != "model" or "model" in rule.labels, rule
        assert level != "node" or rule.labels[:2] == ("cluster", "node"), rule


def test_no_group_is_slower_than_prometheus_forgets() -> None:
    """A series without a sample for five minutes is gone, and no sample comes on the dot."""
    assert {group.interval for group in GROUPS} <= {"1m", "150s", "2m", "4m"}
