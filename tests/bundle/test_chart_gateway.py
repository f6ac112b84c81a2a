"""The chart's gateway: what it keeps, who reaches it, and that an upgrade changes none of that."""

from __future__ import annotations

import contextlib
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import yaml

from inferometer.config import CALL_LIMITS, LIMITS
from inferometer.intake import part as intake
from inferometer.ledger import part as ledger
from tests.bundle.chart import (
    CHART,
    HELMS,
    LIGHT,
    NAMESPACE,
    configurations,
    container,
    helm,
    manifests,
    one,
    with_values,
    workloads,
)
from tests.bundle.kubernetes import Manifest, parsed
from tests.bundle.manifests import faults
from tests.bundle.test_gitops import rendered_with
from tests.exporter.process import ANYWHERE, announced_port
from tests.exporter.support import free_port, launched, wait_for

START_SECONDS = 60.0  # on a machine that has much else to do
EMPTY_BODY = b'{"resourceSpans": []}'
KEY = "0123456789abcdef" * 4


def gateway(values: Manifest | None = None, **others: Any) -> list[Manifest]:
    """The chart with a gateway of these values."""
    return rendered_with({**LIGHT, **others, "gateway": {"enabled": True, **(values or {})}})


def unchecked(*flags: str) -> list[Manifest]:
    """The chart with a gateway and with values that its schema does not take yet."""
    process = helm("4", "template", "inferometer", CHART, "--namespace", NAMESPACE,
                   "--skip-schema-validation", "--set", ",".join((
                       "gateway.enabled=true,rules.enabled=false,dashboards.enabled=false",
                       "networkPolicy.enabled=true", *flags)))
    assert process.returncode == 0, process.stderr
    return parsed(process.stdout)


def settings(documents: list[Manifest]) -> Any:
    """The gateway's inferometer.yml."""
    return yaml.safe_load(configurations(documents)["inferometer-gateway"])


def sent(port: int, token: str = "") -> int:
    """How a gateway answers a body of telemetry."""
    request = Request(f"http://127.0.0.1:{port}/v1/traces", EMPTY_BODY, {
        "Content-Type": "application/json", "Authorization": f"Bearer {token}"})
    with urlopen(request, timeout=30) as answer:
        status: int = answer.status
        return status


# What it keeps.


def staged(documents: list[Manifest], folder: Path, port: int) -> Path:
    """The gateway's file with all that its pod mounts in a folder, and a port that is free."""
    text = configurations(documents)["inferometer-gateway"]
    text = re.sub(r" listen: :\d+\n", f" listen: 127.0.0.1:{port}\n", text, count=1)
    text = re.sub(r"grpc_listen: :\d+\n", f"grpc_listen: 127.0.0.1:{free_port()}\n", text)
    file = folder / "inferometer.yml"
    file.write_text(re.sub(r"/(etc/inferometer-\w+|var/lib/inferometer)/", f"{folder}/", text))
    return file


@contextlib.contextmanager
def running(file: Path) -> Iterator[None]:
    """A gateway of this file, once it listens."""
    with launched("--config", str(file), *ANYWHERE) as gateway:
        wait_for(lambda: announced_port(gateway) or gateway.process.poll() is not None,
                 START_SECONDS)
        assert gateway.process.poll() is None, "".join(gateway.lines)
        yield


def test_it_starts_takes_telemetry_and_keeps_its_key_through_a_restart(tmp_path: Path) -> None:
    port = free_port()
    file = staged(gateway(), tmp_path, port)
    for _ in range(2):
        with running(file):
            assert sent(port) == 200
    key = tmp_path / "ledger.db.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir() if "ledger" in path.name} >= {"ledger.db"}


def test_a_key_and_tokens_of_secrets_are_the_ones_it_reads(tmp_path: Path) -> None:
    documents = gateway({"keySecret": "key", "tokenSecret": "tokens", "tokenKeys": ["apps"]})
    port = free_port()
    file = staged(documents, tmp_path, port)
    (tmp_path / "key").write_text(f"{KEY}\n")
    (tmp_path / "apps").write_text("sesame")
    with running(file):
        assert sent(port, "sesame") == 200
    assert not (tmp_path / "ledger.db.key").exists()
    pod = workloads(documents)["gateway"]["spec"]
    secrets = {volume["name"]: volume["secret"] for volume in pod["volumes"] if "secret" in volume}
    # No other user of the machine reads them, and the pod's group does.
    assert {secret["defaultMode"] for secret in secrets.values()} == {0o440}
    assert secrets.keys() == {"inferometer-key", "inferometer-tokens"}
    assert pod["securityContext"]["fsGroup"] == container(
        {"spec": pod})["securityContext"]["runAsGroup"]


def test_the_chart_makes_no_secret_so_that_none_changes_with_an_upgrade() -> None:
    documents = gateway()
    assert not [manifest for manifest in documents if manifest["kind"] == "Secret"]
    assert documents == gateway()
    templates = "".join(file.read_text() for file in (CHART / "templates").iterdir())
    actions = [words for words in re.findall(r"\{\{(.*?)\}\}", templates, re.DOTALL)
               if not words.strip("- ").startswith("/*")]
    assert len(actions) > 300
    assert not [words for words in actions if re.search(
        r"\b(lookup|rand\w+|gen\w+(?:Key|Cert|CA)|uuidv4|now)\b", re.sub(r'"[^"]*"', "", words))]


