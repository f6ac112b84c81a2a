"""The fake driver, compiled once a process, and the exporter upon it."""

from __future__ import annotations

import contextlib
import ctypes
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pynvml
import pytest

from inferometer.gpu.driver import Device, Driver
from inferometer.roles import NODE
from tests.exporter.gpu.drill import Drill
from tests.exporter.gpu.fake_kubelet import FakeKubelet, compiled
from tests.exporter.gpu.fake_nvml import FakeNvml, build
from tests.exporter.support import exporter

Start = Callable[..., Drill]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def fake(tmp_path: Path, library: Path) -> FakeNvml:
    return FakeNvml(tmp_path, library)


@pytest.fixture
def driver(fake: FakeNvml, monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    """The driver opened in this very process; `fake` rules it."""
    for name, value in fake.env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(pynvml, "CDLL", lambda _: ctypes.CDLL(str(fake.library)))
    driver = Driver()
    driver.open()
    yield driver
    driver.close(unload=True)


@pytest.fixture
def device(driver: Driver) -> Device:
    return driver.device(0)


@pytest.fixture(scope="session")
def messages(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The kubelet's protocol, compiled from Kubernetes' definition."""
    return compiled(tmp_path_factory.mktemp("kubelet"))


@pytest.fixture
def kubelet(messages: ModuleType) -> Iterator[FakeKubelet]:
    """A kubelet that has begun to listen; its folder's name is short, as a socket's has to be."""
    with tempfile.TemporaryDirectory(prefix="kubelet-") as folder:
        kubelet = FakeKubelet(messages, Path(folder) / "kubelet.sock")
        kubelet.start()
        yield kubelet
        kubelet.die()


@pytest.fixture
def start(tmp_path: Path, fake: FakeNvml) -> Iterator[Start]:
    """`start(*control_lines, **seconds)`: the exporter; it must live and log well to the end."""
    drills: list[Drill] = []
    with contextlib.ExitStack() as stack:

        def begin(*lines: str, time_to_live: float = 1.0, role: str = "",
                  **more: object) -> Drill:
            fake.write(*lines)
            gpu = {"interval_seconds": 0.1, "time_to_live_seconds": time_to_live,
                   "retry_seconds": 0.3, **more}
            config = tmp_path / "inferometer.yml"
            rest: dict[str, object] = {"role": role} if role else {
                "engines": {"discover_ports": []}}
            config.write_text(json.dumps({"gpu": gpu, **rest}))
            running = stack.enter_context(exporter(env=fake.env(), config=config))
            drills.append(Drill(fake, running, time_to_live, role == NODE))
            return drills[-1]

        yield begin
        for drill in drills:
            assert drill.exporter.process.poll() is None, "".join(drill.exporter.lines)
            drill.exporter.logged()  # every line is JSON: no traceback went past the log


@pytest.fixture
def node(start: Start, kubelet: FakeKubelet) -> Callable[..., Drill]:
    """`node(*control_lines)`: the exporter, which asks the kubelet."""
    def begin(*lines: str) -> Drill:
        return start(*lines, kubelet_socket=str(kubelet.socket), time_to_live=2.0)

    return begin
