"""The chart's roles run as their pods would, and a real Prometheus reads them as monitors say."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from tests.bundle.chart import configurations, container, manifests, one, workloads
from tests.bundle.kubernetes import Manifest
from tests.bundle.running import asked, prometheus
from tests.exporter.process import ANYWHERE, started
from tests.exporter.support import wait_for

ROLES = {"node": "inferometer", "fleet": "inferometer", "sidecar": "inferometer-sidecar"}
SECRETS = {"username": "prometheus", "password": "correct horse"}  # of inferometer-scrape
PATIENCE_SECONDS = 60.0


def web_configuration(folder: Path) -> Path:
    """What the Secret holds: web.yml with a certificate and a user."""
    (folder / "web").mkdir()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=inferometer", "-addext",
         "subjectAltName=DNS:inferometer", "-keyout", "tls.key", "-out", "tls.crt"],
        cwd=folder / "web", check=True, capture_output=True, timeout=20)
    stored = bcrypt.hashpw(SECRETS["password"].encode(), bcrypt.gensalt(4)).decode()
    (folder / "web" / "web.yml").write_text(json.dumps({
        "tls_server_config": {"cert_file": "tls.crt", "key_file": "tls.key"},
        "basic_auth_users": {SECRETS["username"]: stored}}))
    return folder / "web"


@contextlib.contextmanager
def running(documents: list[Manifest], web: Path, folder: Path) -> Iterator[Mapping[str, int]]:
    """The exporter of each role with its pod's arguments and files; their ports."""
    with contextlib.ExitStack() as stack:
        ports = {}
        for role in ROLES:
            file = folder / f"{role}.yml"
            file.write_text(configurations(documents).get(f"inferometer-{role}", "").replace(
                "/etc/inferometer-web", str(web)))
            arguments = (str(file) if argument == "/etc/inferometer/inferometer.yml" else argument
                         for argument in container(workloads(documents)[role])["args"][1:])
            ports[role] = stack.enter_context(started(*arguments, *ANYWHERE)).port
        yield ports


def scrape_config(monitor: Manifest, role: str, port: int, web: Path) -> dict[str, Any]:
    """What the operator makes of a monitor, for a pod it has found."""
    spec = monitor["spec"]
    (endpoint,) = spec.get("endpoints", spec.get("podMetricsEndpoints"))
    names = {"targetLabel": "target_label", "sourceLabels": "source_labels",
             "replacement": "replacement", "action": "action"}
    made = {
        "job_name": role, "scrape_interval": "5s", "scrape_timeout": "5s",
        "scheme": endpoint["scheme"], "honor_labels": endpoint["honorLabels"],
        "sample_limit": spec["sampleLimit"], "label_limit": spec["labelLimit"],
        "label_name_length_limit": spec["labelNameLengthLimit"],
        "label_value_length_limit": spec["labelValueLengthLimit"],
        "relabel_configs": [{names[key]: value for key, value in relabeling.items()}
                            for relabeling in endpoint["relabelings"]],
        "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": {
            "namespace": "llm", "__meta_kubernetes_pod_node_name": "node-1"}}],
    }
    if "basicAuth" in endpoint:
        made["basic_auth"] = {key: SECRETS[secret["key"]]
                              for key, secret in endpoint["basicAuth"].items()}
    if "tlsConfig" in endpoint:
        assert endpoint["tlsConfig"]["ca"]["secret"]["key"] == "ca.crt"
        made["tls_config"] = {"ca_file": str(web / "tls.crt"),
                              "server_name": endpoint["tlsConfig"]["serverName"]}
    return made


@pytest.mark.parametrize(("values", "version", "cluster", "refused"), [
    ("operator", "2.42", "east", ""),
    ("secured", "3", "default", "server returned HTTP status 401 Unauthorized")])
def test_a_prometheus_gets_into_every_role_by_the_monitors_alone(
        values: str, version: str, cluster: str, refused: str, tmp_path: Path) -> None:
    documents, web = manifests(values), web_configuration(tmp_path)
    monitors = [manifest for manifest in documents
                if manifest["kind"] in ("ServiceMonitor", "PodMonitor")]
    with running(documents, web, tmp_path) as ports:
        jobs = [scrape_config(one(monitors, "PodMonitor" if role == "sidecar" else
                                  "ServiceMonitor", name), role, ports[role], web)
                for role, name in ROLES.items()]
        jobs.append({key: value for key, value in jobs[0].items() if key != "basic_auth"}
                    | {"job_name": "stranger"})
        config = tmp_path / "prometheus.yml"
        config.write_text(json.dumps({"scrape_configs": jobs}))
        with prometheus(version, config, tmp_path) as port:
            def errors() -> dict[str, str]:
                """What it says of every target, once it has tried."""
                return {target["labels"]["job"]: target["lastError"]
                        for target in asked(port, "targets")["activeTargets"]
                        if target["health"] != "unknown"}

            expected = dict.fromkeys(ROLES, "") | {"stranger": refused}
            with contextlib.suppress(AssertionError):  # the errors say more than the time does
                wait_for(lambda: errors() == expected, PATIENCE_SECONDS, every=0.5)
            assert errors() == expected
            scraped = [sample["metric"] for sample in asked(port, "query?query=up==1")["result"]]
            assert {up["job"] for up in scraped} == {job for job in expected if not expected[job]}
            assert {(up["cluster"], up["node"]) for up in scraped} == {(cluster, "node-1")}
