"""Each proof of the bundle, and a definition that it refuses."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from alerts import words
from alerts.model import GPU_HEALTH, SATURATION, Alert, AlertGroup
from deploy.build import proofs
from deploy.build.bundle import Bundle, assemble
from deploy.build.proofs import runbook as runbook_proof
from deploy.build.proofs.definitions import LISTINGS, Listing, unlisted
from deploy.build.scaling import QUEUED
from inferometer import catalogue as c
from recording_rules.limits import QUEUE
from recording_rules.model import Group, Rule
from recording_rules.promql import MODEL, by, on

WAITING = c.SERVER_WAITING.name
RULE = Rule("model:requests_waiting:sum", f"sum {by(MODEL)} ({WAITING})", MODEL, "Who waits.")
ALERT = Alert(
    "LLMQueueLong", SATURATION, "warning", f"{RULE} > 3", summary="Many wait.",
    description=f"{{{{ $value }}}} requests to {words.MODEL} wait, limit 3.", board="latency")
EVENT = Alert(
    "GPUXid", GPU_HEALTH, "critical",
    f"max by (cluster, node, uuid) (increase({c.GPU_XID.name}[15m])) > 0", summary="It broke.",
    description=f"{words.GPU} broke.", board="latency", hold="0m", because="It happened.")
ENTRY = "\n".join(f"**{part}.** So it is." for part in runbook_proof.PARTS)
RUNBOOK = f"# Runbook\n\n## LLMQueueLong\n{ENTRY}\n## GPUXid\n\n{ENTRY}\n"
MIXIN = "    'inferometer-latency.json': import 'generated/dashboards/inferometer-latency.json',\n"
TITLE = "{{ .CommonLabels.alertname }} of {{ .CommonLabels.model }}"
ROUTING = {
    "route": {"receiver": "all", "group_by": ["alertname", "model"], "routes": [
        {"receiver": "all", "matchers": ['alertname=~"LLMQueueLong|GPUXid"', 'team = "serving"']}]},
    "receivers": [{"name": "all", "slack_configs": [
        {"title": TITLE, "fallback": TITLE}], "email_configs": [{"headers": {"Subject": TITLE}}]}],
    "inhibit_rules": [{"source_matchers": ['severity="critical"'],
                       "target_matchers": ['subject="saturation"'], "equal": ["cluster"]}],
}
MODEL_VARIABLE = {"name": "model", "query": f"label_values({RULE}, model)"}


def board(expr: str = f'{RULE}{{model=~"$model"}}', **changes: Any) -> dict[str, Any]:
    return {
        "uid": "inferometer-latency", "title": "Latency", "templating": {"list": [MODEL_VARIABLE]},
        "panels": [{"title": "Queue", "targets": [{"expr": expr, "legendFormat": "{{model}}"}]}],
        "links": [{"url": "/d/inferometer-latency"}], **changes}


def bundle(*rules: Rule, alerts: tuple[Alert, ...] = (ALERT, EVENT),
           metrics: tuple[c.Metric, ...] = (c.SERVER_WAITING, c.GPU_XID),
           runbook: str = RUNBOOK, mixin: str = MIXIN, **board_changes: Any) -> Bundle:
    return Bundle(
        metrics, (Group("waiting", (RULE, *rules)),), (AlertGroup("queues", alerts),), ROUTING,
        {"inferometer-latency": board(**board_changes)}, runbook, mixin)


def alert(of: Alert = ALERT, **changes: Any) -> Bundle:
    return bundle(alerts=tuple(replace(one, **changes) if one is of else one
                               for one in (ALERT, EVENT)))


def rule(expr: str, labels: tuple[str, ...] = MODEL, name: str = "model:other:sum",
         text: str = "It is so.", fixed: dict[str, str] | None = None) -> Bundle:
    return bundle(Rule(name, expr, labels, text, fixed or {}))


def held_against(limit: str, severity: str, *, of_rule: bool = False) -> Bundle:
    """An alert, or a rule that it reads, that compares with a limit."""
    over = f"{RULE} > {on(QUEUE.labels)} group_left () {limit}"
    longer = Rule("model:requests_waiting:over", over, MODEL, "Who waits for long.")
    reader = replace(ALERT, expr=str(longer) if of_rule else over, severity=severity)
    return bundle(QUEUE.rule(), *([longer] if of_rule else []), alerts=(reader, EVENT),
                  metrics=(c.SERVER_WAITING, c.GPU_XID, QUEUE.metric, c.SERVER_UP,
                           c.SERVER_REQUESTS))


def routed(old: str, new: str) -> Bundle:
    assert old in json.dumps(ROUTING)
    return replace(bundle(), routing=json.loads(json.dumps(ROUTING).replace(old, new)))


def inhibited(*source: str, target: tuple[str, ...],
              equal: tuple[str, ...] = ("cluster",)) -> Bundle:
    """With one more inhibition than there is."""
    rule = {"source_matchers": [*source], "target_matchers": [*target], "equal": [*equal]}
    return replace(bundle(), routing={**ROUTING, "inhibit_rules": [
        *ROUTING["inhibit_rules"], rule]})


def entry(part: str, text: str) -> Bundle:
    """With this in the runbook entry of ALERT."""
    return bundle(runbook=RUNBOOK.replace(f"**{part}.** So it is.", f"**{part}.** {text}", 1))


def test_all_that_is_proven_holds_of_the_bundle() -> None:
    assert proofs.findings(assemble()) == []


def test_all_that_is_proven_holds_of_a_small_bundle() -> None:
    assert proofs.findings(bundle()) == []


BROKEN: dict[str, tuple[Callable[[], Bundle], str]] = {
    "an expression is no PromQL": (lambda: rule(f"sum by (cluster) ({WAITING}"),
                                   "model:other:sum: no PromQL: "),
    "a rule reads a metric there is not": (
        lambda: rule(f"sum {by(MODEL)} (llm_server_waiting)"),
        "model:other:sum: llm_server_waiting is neither in the catalogue nor recorded"),
    "what is scaled on is a series there is not": (
        lambda: replace(bundle(), signals=(replace(QUEUED, expr=lambda _: "model:waiting:sum"),)),
        "scaling on waiting: model:waiting:sum is neither in the catalogue nor recorded"),
    "a rule reads a histogram as if it were a gauge": (
        lambda: rule(f"sum {by(MODEL)} ({c.SERVER_TTFT.name})"), "neither in the catalogue"),
    "a matcher names a label the metric has not": (
        lambda: rule(f'sum {by(MODEL)} ({WAITING}{{outcome="error"}})'),
        f"model:other:sum: {WAITING} has no label outcome"),
    "a grouping names a label that is aggregated away": (
        lambda: rule(f"sum {by(MODEL)} (sum by (cluster, namespace, engine) ({WAITING}))"),
        "has no label model"),
    "a match is on a label that one side lacks": (
        lambda: rule(f"sum {by(MODEL)} ({WAITING}) / on (cluster, target) {RULE}",
                     ("cluster", "target")), "has no label target"),
    "a side with fewer labels is matched on all of them": (
        lambda: rule(f"{RULE} / sum by (cluster) ({WAITING})"), "matched on all"),
    "group_left brings a label that is not there": (
        lambda: rule(f"{RULE} * on (cluster) group_left (node) count by (cluster) ({WAITING})"),
        "has no label node"),
    "a selector is without a name": (
        lambda: rule(f'sum {by(MODEL)} ({{__name__=~"llm_.*"}})'), "select by one name"),
    "an alert reads a recorded series there is not": (
        lambda: alert(expr=f"{RULE} > 3 and model:requests:rate5m"),
        "LLMQueueLong (warning): model:requests:rate5m is neither"),
    "a description names a label its alert has not": (
        lambda: alert(description="{{ $labels.uuid }}"),
        "LLMQueueLong (warning): its series have no label uuid"),
    "a description asks for what there is not": (
        lambda: alert(description="{{ with printf `nothing{model=%q}` $labels.model | query }}"),
        "LLMQueueLong (warning), description: nothing is neither"),
    "a panel reads what there is not": (
        lambda: bundle(expr="vllm:num_requests_waiting"),
        "board inferometer-latency, Queue: vllm:num_requests_waiting is neither"),
    "a panel's legend names a label its series have not": (
        lambda: bundle(expr=f"sum by (cluster) ({RULE})"),
        "board inferometer-latency, Queue: its series have no label model"),
    "a board offers values of a label that is not there": (
        lambda: bundle(templating={"list": [{
            "name": "node", "query": f"label_values({RULE}, node)"}]}),
        "variable node: its series have no label node"),
    "an annotation reads what there is not": (
        lambda: bundle(annotations={"list": [{"name": "Alerts", "expr": 'ALERTS{pager="me"}'}]}),
        "ALERTS has no label pager"),
    "a rule declares other labels than it gives": (
        lambda: rule(f"sum by (cluster) ({WAITING})"),
        "model:other:sum: gives cluster, declares cluster, engine, model, namespace"),
    "a metric is read nowhere": (
        lambda: bundle(metrics=(c.SERVER_WAITING, c.GPU_XID, c.GPU_POWER)),
        "gpu_power_watts is read by no rule, alert or board"),
    "an event is looked for over less than a quarter of an hour": (
        lambda: alert(EVENT, expr=EVENT.expr.replace("15m", "14m")),
        "GPUXid: gpu_xid_errors_total is looked for over 0:14:00, with a hold of 0:00:00"),
    "an event is forgotten before its alert fires": (
        lambda: alert(EVENT, hold="15m"), "is looked for over 0:15:00, with a hold of 0:15:00"),
    "an event is looked for over too little by a rule in between": (
        lambda: replace(bundle(
            Rule("gpu:xid:increase5m",
                 f"max by (cluster, node, uuid) (increase({c.GPU_XID.name}[5m]))",
                 ("cluster", "node", "uuid"), "XIDs."),
            alerts=(ALERT, replace(EVENT, expr="gpu:xid:increase5m > 0")))),
        "GPUXid: gpu_xid_errors_total is looked for over 0:05:00"),
    "a group is large": (
        lambda: bundle(*(replace(RULE, name=f"model:waiting:sum{n}") for n in range(20))),
        "group waiting: 21 rules, not 1 to 20"),
    "a group is empty": (lambda: replace(bundle(), groups=(
        Group("waiting", (RULE,)), Group("nothing", ()))), "group nothing: 0 rules"),
    "a group's name is long": (lambda: replace(bundle(), groups=(Group("w" * 41, (RULE,)),)),
                               "longer than 40 characters"),
    "two groups share a name": (lambda: replace(bundle(), groups=(
        Group("queues", (RULE,)),)), "group queues is there 2 times"),
    "a recorded name is not in three parts": (
        lambda: rule(f"sum {by(MODEL)} ({WAITING})", name="requests_waiting:sum"),
        "requests_waiting:sum: not level:metric:operation"),
    "a recorded rule does not say how to read it": (
        lambda: rule(f"sum {by(MODEL)} ({WAITING})", text="waiting"), "help is no sentence"),
    "a rule is there twice": (lambda: bundle(RULE), "rule model:requests_waiting:sum is there 2"),
    "an alert's series lack its subject's scope": (
        lambda: alert(expr=f"sum by (model) ({WAITING}) > 3"),
        "its series lack cluster, engine, namespace of the subject saturation"),
    "an alert's name is not as mixins have it": (lambda: alert(name="LLM_Queue"), "name is not"),
    "an alert's name is long": (lambda: alert(name="Q" + "u" * 40), "name is not"),
    "a severity has no meaning": (lambda: alert(severity="page"), "severity is none of"),
    "a team is nobody": (lambda: alert(subject=replace(SATURATION, team="them")),
                         "team is none of"),
    "a summary holds a value": (lambda: alert(summary="It is {{ $value }}."),
                                "summary is no plain sentence"),
    "a summary is no sentence": (lambda: alert(summary="many wait"),
                                 "summary is no plain sentence"),
    "a description says no value": (lambda: alert(description="Many wait."),
                                    "description says no value"),
    "an alert leads to no board": (lambda: alert(board="nowhere"), "there is no board nowhere"),
    "an unusual hold has no reason": (lambda: alert(hold="5m"), "holds 5m and does not say why"),
    "a usual hold has one": (lambda: alert(because="It is."), "says why it holds as long"),
    "an alert pages by a latency limit that nobody chose": (
        lambda: held_against(QUEUE.selector, "critical"),
        f"LLMQueueLong (critical): reads {QUEUE.rule().name} whoever set it: take `chosen`"),
    "an alert pages by the default": (
        lambda: held_against(QUEUE.unchosen, "critical"), "(critical): reads "),
    "an alert pages by a rule that reads such a limit": (
        lambda: held_against(QUEUE.selector, "critical", of_rule=True), "(critical): reads "),
    "an alert is there twice": (lambda: bundle(alerts=(ALERT, ALERT, EVENT)),
                                "alert LLMQueueLong (warning) is there 2 times"),
    "an alert has no runbook entry": (lambda: bundle(runbook=f"## GPUXid\n{ENTRY}"),
                                      "LLMQueueLong has no heading in the runbook"),
    "a runbook entry is of no alert": (lambda: bundle(runbook=f"{RUNBOOK}## LLMOld\n{ENTRY}"),
                                       "the runbook tells of LLMOld, which is no alert"),
    "a runbook entry knows no remedy": (
        lambda: bundle(runbook=RUNBOOK.replace("**Remedy.**", "", 1)),
        "runbook, LLMQueueLong: its parts are not Meaning, Impact, Look at first, Remedy"),
    "a route is of an alert there is not": (
        lambda: routed("LLMQueueLong|GPUXid", "LLMQueueLong|LLMOld"),
        "routing: alertname is never LLMOld"),
    "an inhibition is by a severity there is not": (
        lambda: routed("critical", "page"), "routing: severity is never page"),
    "an inhibition asks for equality in a label no alert has": (
        lambda: routed('"cluster"', '"clusters"'), "routing: alerts have no label clusters"),
    "notifications are grouped by a label no alert has": (
        lambda: routed("model", "model_name"), "routing: alerts have no label model_name"),
    "no alert is the source of an inhibition": (
        lambda: inhibited('severity="critical"', 'subject="saturation"',
                          target=('subject="saturation"',)),
        "no alert is its source: an inhibition that can never act is none"),
    "no alert is the target of an inhibition": (
        lambda: inhibited('severity="critical"', target=('severity="info"',)),
        "no alert is its target"),
    "an inhibition has no target but its source": (
        lambda: inhibited('severity="critical"', target=('subject="gpu"',)),
        "no alert is its target, but those that are its source"),
    "an inhibition is of two alerts which both sides match": (
        lambda: inhibited('alertname=~"GPUXid|LLMQueueLong"', target=('severity!="info"',)),
        "no alert is its target, but those that are its source"),
    "what an inhibition compares is never equal": (
        lambda: inhibited('alertname="GPUXid"', target=('alertname="LLMQueueLong"',),
                          equal=("cluster", "subject")),
        "source and target never have equal cluster, subject"),
    "an inhibition compares a label that its target never carries": (
        lambda: inhibited('alertname="GPUXid"', target=('alertname!="GPUXid"',),
                          equal=("cluster", "uuid")),
        "LLMQueueLong (warning) never carries uuid"),
    "an inhibition compares a label that its source never carries": (
        lambda: inhibited('alertname="GPUXid"', target=('alertname!="GPUXid"',),
                          equal=("cluster", "model")),
        "GPUXid (critical) never carries model"),
    "an inhibition is there already in other words": (
        lambda: inhibited('alertname="GPUXid"', target=('alertname="LLMQueueLong"',)),
        "others silence the same already"),
    "an alert silences a cause to which its runbook sends people": (
        lambda: bundle(runbook=f"{RUNBOOK.partition('## GPUXid')[0]}## GPUXid\n\n" + ENTRY.replace(
            "**Look at first.** So it is.", "**Look at first.** Does LLMQueueLong fire?")),
        "GPUXid silences LLMQueueLong, to which its runbook sends people"),
    "a title lacks a label by which its alerts are grouped": (
        lambda: routed("{{ .CommonLabels.model }}", "a model"),
        "receiver all, slack_configs title: the title does not say model"),
    "a route groups by more than its title says": (
        lambda: routed('"matchers": [', '"group_by": ["cluster"], "matchers": ['),
        "receiver all, email_configs headers.Subject: the title does not say cluster"),
    "a message has no title of its own": (
        lambda: routed("Subject", "Sender"),
        "receiver all, email_configs headers.Subject: the title does not say alertname, model"),
    "a description does not name its model's place": (
        lambda: alert(description="{{ $labels.model }}: {{ $value }} wait."),
        "LLMQueueLong (warning): description does not name cluster, namespace of"),
    "a description does not name its GPU's node": (
        lambda: alert(EVENT, description="{{ $labels.uuid }} in {{ $labels.cluster }} broke."),
        "GPUXid (critical): description does not name node of"),
    "a description asks by a label and does not name it": (
        lambda: alert(description=ALERT.description.replace(
            words.MODEL, f"{{{{ with printf `{RULE}{{cluster=%q, namespace=%q, model=%q}}` "
            "$labels.cluster $labels.namespace $labels.model | query }}some{{ end }}")),
        "LLMQueueLong (warning): description does not name cluster, model, namespace of"),
    "a runbook entry has another hold than its alert": (
        lambda: entry("Meaning", "For 11 minutes many wait."),
        "runbook, LLMQueueLong: “11 minutes” is no figure of the alert, which has 3; 300 s, 600 s"),
    "a runbook entry has another threshold": (
        lambda: entry("Meaning", "More than 4 wait."), "runbook, LLMQueueLong: “4” is no figure"),
    "a runbook entry has another share": (
        lambda: entry("Look at first", "More than 5 % of them."), "“5 %” is no figure"),
    "a runbook entry has another factor": (
        lambda: entry("Remedy", "At twice the number, act."), "“twice” is no figure"),
    "a runbook entry has a number in words": (
        lambda: entry("Impact", "For ten minutes callers wait."), "“ten” is a number in words"),
    "a description has a number of its own": (
        lambda: alert(description=ALERT.description.replace("limit 3", "limit 5")),
        "LLMQueueLong (warning): “5” is no figure of the alert"),
    "a summary has a number in words": (
        lambda: alert(summary="Dozens wait."), "“Dozens” is a number in words"),
    "a summary names no limit": (
        lambda: alert(summary="Requests wait longer than they may."),
        "LLMQueueLong (warning), summary: “than they may”: name the limit"),
    "a description tells": (
        lambda: alert(description=f"{ALERT.description} It tells more."),
        "LLMQueueLong (warning), description: “tells”: say who"),
    "a runbook entry is worded as an old book": (
        lambda: entry("Remedy", "If it is a\nmatter of cost, ask."),
        "runbook, LLMQueueLong: “a matter of”: say what it depends on"),
    "the runbook's head is": (
        lambda: bundle(runbook=RUNBOOK.replace("# Runbook", "# Runbook\n\nNothing of it.")),
        "runbook: “Nothing of”"),
    "a board has no title": (lambda: bundle(title=""), "board inferometer-latency: uid"),
    "a board goes by another uid": (lambda: bundle(uid="latency"), "uid 'latency'"),
    "a board links to none": (lambda: bundle(links=[{"url": "/d/inferometer-rag?x=1"}]),
                              "links to inferometer-rag, which is none"),
    "the mixin lacks a board": (
        lambda: bundle(mixin=""), "inferometer-latency is not in deploy/mixin.libsonnet: add"),
    "the mixin has a board that is none": (
        lambda: bundle(mixin=MIXIN + MIXIN.replace("latency", "gone")),
        "deploy/mixin.libsonnet imports inferometer-gone.json, which is no board"),
    "a family is over its budget": (lambda: bundle(
        metrics=(c.SERVER_WAITING, replace(c.GPU_XID, seats=10_000))), "family gpu_xid_errors_to"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_it_does_not_build_where(case: str) -> None:
    broken, finding = BROKEN[case]
    findings = proofs.findings(broken())
    assert any(finding in line for line in findings), findings


def test_a_metric_that_is_read_gives_no_reason_why_not() -> None:
    excused = replace(c.SERVER_WAITING, unread="Nobody asks.")
    assert proofs.findings(bundle(metrics=(excused, c.GPU_XID, c.GPU_PCIE))) == [
        f"{WAITING} is read, but its entry says why not: take out its `unread`"]


@pytest.mark.parametrize(("limit", "severity"), [
    (QUEUE.chosen, "critical"), (QUEUE.selector, "warning")])
def test_a_page_reads_latency_limits_that_somebody_chose_and_a_warning_any(
        limit: str, severity: str) -> None:
    assert [finding for finding in proofs.findings(held_against(limit, severity))
            if "chosen" in finding] == []


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """What is found where a module of this text defines metrics and labels, some of them listed."""
    def findings(text: str, kind: type, *listed: str) -> list[str]:
        (tmp_path / "shelf").mkdir()
        (tmp_path / "shelf" / "__init__.py").touch()
        (tmp_path / "shelf" / "fan.py").write_text(
            f"from inferometer.catalogue import GPU_UP, Label, Metric\n{text}")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "shelf", raising=False)
        monkeypatch.delitem(sys.modules, "shelf.fan", raising=False)
        module = import_module("shelf.fan")
        values = tuple(getattr(module, name) for name in listed)
        return [*unlisted(Listing(import_module("shelf"), kind, values, "add it to {tuples}"))]

    return findings


def test_a_definition_that_is_in_no_list_is_found_with_its_file_and_its_list(
        shelf: Callable[..., list[str]]) -> None:
    assert shelf("""
FAN, SPEED = (Metric(f"gpu_{name}", "gauge", "Fan.") for name in ("fan", "speed"))
BY_NAME = {"noise": (Metric("gpu_noise", "gauge", "Noise."),)}
FAN_METRICS = (FAN,)
""", c.Metric, "FAN") == [
        "gpu_speed is defined in shelf/fan.py and add it to FAN_METRICS",
        "gpu_noise is defined in shelf/fan.py and add it to FAN_METRICS"]


def test_what_a_module_imports_is_not_its_own_definition(shelf: Callable[..., list[str]]) -> None:
    assert shelf("", c.Metric) == []


def test_a_label_that_no_metric_has_is_found(shelf: Callable[..., list[str]]) -> None:
    (finding,) = shelf('BLADE = Label("blade", "Which.", budget=3)\n', c.Label)
    assert finding.startswith("blade is defined in shelf/fan.py")


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.kind.__name__)
def test_every_kind_of_definition_is_looked_for_where_there_is_one(listing: Listing) -> None:
    """Else its proof could not fail."""
    assert [*unlisted(replace(listing, listed=()))]