def test_nothing_changes_in_what_kubernetes_lets_nobody_change() -> None:
    def fixed(documents: list[Manifest]) -> Manifest:
        spec = one(documents, "StatefulSet", "inferometer-gateway")["spec"]
        return {key: spec[key] for key in (
            "selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates")}

    upgraded = gateway(
        {"image": {"tag": "9.9.9"}, "podLabels": {"a": "b"}, "port": 4400, "resources": None,
         "annotations": {"c": "d"}, "keySecret": "key"},
        commonLabels={"team": "llm"}, commonAnnotations={"e": "f"}, cluster="east",
        monitoring={"kind": "operator"}, podAnnotations={"g": "h"})
    assert fixed(upgraded) == fixed(gateway())


def test_its_volume_is_as_large_and_of_the_class_that_was_chosen_or_one_that_there_is() -> None:
    [claim] = one(manifests("gateway"), "StatefulSet", "inferometer-gateway")[
        "spec"]["volumeClaimTemplates"]
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeMode": "Filesystem",
        "resources": {"requests": {"storage": "50Gi"}}}
    assert claim["metadata"] == {"name": "ledger", "annotations": {"example.org/backup": "daily"}}
    workload = one(manifests("claimed"), "StatefulSet", "inferometer-gateway")["spec"]
    assert "volumeClaimTemplates" not in workload
    assert {"name": "ledger", "persistentVolumeClaim": {"claimName": "telemetry"}} in workload[
        "template"]["spec"]["volumes"]


# As long as it takes.


def test_its_pod_has_the_time_that_a_gateway_takes_to_stop() -> None:
    for values in ("gateway", "claimed"):
        pod = workloads(manifests(values))["gateway"]["spec"]
        assert pod["terminationGracePeriodSeconds"] > intake.STOP_SECONDS + ledger.STOP_SECONDS


def test_it_is_asked_whether_it_lives_only_once_it_has_opened_its_ledger() -> None:
    probe = container(workloads(manifests("claimed"))["gateway"])["startupProbe"]
    assert probe["httpGet"] == {"path": "/-/healthy", "port": "inferometer"}
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 600


@pytest.mark.parametrize("version", HELMS)
def test_more_than_one_is_refused_in_one_line_and_none_is_for_a_restore(version: str) -> None:
    process = with_values({"gateway": {"enabled": True, "replicas": 2}}, version)
    [line] = [line for line in process.stderr.splitlines() if "replicas" in line]
    assert "a ledger of its own" in line
    assert one(gateway({"replicas": 0}), "StatefulSet", "inferometer-gateway")[
        "spec"]["replicas"] == 0


# Who reaches it.


def test_a_page_is_never_where_applications_send_to() -> None:
    for kind in ("ClusterIP", "NodePort", "LoadBalancer"):
        documents = gateway({"service": {"type": kind}})
        sending = one(documents, "Service", "inferometer-gateway")["spec"]
        page = one(documents, "Service", "inferometer-gateway-pods")["spec"]
        assert (sending["type"], [port["name"] for port in sending["ports"]]) == (
            kind, ["otlp-http", "otlp-grpc"])
        assert (page["type"], page["clusterIP"], [port["name"] for port in page["ports"]]) == (
            "ClusterIP", "None", ["inferometer"])


def policy(documents: list[Manifest]) -> Any:
    """From whom each port is reached; `None` for anybody. Nothing where there is no policy."""
    policies = [manifest for manifest in documents if manifest["kind"] == "NetworkPolicy"
                and manifest["metadata"]["name"] == "inferometer-gateway"]
    return {port["port"]: rule.get("from") for restricted in policies
            for rule in restricted["spec"]["ingress"] for port in rule["ports"]}


SENDERS = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "apps"}}}]
SCRAPERS = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "prometheus"}}}]


@pytest.mark.parametrize(("values", "others", "expected"), [
    ({}, {}, {}),
    ({}, {"monitoring": {"namespace": "prometheus"}},
     {"inferometer": SCRAPERS, "otlp-http": None, "otlp-grpc": None}),
    ({"senders": SENDERS}, {},
     {"inferometer": None, "otlp-http": SENDERS, "otlp-grpc": SENDERS}),
    ({"senders": SENDERS}, {"monitoring": {"namespace": "prometheus"}},
     {"inferometer": SCRAPERS, "otlp-http": SENDERS, "otlp-grpc": SENDERS}),
    ({"senders": SENDERS}, {"networkPolicy": {"enabled": False}}, {}),
], ids=str)
def test_those_who_send_and_those_who_scrape_reach_a_port_each(
        values: Manifest, others: Manifest, expected: Manifest) -> None:
    documents = gateway(values, **others)
    assert policy(documents) == expected
    assert [fault for fault in faults(documents) if "PodMonitor" not in fault] == []


