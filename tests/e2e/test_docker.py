"""The image and Compose's services under a real engine: built, started, read-only and watched.

No registry is asked. The base image is Debian's Python, and Prometheus' images are made of Debian's
programs; Grafana's cannot be, so it is left out.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.bundle.composed import FOLDER, ROOT, model
from tests.bundle.promtool import TOOLS
from tests.e2e.docker import BASE, Docker, engine
from tests.exporter.support import FIXTURES, Page, wait_for

SERVICES = ("inferometer", "gateway", "prometheus", "alertmanager")
OURS = SERVICES[:2]
JOBS = ("inferometer", "prometheus", "alertmanager")  # of Prometheus: the gateway is in the first
TELEMETRY = FIXTURES / "otlp/haystack-3.4.1/001-traces.pb"
COMPOSE = ("-f", FOLDER / "compose.yml")
DEMO = (*COMPOSE, "-f", FOLDER / "compose.demo.yml")
STAND_IN = """
FROM {base}
COPY {name} {tool} /bin/
COPY *.tmpl /usr/share/prometheus/alertmanager/
RUN mkdir /{name} && chown 65534:65534 /{name}
ENTRYPOINT ["/bin/{name}"]
"""
WRITE = """
import os, sys
try:
    open(sys.argv[1] + "/new", "w")
except OSError as error:
    print(os.getuid(), error.strerror)
"""
GET = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=20).read().decode())"
POST = """
import sys, urllib.request as r
body = open(sys.argv[2], "rb").read()
asked = r.Request(sys.argv[1], body, {"Content-Type": "application/x-protobuf"})
print(r.urlopen(asked, timeout=20).status)
"""
MAY = subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True,
                     check=False).returncode == 0
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1500), pytest.mark.skipif(
    not MAY, reason="an engine needs a root that may make namespaces")]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    shutil.rmtree(tmp_path / "data", ignore_errors=True)  # images are large


def test_it_is_built_comes_up_with_one_command_and_can_write_nowhere(folder: Path) -> None:
    with engine(folder, apart=False) as docker:
        build(docker, folder)
    with engine(folder, apart=True) as docker, serving(docker, folder):
        try:
            docker.compose(*COMPOSE, "up", "-d", "--wait", "--pull", "never", *SERVICES)
            page = Page(asked(docker, "http://127.0.0.1:9839/metrics"))
            assert page.value("llm_server_up", target="engine", engine="vllm") == 1
            wait_for(lambda: watched(docker) == {*JOBS}, 120)
            takes_telemetry(docker)
            for place in ("/", "/tmp", "/opt/inferometer", "/etc/inferometer"):
                output = docker.compose(*COMPOSE, "exec", "-T", "inferometer", "python", "-c",
                                        WRITE, place)
                assert output == "65532 Read-only file system\n"
            docker.compose(*COMPOSE, "kill", "-s", "HUP", "inferometer")
            wait_for(lambda: "configuration reloaded" in docker.compose(
                *COMPOSE, "logs", "inferometer"), 30)
        finally:
            docker.compose(*COMPOSE, "down", "-v")
        shows_a_fleet_that_is_made_up(docker)


def takes_telemetry(docker: Docker) -> None:
    """It is kept on the volume, which alone its user may write, and counted after a restart."""
    for place, may in (("/", False), ("/tmp", False), ("/var/lib/inferometer", True)):
        output = docker.compose(*COMPOSE, "exec", "-T", "gateway", "python", "-c", WRITE, place)
        assert output == ("" if may else "65532 Read-only file system\n"), place
    status = subprocess.run(
        docker.here(sys.executable, "-c", POST, "http://127.0.0.1:4318/v1/traces", TELEMETRY),
        capture_output=True, text=True, check=True, timeout=60).stdout
    assert status == "200\n"
    docker.compose(*COMPOSE, "restart", "gateway")
    wait_for(lambda: counted(docker) > 0, 300)


def counted(docker: Docker) -> float:
    """Calls on the gateway's page, which is not published."""
    try:
        text = docker.compose(*COMPOSE, "exec", "-T", "gateway", "python", "-c", GET,
                              "http://127.0.0.1:9839/metrics")
    except AssertionError:  # it is not up again yet
        return 0
    calls: list[float] = Page(text).values("llm_client_requests_total")
    return sum(calls)


def shows_a_fleet_that_is_made_up(docker: Docker) -> None:
    try:
        docker.compose(*DEMO, "up", "-d", "--wait", "--pull", "never", *JOBS)
        page = Page(asked(docker, "http://127.0.0.1:9839/metrics"))
        assert page.find("inferometer_build_info")[0].labels["version"].endswith("+demo")
        assert page.values("gpu_up") == [1.0] * 6
        wait_for(lambda: watched(docker) == {
            "inferometer", "inferometer-gateway", "inferometer-node", "prometheus"}, 120)
        output = docker.compose(*DEMO, "exec", "-T", "inferometer", "python", "-c", WRITE, "/opt")
        assert output == "65532 Read-only file system\n"
        assert "A calm day" in docker.compose(*DEMO, "logs", "inferometer")
    finally:
        docker.compose(*DEMO, "down", "-v")


def build(docker: Docker, folder: Path) -> None:
    """Every image; ours by both of the engine's builders."""
    base = re.search(r"PYTHON_IMAGE=(\S+)", (ROOT / "deploy/Dockerfile").read_text())
    assert base is not None
    docker("import", BASE, base[1])
    services = {name: service for name, service in model("compose.yml")["services"].items()
                if name in SERVICES}
    images = {name: service["image"] for name, service in services.items()}
    for builder in ("0", "1"):
        for name in OURS:
            docker("build", "--network=host", "-f", ROOT / "deploy/Dockerfile", "--target",
                   services[name]["build"]["target"], "-t", images[name], ROOT,
                   DOCKER_BUILDKIT=builder)
    for name, tool in (("prometheus", "promtool"), ("alertmanager", "amtool")):
        context = folder / name
        context.mkdir()
        for file in (TOOLS / f"{name}-3" / name, TOOLS / f"{tool}-3" / tool,
                     TOOLS / "alertmanager-3/default.tmpl", TOOLS / "alertmanager-3/email.tmpl"):
            shutil.copy(file, context)
        (context / "Dockerfile").write_text(
            STAND_IN.format(base=base[1], name=name, tool=tool))
        docker("build", "--network=host", "-t", images[name], context, DOCKER_BUILDKIT="0")


@contextlib.contextmanager
def serving(docker: Docker, folder: Path) -> Iterator[None]:
    """An engine's page where the configuration of Compose looks for one: on the machine."""
    site = folder / "engine"
    site.mkdir()
    (site / "metrics").symlink_to(FIXTURES / "engines/vllm/0.32.0/busy.prom")
    server = subprocess.Popen(
        docker.here(sys.executable, "-m", "http.server", "8000", "--directory", site),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        server.kill()
        server.wait()


def asked(docker: Docker, url: str) -> str:
    return subprocess.run(docker.here(sys.executable, "-c", GET, url), capture_output=True,
                          text=True, check=True, timeout=60).stdout


def watched(docker: Docker) -> set[str]:
    """The services that Prometheus reaches."""
    answer = json.loads(asked(docker, "http://127.0.0.1:9090/api/v1/query?query="
                              + quote("up == 1")))
    return {series["metric"]["job"] for series in answer["data"]["result"]}
