"""Compose's demo: its file beside the other one, and its services by the real programs."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from inferometer.demo.prometheus import LOOKBACK_SECONDS
from tests.bundle.composed import RELEASE, binds, model
from tests.bundle.promtool import TOOLS
from tests.e2e.test_prometheus import Prometheus
from tests.exporter.support import START_SECONDS, free_port, get, launched, wait_for

FILES = ("compose.yml", "compose.demo.yml")
SIDECARS, GATEWAYS = 4, 1
CHANGED = {"command", "volumes", "tmpfs", "depends_on", "image", "build"}


@pytest.fixture(scope="module")
def demo() -> Any:
    return model(*FILES)


def flags(command: list[str]) -> dict[str, str]:
    return dict(word[2:].split("=", 1) for word in command if word.startswith("--") and "=" in word)


def test_it_is_a_project_of_its_own_so_that_nothing_is_mixed_up(demo: Any) -> None:
    assert (model(FILES[0])["name"], demo["name"]) == ("inferometer", "inferometer-demo")
    assert {volume["name"].partition("_")[0] for volume in demo["volumes"].values()} == {
        "inferometer-demo"}


def test_no_service_has_other_rights_than_without_it(demo: Any) -> None:
    plain = model(FILES[0])["services"]
    assert set(plain) - {"gateway"} == set(demo["services"])  # it has its own
    for name, service in demo["services"].items():
        both = [{key: value for key, value in one.items() if key not in CHANGED}
                for one in (plain[name], service)]
        assert both[0] == both[1], name
        assert service["image"] in {one["image"] for one in plain.values()}
        assert binds(service) == binds(plain[name]), name


def test_the_exporter_alone_may_write_to_what_it_shares_with_prometheus(demo: Any) -> None:
    services = demo["services"]
    (rules,) = [volume for volume in services["prometheus"]["volumes"]
                if volume["source"] == "demo"]
    assert rules["read_only"]
    (own,) = [volume for volume in services["inferometer"]["volumes"] if volume["source"] == "demo"]
    assert own["target"] == rules["target"] in services["inferometer"]["command"]
    uid = services["inferometer"]["user"].partition(":")[0]
    assert f"uid={uid}," in demo["volumes"]["demo"]["driver_opts"]["o"]


def test_prometheus_looks_back_as_its_rules_are_hurried(demo: Any) -> None:
    words = demo["services"]["inferometer"]["command"]
    faster = int(words[words.index("--faster") + 1])
    given = flags(demo["services"]["prometheus"]["command"])
    assert given["query.lookback-delta"] == f"{LOOKBACK_SECONDS // faster}s"


def free_ports(count: int) -> int:
    """The first of so many ports in a row that nobody has."""
    for _ in range(100):
        first = free_port()
        if first + count > 65535:
            continue
        taken = []
        for port in range(first, first + count):
            with socket.socket() as probe:
                taken.append(probe.connect_ex(("127.0.0.1", port)) == 0)
        if not any(taken):
            return first
    raise AssertionError("no ports in a row")


@pytest.mark.heavy
def test_its_prometheus_scrapes_every_exporter_by_what_the_demo_has_written(
        demo: Any, tmp_path: Path) -> None:
    services, own, port = demo["services"], free_port(), free_ports(
        1 + SIDECARS + GATEWAYS)
    folder = tmp_path / "demo"
    seen = {":9839": f"127.0.0.1:{port}", "http://prometheus:9090": f"http://127.0.0.1:{own}",
            "/demo": str(folder), "inferometer": "127.0.0.1"}
    words = [seen.get(word, word) for word in services["inferometer"]["command"]]
    (data := tmp_path / "data").mkdir()
    with launched(*words, command=("inferometer",)) as running:
        wait_for(lambda: (folder / "prometheus.yml").exists(), START_SECONDS)
        assert running.process.poll() is None
        command = [re.sub("=/prometheus$", f"={data}", word.replace("=/demo", f"={folder}"))
                   for word in services["prometheus"]["command"]]
        process = subprocess.Popen(
            [TOOLS / f"prometheus-{RELEASE}/prometheus", *command,
             f"--web.listen-address=127.0.0.1:{own}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            rules = Prometheus(own)
            wait_for(rules.ready, 60)
            wait_for(lambda: len(rules.query("up == 1")) == 2 + SIDECARS + GATEWAYS, 60)
            assert rules.query('inferometer_build_info{version=~".*demo"}')
            assert get(own, "/user/runbook.md").status == 200
            wait_for(lambda: "A calm day" in "".join(running.printed), 30)
        finally:
            process.kill()
            process.wait()
