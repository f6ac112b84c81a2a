"""Every panel and number to scale on answers for every engine that tells what it is about.

Captured pages go through the real exporter into virtual time, which is long enough for the hour,
the day and the month to fill. Which panels may be empty is nobody's list: it follows from the
signals that the exporter says an engine has, through the syntax of rules and queries.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from alerts import signals
from dashboards import DASHBOARDS, queries, requests
from dashboards.variables import NAMES
from deploy.build.scaling import AT_A_FRONT, SIGNALS, fronts, workers
from inferometer import catalogue as c
from inferometer.engines.tables import TABLES
from recording_rules import GROUPS, exporters, tokens
from recording_rules.model import Group
from tests.bundle import promtool
from tests.bundle.alert_cases import alert_documents, resting_on
from tests.bundle.needs import SIGNALS as SIGNAL_OF
from tests.bundle.needs import Needs
from tests.bundle.virtual import MODEL, PAGES, Cluster, clusters

HOURS = 26
# Whether an engine serves the very model that is called, no signal says: a front has several.
CALLED = "and on (cluster, model) client:"
# What is rightly blank where a signal is: no trace here comes to so many calls.
FORWARDED = "inferometer_forward_"  # by a gateway alone, and none of these has a destination
# Nobody votes on the answers here, and no conversation ends.
VOTED = ("llm_feedback", "llm_thumbs_down", "llm_regenerated", "llm_answers_copied",
         c.CONVERSATION_TURNS.name, c.FEEDBACK_UNMATCHED.name.removesuffix("_total"))
# No judge is named here, and no answer has content.
JUDGED = ("llm_evaluation", "llm_judge", "llm_quality_alarm")
# A gateway tells of complete hours, and expects by the weeks before.
OF_HOURS = "llm_client_request_cost_usd:", "llm_client_request_tokens:"
UNLIKELY = (CALLED, *OF_HOURS, c.CLIENT_LONG_TRACES.name, FORWARDED, *VOTED, *JUDGED)
SCRAPED = 2  # minutes
NEEDS = Needs(rule for group in GROUPS for rule in group.rules)
ALL = dict.fromkeys(NAMES, ".*")
# No cluster here was renamed, and none has an exporter that speaks of the fleet alone.
ELSEWHERE = (exporters.RENAMED.name, exporters.FLEET_SEEN.name)
ENGINES = [engine for engine in c.ENGINE_NAMES if engine != "unknown"]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> list[Cluster]:
    return clusters(tmp_path_factory.mktemp("exporter"), PAGES)


def unlike(fleet: Iterable[Cluster]) -> list[Cluster]:
    """One of those that tell the same of the same engine."""
    return list({(cluster.labels["engine"], cluster.signals): cluster
                 for cluster in fleet}.values())


def panels(cluster: str = ".*", engine: str = ".*", model: str = "") -> dict[str, str]:
    """Every board's questions about a cluster, by where they stand.

    `model` is the one that is chosen where a panel is of one.
    """
    chosen = {**ALL, "cluster": cluster, "engine": engine}
    of_one = {**chosen, c.MODEL.name: model or MODEL}
    return {f"{asked.board} / {asked.panel} / {number}":
            (one if asked.panel == requests.CALLS_AND_TRACES.title else asked).expr
            for board in DASHBOARDS for number, (asked, one) in enumerate(zip(
                queries(board, chosen), queries(board, of_one), strict=True))}


def recorded(cluster: str = ".*") -> dict[str, str]:
    """Every recorded series of a cluster, by its name."""
    return {rule.name: f'{rule}{{cluster=~"{cluster}"}}'
            for group in GROUPS for rule in group.rules if "cluster" in rule.labels}


def scaled(cluster: str) -> dict[str, str]:
    """Every number that is scaled on, of a cluster."""
    own = f'cluster="{cluster}"'
    return {f"scaling on {signal.name}": signal.expr(chosen) for signals, chosen in (
        (SIGNALS, workers(own)), ([AT_A_FRONT], fronts(own))) for signal in signals}


def blank(version: str, folder: Path, fleet: Iterable[Cluster], minutes: int,
          groups: Iterable[Group] = GROUPS) -> list[str]:
    """What answers otherwise than it should after rules were evaluated every so many minutes."""
    asked = {cluster.name: recorded(cluster.name)
             | panels(cluster.name, cluster.labels["engine"], cluster.labels["model"])
             | scaled(cluster.name)
             for cluster in fleet}
    exprs = list(dict.fromkeys(expr for these in asked.values() for expr in these.values()))
    used = {name for expr in exprs for name in NEEDS.scraped(expr)}
    inputs = [series.input(HOURS * 60, SCRAPED) for cluster in fleet
              for series in cluster.series if series.name in used]
    answers = promtool.ask(version, folder, promtool.documents(groups), inputs,
                           [f"count({expr})" for expr in exprs], f"{HOURS}h", f"{minutes}m",
                           f"{SCRAPED}m")
    return [f"{cluster.name}: {where}: {'is blank' if should else 'should be empty'}"
            for cluster in fleet for where, expr in asked[cluster.name].items()
            if not any(part in expr for part in UNLIKELY)
            and (should := NEEDS.answered(expr, cluster)) is not None
            and should is not bool(answers[f"count({expr})"])]


@pytest.mark.parametrize("engine", ENGINES)
def test_every_rule_and_panel_answers_for_exactly_the_engines_with_its_signals(
        engine: str, fleet: list[Cluster], tmp_path: Path) -> None:
    of_engine = [cluster for cluster in unlike(fleet) if cluster.labels["engine"] == engine]
    assert of_engine
    wrong = blank("3", tmp_path, of_engine, minutes=60)
    assert not wrong, "\n".join(wrong)


@pytest.mark.heavy
@pytest.mark.parametrize("version", promtool.VERSIONS)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_captured_page_is_answered_for_in_both_versions(
        engine: str, version: str, fleet: list[Cluster], tmp_path: Path) -> None:
    of_engine = [cluster for cluster in fleet if cluster.labels["engine"] == engine]
    wrong = blank(version, tmp_path, of_engine, minutes=30)
    assert not wrong, "\n".join(wrong)


def test_panels_that_a_rule_leaves_blank_are_found(fleet: list[Cluster], tmp_path: Path) -> None:
    """As when a rule loses a label that boards choose by."""
    tgi = [cluster for cluster in fleet if cluster.labels["engine"] == "tgi"]
    broken = replace(tokens.OUTPUT, expr=tokens.OUTPUT.expr.replace(f", {c.ENGINE.name}", ""))
    groups = [replace(group, rules=tuple(
        broken if rule is tokens.OUTPUT else rule for rule in group.rules)) for group in GROUPS]
    wrong = blank("3", tmp_path, tgi, minutes=60, groups=groups)
    assert any("inferometer-throughput / Output tokens /" in where for where in wrong)


def test_no_rule_or_panel_is_empty_everywhere(fleet: list[Cluster]) -> None:
    """But those about signals that no page of a running server has shown yet, or withheld ones."""
    asked = {name: expr for name, expr in (recorded() | panels()).items() if name not in ELSEWHERE}
    shown = {metric.signal for engine in TABLES for metric in engine.signals
             if metric.signal not in engine.unseen}
    unseen = {name for name, signal in SIGNAL_OF.items() if signal not in shown}
    empty = [expr for expr in asked.values()
             if {NEEDS.answered(expr, cluster) for cluster in fleet} == {False}
             and 'source="withheld"' not in expr
             and not any(part in expr for part in (FORWARDED, *OF_HOURS, *VOTED, *JUDGED))]
    assert not [expr for expr in empty if not NEEDS.scraped(expr) & unseen]


RENAMED = "vllm/0.32.0/busy", "vllm:time_to_first_token_seconds", "vllm:first_token_seconds"
UPDATED = 90  # minutes until the engine is replaced by its next version
LATER = 60


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cluster, Cluster]:
    """An engine, and its next version, in which a family has another name."""
    page, old, new = RENAMED
    folder = tmp_path_factory.mktemp("versions")
    now, = clusters(folder / "now", {page: PAGES[page]})
    then, = clusters(folder / "then", {page: PAGES[page].replace(old, new)})
    return now, then


def test_a_renamed_family_is_a_signal_the_engine_does_not_tell(
        versions: tuple[Cluster, Cluster], tmp_path: Path) -> None:
    now, then = versions
    assert now.signals - then.signals == {c.SERVER_TTFT.signal}
    lost = {where for where, expr in panels().items()
            if NEEDS.answered(expr, now) and NEEDS.answered(expr, then) is False}
    assert {where.split(" / ")[1] for where in lost} >= {"Time to first token, p95"}
    assert not blank("3", tmp_path, [then], minutes=60)


def test_an_update_that_renames_a_family_raises_an_alert(
        versions: tuple[Cluster, Cluster], tmp_path: Path) -> None:
    before, after = ({series.selector: series for series in cluster.series}
                     for cluster in versions)
    unknown = {name for name in before if before[name].name == c.UNKNOWN_FAMILIES.name}
    inputs = [
        *(before[name].input(UPDATED, after="stale") for name in before.keys() - after.keys()),
        *(after[name].input(LATER, before=f"_x{UPDATED}") for name in after.keys() - before.keys()),
        *(before[name].input(UPDATED + LATER) for name in before.keys() & after.keys() - unknown),
        *(before[name].input(UPDATED, after=f"{after[name].first!r}x{LATER}") for name in unknown)]
    firing = f'ALERTS{{alertstate="firing", subject="{signals.GROUP.alerts[0].subject.name}"}}'
    signal_series = f'{c.SERVER_SIGNAL.name}{{signal="{c.SERVER_TTFT.signal}"}}'
    rules = resting_on(" ".join(alert.expr for alert in signals.GROUP.alerts))
    groups = (*promtool.documents(rules), *alert_documents([signals.GROUP]))
    answers = promtool.ask("3", tmp_path, groups, inputs, [firing, signal_series],
                           f"{UPDATED + LATER // 2}m")
    assert sorted((labels["alertname"], labels.get("signal")) for labels, _ in answers[firing]) == [
        (signals.FAMILIES_UNKNOWN.name, None), (signals.SIGNAL_LOST.name, c.SERVER_TTFT.signal)]
    assert [labels["source"] for labels, _ in answers[signal_series]] == ["unavailable"]
