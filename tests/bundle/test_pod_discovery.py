"""The generated configuration of a Prometheus in a cluster: which pods it scrapes, as whose."""

from __future__ import annotations

import contextlib
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.build.bundle import assemble
from deploy.build.files import render
from inferometer.bundle.options import Options
from tests.bundle import pods_api
from tests.bundle.chart import manifests, workloads
from tests.bundle.kubernetes import Manifest, parsed
from tests.bundle.promtool import TOOLS, VERSIONS
from tests.bundle.running import asked, evaluated, prometheus
from tests.exporter.support import Engine, exporter, fixture, wait_for

BUNDLE = assemble()
MADE = render(BUNDLE, Options())
MOUNTED = ("inferometer-prometheus", "inferometer-recording", "inferometer-alerts")
WITHOUT_KUBERNETES = "2.42"  # Debian builds it so: it is given the same pods by a list


def mounted(made: dict[str, str], folder: Path) -> Path:
    """The folder of a pod that mounts the ConfigMaps for Prometheus together; its configuration."""
    for manifest in parsed(made["kubernetes/prometheus/prometheus.yaml"]):
        if manifest["metadata"]["name"] in MOUNTED:
            for name, content in manifest["data"].items():
                (folder / name).write_text(content)
    return folder / "prometheus.yml"


def finding(config: Path, **discovery: Any) -> Path:
    """The configuration with another way to find exporters."""
    written = yaml.safe_load(config.read_text())
    job = written["scrape_configs"][0]
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod"}]
    config.write_text(yaml.safe_dump({
        **written, "scrape_configs": [{**job, **discovery}, *written["scrape_configs"][1:]]}))
    return config


def listed(pod: Manifest) -> dict[str, Any]:
    """What Prometheus makes of a pod with one container and one port."""
    [container] = pod["spec"]["initContainers"] + pod["spec"]["containers"]
    [port] = container["ports"]
    return {"targets": [f"{pod['status']['podIP']}:{port['containerPort']}"], "labels": {
        f"__meta_kubernetes_{name}": value for name, value in {
            "namespace": pod["metadata"]["namespace"], "pod_name": pod["metadata"]["name"],
            "pod_node_name": pod["spec"]["nodeName"], "pod_phase": pod["status"]["phase"],
            "pod_container_name": container["name"],
            "pod_container_port_name": port["name"]}.items()}}


@pytest.mark.parametrize("version", VERSIONS)
def test_promtool_takes_what_is_mounted(version: str, tmp_path: Path) -> None:
    config = mounted(MADE, tmp_path)
    if version == WITHOUT_KUBERNETES:
        finding(config, static_configs=[])
    process = subprocess.run(
        [TOOLS / f"promtool-{version}" / "promtool", "check", "config", "--lint=all",
         "--lint-fatal", config], capture_output=True, text=True, check=False, timeout=60)
    assert process.returncode == 0, process.stdout + process.stderr
    assert "2 rule files found" in process.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_a_real_prometheus_finds_the_pods_with_an_exporter_and_labels_them(
        version: str, tmp_path: Path) -> None:
    [fleets] = (manifest for manifest in parsed(MADE["kubernetes/fleet/fleet.yaml"])
                if manifest["kind"] == "Deployment")
    fleets["metadata"]["namespace"] = "inferometer"
    engines = {"metadata": {"namespace": "chat"},
               "spec": yaml.safe_load(MADE["kubernetes/sidecar/patch.yaml"])["spec"]}
    others = deepcopy(engines)
    others["spec"]["template"]["spec"]["containers"][0]["ports"][0]["name"] = "http"
    native = workloads(manifests("secured"))["sidecar"]
    assert "initContainers" in native["spec"]
    natives = {"metadata": {"namespace": "chat"}, "spec": {"template": native}}
    with contextlib.ExitStack() as started:
        engine = started.enter_context(Engine(fixture("vllm/0.32.0/busy.prom")))
        beside = started.enter_context(exporter("--role", "sidecar", "--engine", engine.url))
        fleet = started.enter_context(exporter("--role", "fleet"))
        pods = [pods_api.pod("vllm-0", engines, "node-1", beside.port),
                pods_api.pod("vllm-1", natives, "node-2", beside.port),
                pods_api.pod("inferometer-fleet-0", fleets, "node-2", fleet.port),
                pods_api.pod("vllm-ended", engines, "node-1", beside.port, "Succeeded"),
                pods_api.pod("other-0", others, "node-1", beside.port)]
        config = mounted(render(BUNDLE, Options(faster=60, cluster="east")), tmp_path)
        if version == WITHOUT_KUBERNETES:
            finding(config, static_configs=[listed(pod) for pod in pods])
        else:
            finding(config, kubernetes_sd_configs=[
                {"role": "pod", "api_server": started.enter_context(pods_api.serving(pods))}])
        port = started.enter_context(prometheus(version, config, tmp_path))

        def up() -> list[dict[str, str]] | None:
            samples = asked(port, "query?query=up%7Bjob=%22inferometer%22%7D%20==%201")["result"]
            return [sample["metric"] for sample in samples] if len(samples) >= 3 else None

        of_all = {"__name__": "up", "job": "inferometer", "container": "inferometer",
                  "cluster": "east"}
        assert sorted(wait_for(up, 60, every=0.5), key=lambda labels: str(labels["pod"])) == [
            {**of_all, "instance": f"127.0.0.1:{fleet.port}", "namespace": "inferometer",
             "pod": "inferometer-fleet-0", "node": "node-2"},
            {**of_all, "instance": f"127.0.0.1:{beside.port}", "namespace": "chat",
             "pod": "vllm-0", "node": "node-1"},
            {**of_all, "instance": f"127.0.0.1:{beside.port}", "namespace": "chat",
             "pod": "vllm-1", "node": "node-2"}]
        rules = evaluated(port)
        assert [rule for rule in rules if rule["health"] != "ok"] == []
        assert len(rules) == len([*BUNDLE.rules]) + len([*BUNDLE.alerts])
        recorded = wait_for(
            lambda: asked(port, "query?query=model:llm_server_up:sum")["result"], 30, every=0.5)
        assert recorded[0]["metric"]["namespace"] == "chat"
