"""Faults of every kind that a running exporter meets: each begins, lasts for a while, and ends.

A fault is a context; what holds of a page while it lasts, it says as `Expected`. FAULTS has all.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.exporter.crowd import CROWDS, crowd
from tests.exporter.engines.slow_names import SlowNames
from tests.exporter.engines.strangers import Stranger
from tests.exporter.gpu.fake_kubelet import FakeKubelet
from tests.exporter.gpu.fake_nvml import FakeNvml
from tests.exporter.gpu.lies import LIES
from tests.exporter.starvation import Starvation
from tests.exporter.support import Behaviour, Engine, Exporter, fixture, send

GPUS = 4
LINES = (  # of the fake driver: what it does, beside what it says in LIES
    ("lost 1",), ("hang 2 nvmlDeviceGetTemperatureV",), ("all 18", "init 18"), ("init 9",),
    ("delay * * 20",), ("error 3 nvmlDeviceGetUtilizationRates 3",), ("gpus 2",),
    ("error 0 nvmlDeviceGetTemperatureV 10", "error 0 nvmlDeviceGetFieldValues 999"),
    ("mig 3 1 0 1g.10gb 1000 500",), ("hang * nvmlDeviceGetCount",), ("xid 2 79 1",),
)
NUMBERS = (0, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
KEYS = ("utilization", "memory_used", "memory_total", "power_mw", "power_limit_mw", "energy_mj",
        "temperature", "sm_clock", "max_sm_clock", "throttle_power_ns", "ecc_corrected",
        "remapped_pending", "pcie_tx", "nvlink_rx")
HANGUPS = 200
CROWD = 300  # clients
ALERTS = 500  # in one notification
AUTHORIZED = {"Authorization": f"Basic {base64.b64encode(b'alice:right').decode()}"}


@dataclass(frozen=True)
class Expected:
    """What holds of the pages meanwhile: all engines and collectors do, or who may fail."""

    starved: bool = False  # there may be no thread to read with
    collectors: frozenset[str] = frozenset()  # that may fail


@dataclass
class Scene:
    """A running exporter and all that may turn on it."""

    running: Exporter
    config: Path
    nvml: FakeNvml
    bad: Engine
    kubelet: FakeKubelet
    names: SlowNames
    starvation: Starvation
    stranger: Stranger
    dice: random.Random
    began: float  # before the exporter started, on the monotonic clock


WELL = Expected()
Fault = Callable[[Scene], contextlib.AbstractContextManager[Expected]]


@contextlib.contextmanager
def driver(scene: Scene) -> Iterator[Expected]:
    """GPUs are lost and hang, the driver fails, or it is upgraded."""
    scene.nvml.write(f"gpus {GPUS}", *scene.dice.choice(LINES))
    yield WELL
    scene.nvml.write(f"gpus {GPUS}")


@contextlib.contextmanager
def lies(scene: Scene) -> Iterator[Expected]:
    """The driver says what cannot be."""
    absurd = [f"set {scene.dice.randrange(GPUS)} {key} {scene.dice.choice(NUMBERS)}"
              for key in scene.dice.sample(KEYS, 4)]
    scene.nvml.write(f"gpus {GPUS}", *absurd, *scene.dice.choice(LIES).lines)
    yield WELL
    scene.nvml.write(f"gpus {GPUS}")


@contextlib.contextmanager
def uninstalled(scene: Scene) -> Iterator[Expected]:
    """The driver's library is gone, and its session with it."""
    scene.nvml.uninstall()
    scene.nvml.write("all 1", "init 1")
    yield WELL
    scene.nvml.install()
    scene.nvml.write(f"gpus {GPUS}")


@contextlib.contextmanager
def engine(scene: Scene) -> Iterator[Expected]:
    """An engine is dead, hangs, is cut off, or is another one."""
    def cut_off(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        handler.wfile.write(fixture("vllm/0.32.0/busy.prom")[:9000])

    answers: list[bytes | str | Behaviour] = [
        fixture("vllm/0.32.0/idle.prom"), fixture("tgi/datadog/3.3.5.prom"),
        fixture("llama_cpp/0.6.0/after.prom"), cut_off, b"\xff\xfe{{{", "<html>500</html>",
        lambda handler: send(handler, "gone", 500),
        fixture("vllm/0.32.0/busy.prom").replace(b" 13209", b" 1e300"),
        fixture("vllm/0.32.0/busy.prom").replace(b"} 1", b"} -1"),
    ]
    scene.bad.serve(scene.dice.choice(answers))
    yield WELL


@contextlib.contextmanager
def stranger(scene: Scene) -> Iterator[Expected]:
    """An engine's answer is no HTTP, or a page of twelve megabytes."""
    scene.stranger.spoil(scene.bad, scene.dice)
    yield WELL


@contextlib.contextmanager
def nameless(scene: Scene) -> Iterator[Expected]:
    """A name is not resolved."""
    scene.names.hang()
    yield WELL
    scene.names.answer()


@contextlib.contextmanager
def kubelet(scene: Scene) -> Iterator[Expected]:
    """The kubelet hangs, is gone, or answers with what is no list of pods, or with far too much."""
    with contextlib.ExitStack() as stack:
        kind = scene.dice.randrange(4)
        if kind == 0:
            stack.enter_context(scene.kubelet.hanging())
        elif kind == 1:
            scene.kubelet.die()
            stack.callback(scene.kubelet.start)
        elif kind == 2:
            junk = scene.dice.randbytes(1000)
            stack.enter_context(scene.kubelet.answering(lambda _: junk))
        else:
            tiny = scene.kubelet.response() * 4000
            stack.enter_context(scene.kubelet.answering(lambda _: tiny))
        yield Expected(collectors=frozenset({"pods"}))


@contextlib.contextmanager
def starvation(scene: Scene) -> Iterator[Expected]:
    """No new thread can be had."""
    scene.starvation.begin()
    yield Expected(starved=True)
    scene.starvation.end()


@contextlib.contextmanager
def hangups(scene: Scene) -> Iterator[Expected]:
    """The configuration is read again and again, now and then one that is wrong."""
    good = scene.config.read_text()

    def hang_up(text: str) -> None:
        unfinished = scene.config.with_suffix(".tmp")
        unfinished.write_text(text)
        unfinished.replace(scene.config)  # an empty file would be a good one
        scene.running.process.send_signal(signal.SIGHUP)

    for number in range(HANGUPS):
        hang_up(good if number % 2 else "gpu: {")
    yield WELL
    hang_up(good)


@contextlib.contextmanager
def callers(scene: Scene) -> Iterator[Expected]:
    """A crowd asks, sends half a request, reads no answer, or guesses passwords."""
    behaviour = CROWDS[scene.dice.choice([*CROWDS])]
    with crowd(scene.running.port, CROWD, behaviour):
        yield WELL


@contextlib.contextmanager
def alerts(scene: Scene) -> Iterator[Expected]:
    """Alertmanager, or somebody else, sends more than can be logged."""
    one = {"status": "firing", "labels": {"alertname": "\u2028" * scene.dice.randrange(200)}}
    body = json.dumps({"version": "4", "receiver": "\x01" * 500, "alerts": [one] * ALERTS})
    for _ in range(5):
        connection = http.client.HTTPConnection("127.0.0.1", scene.running.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("POST", "/v1/alerts", body,
                               {"Content-Type": "application/json", **AUTHORIZED})
            connection.getresponse()
    yield WELL


FAULTS: tuple[Fault, ...] = (
    driver, lies, uninstalled, engine, stranger, nameless, kubelet, starvation, hangups, callers,
    alerts,
)