def test_the_notes_say_where_to_send_to_and_how_the_key_is_kept() -> None:
    # Only Helm 4 prints them without a cluster.
    for flags, expected, absent in (
            ("", ["http://inferometer-gateway.default.svc:4318", "Whoever reaches it may send",
                  "ledger.db.key", "--set gateway.image.repository=IMAGE"], ["Bearer"]),
            ("gateway.tls=true,gateway.configSecret=web,gateway.tokenSecret=t,gateway.keySecret=k",
             ["https://inferometer-gateway.default.svc:4318", "Bearer%20TOKEN"],
             ["Whoever reaches it may send", "ledger.db.key"])):
        process = helm("4", "install", "inferometer", CHART, "--dry-run=client", "--set",
                       f"gateway.enabled=true,{flags}")
        notes = process.stdout.partition("NOTES:\n")[2]
        assert [words for words in expected if words not in notes] == []
        assert [words for words in absent if words in notes] == []


def test_a_gateway_has_an_image_of_its_own_from_the_registry_of_all() -> None:
    def images(values: Manifest) -> dict[str, str]:
        return {role: container(pod)["image"]
                for role, pod in workloads(gateway(**values)).items() if role != "sidecar"}

    everywhere = images({"global": {"imageRegistry": "registry.example.org"}})
    assert everywhere["gateway"].startswith("registry.example.org/inferometer-gateway:")
    assert everywhere["fleet"].startswith("registry.example.org/inferometer:")
    own = images({"image": {"registry": "a.example.org"}, "values": {"image": {
        "registry": "b.example.org", "digest": f"sha256:{'0' * 64}"}}})
    assert own["gateway"].startswith("b.example.org/inferometer-gateway:")
    assert own["gateway"].endswith(f"@sha256:{'0' * 64}")
    assert own["node"].startswith("a.example.org/inferometer:")
    assert "@" not in own["node"]


# What it is given and listens on.


def test_what_each_call_is_held_against_is_given_once_for_the_fleet_and_the_gateway() -> None:
    limits = "fleet.config.fleet.limits.call_cost_usd=2,fleet.config.fleet.limits.error_ratio=1"
    documents = unchecked(limits)
    assert settings(documents)["limits"] == {"call_cost_usd": 2}
    fleet = yaml.safe_load(configurations(documents)["inferometer-fleet"])["fleet"]["limits"]
    assert fleet == {"call_cost_usd": 2, "error_ratio": 1}
    assert not {"limits", "models"} & settings(gateway(fleet={"config": {"fleet": {
        "limits": {"error_ratio": 0.1}, "models": {"m": {"limits": {"error_ratio": 0.2}},
                                                   "n": {"budgets_usd": {"day": 1}}}}}})).keys()


def test_the_gateway_gets_every_limit_of_calls_and_no_other_of_the_fleet_and_its_models() -> None:
    given = dict.fromkeys(LIMITS, 0.5) | {"least_replicas": 1}
    models = {"org/model:1.5": {"limits": given, "budgets_usd": {"day": 3}},
              "small": {"limits": {"call_cost_usd": 0.25, "error_ratio": 0.1}},
              "other": {"budgets_usd": {"day": 1}}}
    gotten = settings(gateway(fleet={"config": {"fleet": {"limits": given, "models": models}}}))
    every = dict.fromkeys(CALL_LIMITS, 0.5)
    assert gotten["limits"] == every
    assert gotten["models"] == {"org/model:1.5": {"limits": every},
                                "small": {"limits": {"call_cost_usd": 0.25}}}


def test_a_port_is_open_where_the_gateway_listens_and_nowhere_else() -> None:
    for flags, ports in (("gateway.grpcPort=0,gateway.port=4400", {"otlp-http": 4400}),
                         ("gateway.grpcPort=4400", {"otlp-http": 4318, "otlp-grpc": 4400})):
        documents = unchecked(flags)
        listens = settings(documents)["intake"]
        assert {int(listens[key].strip(":")) for key in listens if key.endswith("listen")} == {
            *ports.values()}
        opened = container(workloads(documents)["gateway"])["ports"]
        assert {port["name"]: port["containerPort"] for port in opened} == {
            "inferometer": 9839, **ports}
        service = one(documents, "Service", "inferometer-gateway")["spec"]["ports"]
        assert {port["name"]: port["port"] for port in service} == ports
        assert policy(documents).keys() == {"inferometer", *ports}


def test_several_replicas_share_a_database_and_are_kept_apart() -> None:
    documents = gateway({"replicas": 3, "dsnSecret": "database", "keySecret": "key"})
    assert settings(documents)["ledger"]["dsn_file"] == "/etc/inferometer-database/dsn"
    pod = workloads(documents)["gateway"]["spec"]
    (spread,) = pod["topologySpreadConstraints"]
    budget = one(documents, "PodDisruptionBudget", "inferometer-gateway")
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"] == spread["labelSelector"]
    assert not [document for document in gateway() if document["kind"] == "PodDisruptionBudget"]
