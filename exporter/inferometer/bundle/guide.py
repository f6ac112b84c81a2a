"""What each generated file is for, and what to do with it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path


@dataclass(frozen=True)
class Advice:
    """On the files that a pattern meets: what they are, and where they go.

    In `todo`, {} is the path that the pattern stands for: its folder, or the file itself.
    """

    pattern: str
    purpose: str
    todo: str


GUIDE = (
    Advice("prometheus/prometheus.yml", "a configuration of Prometheus that scrapes the exporters",
           "start a Prometheus with it, beside the two rule files, or copy its scrape jobs into "
           "yours: prometheus --config.file={} --storage.tsdb.retention.time=35d"),
    Advice("prometheus/recording.rules.yml", "the series that alerts and boards read",
           "copy it beside your prometheus.yml and name it under rule_files: "
           "promtool check rules {}"),
    Advice("prometheus/alerts.rules.yml", "the alerts",
           "copy it beside your prometheus.yml and name it under rule_files: "
           "promtool check rules {}"),
    Advice("alertmanager/alertmanager.yml", "who is notified of which alert",
           "put the secrets where it names them, and start Alertmanager with it, or merge its "
           "routes, receivers and inhibit_rules into yours: amtool check-config {}"),
    Advice("dashboards/*", "a board of Grafana",
           "import each (Dashboards, New, Import), or have Grafana's file provisioning read {}"),
    Advice("kubernetes/inferometer.yaml",
           "all but the operator's objects, in the namespace inferometer",
           "in place of the folders beside it: kubectl apply -f {}"),
    Advice("kubernetes/gateway.yaml", "a gateway for the telemetry of applications, with a volume",
           "in place of its folder, beside inferometer.yaml: kubectl apply -f {}"),
    Advice("kubernetes/namespace/*", "the namespace, for all but the exporters of nodes",
           "kubectl apply -k {}"),
    Advice("kubernetes/account/*", "the account of the exporters' pods, without a token",
           "before the exporters: kubectl apply -k {}"),
    Advice("kubernetes/fleet/*", "the exporter of budgets, limits and fixed costs",
           "budgets and limits stand in its inferometer.yml: kubectl apply -k {}"),
    Advice("kubernetes/node/*", "an exporter on each node that has GPUs",
           "prices stand in its inferometer.yml, and its namespace must allow hostPath: "
           "kubectl apply -k {}"),
    Advice("kubernetes/gateway/*", "a gateway for the telemetry of applications, with a volume",
           "who may send stands in its inferometer.yml: kubectl apply -k {}"),
    Advice("kubernetes/sidecar/patch.yaml", "an exporter beside an engine, in its pod",
           "kubectl -n NAMESPACE patch deployment ENGINE --patch-file {}"),
    Advice("kubernetes/sidecar/kustomization.yaml", "the patch as a component of kustomize",
           "name its folder under components in your engine's kustomization: {}"),
    Advice("kubernetes/prometheus/*", "rules and configuration for a Prometheus without operator",
           "mount its ConfigMaps in one folder: kubectl apply -k {}"),
    Advice("kubernetes/operator/*", "monitors and rules for Prometheus' operator",
           "kubectl apply -k {}"),
    Advice("kubernetes/dashboards/*", "the boards, for Grafana's sidecar to find",
           "kubectl apply -k {}"),
    Advice("scaling/hpa.yaml", "an example of how Kubernetes itself scales a model's replicas",
           "its metrics are prometheus-adapter's; put in your own names and targets: "
           "kubectl apply -f {}"),
    Advice("scaling/prometheus-adapter.yaml", "the metrics of that example",
           "put the rules into your prometheus-adapter's configuration: {}"),
    Advice("scaling/*", "an example of how KEDA scales a model's replicas",
           "choose one, put in your own names, targets and the address of Prometheus, and apply "
           "it with kubectl: {}"),
    Advice("compose/*", "rules and configurations by the names of Compose's services",
           "they are for the repository's deploy/compose, whose .env names them: {}"),
    Advice("elastic/_ilm/*", "how long Elasticsearch keeps the request log",
           "first, by a request to the path that the file lies under: {}"),
    Advice("elastic/_component_template/*", "fields and settings of the request log",
           "second, likewise: {}"),
    Advice("elastic/_index_template/*", "the data stream of the request log",
           "third, likewise, and before the first line is sent: {}"),
    Advice("elastic/kibana.ndjson", "a data view, saved searches and a dashboard of Kibana",
           "import it (Stack Management, Saved objects): {}"),
    Advice("elastic/*", "a configuration that sends the request log to Elasticsearch",
           "choose Filebeat's, Logstash's or rsyslog's: {}"),
    Advice("metrics.md", "every metric, recorded series and alert", "read {}"),
    Advice("runbook.md", "what each alert means and what to do",
           "put it where --runbook-url leads: alerts link to the headings of {}"),
)


def purpose(path: str) -> str:
    """What the file is for."""
    return _advice(path).purpose


def todo(paths: Iterable[str], folder: Path) -> Iterator[str]:
    """What to do with these files in a folder: a line for each, or for several that go together."""
    for advice in dict.fromkeys(map(_advice, paths)):
        target = folder / advice.pattern.removesuffix("/*")
        yield f"{target.relative_to(folder)}: {advice.todo.format(shlex.quote(str(target)))}"


def _advice(path: str) -> Advice:
    return next(advice for advice in GUIDE if fnmatchcase(path, advice.pattern))
