"""A real OpenTelemetry Collector between applications and a gateway; either may be killed.

    python -m tests.e2e.senders.collector [--kill gateway|collector] [--times 5]

Applications call the scripted provider and send their spans to the Collector, whose queue is on
disk; its exporter tries again for ever. Whatever is killed at random moments, what the gateway has
counted in the end is what the provider answered: no call more, no call less.

Exit codes: 0 all is equal, 1 something is not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.e2e.gateways import gateway
from tests.e2e.senders.comparing import Comparison, compare
from tests.e2e.senders.kinds import KINDS, ROOT, Kind
from tests.e2e.senders.playing import SECONDS, environment, read
from tests.e2e.senders.provider import provider
from tests.exporter.support import free_port, get, wait_for

TOOLS = Path(os.environ.get("TOOLS", ROOT / ".cache" / "tools"))
PROGRAM = TOOLS / "collector" / "otelcol"  # by `make collector`
SCENES = ("chat", "stream", "again", "rate_limit", "boom")
MOST_TIMES, PAUSE = 1000, 0.05  # an application plays its scenes, and seconds between them
APPLICATIONS = 2
SHORTEST, LONGEST = 0.5, 3.0  # seconds between two kills
START_SECONDS = 60.0
SETTLE_SECONDS = 3.0
# What has exported a body tries for so long to have it taken: longer than a Collector is away.
PATIENCE_SECONDS = 120


def configuration(port: int, gateway_port: int, folder: Path) -> str:
    """Of a Collector whose queue outlives it; the sender is answered once a body is in it."""
    return json.dumps({
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
        "extensions": {"file_storage": {
            "directory": str(folder / "queue"), "create_directory": True}},
        "exporters": {"otlphttp": {
            "endpoint": f"http://127.0.0.1:{gateway_port}",
            "sending_queue": {"storage": "file_storage", "queue_size": 100_000},
            "retry_on_failure": {"initial_interval": "200ms", "max_interval": "2s",
                                 "max_elapsed_time": 0}}},
        "service": {
            "extensions": ["file_storage"],
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "error"}},
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["otlphttp"]}}}})


class Collector:
    """One that runs, and begins anew where it was killed."""

    def __init__(self, port: int, gateway_port: int, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._config = folder / "otelcol.yaml"
        self._config.write_text(configuration(port, gateway_port, folder))
        self._log = folder / "otelcol.log"
        self._process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            process = subprocess.Popen([PROGRAM, "--config", self._config], stdout=log,
                                       stderr=log)
        wait_for(lambda: process.poll() is not None or self._answers(), START_SECONDS)
        assert process.poll() is None, self._log.read_text()[-3000:]
        return process

    def _answers(self) -> bool:
        try:
            get(self._port, "/")
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Begin anew, with the queue that is on the disk."""
        self._process = self._started()


@contextlib.contextmanager
def collector(gateway_port: int, folder: Path) -> Iterator[Collector]:
    """A Collector before a gateway's port, ended by its pid."""
    running = Collector(free_port(), gateway_port, folder)
    try:
        yield running
    finally:
        running.kill()


@contextlib.contextmanager
def applications(provider_url: str, collector_url: str, folder: Path
                 ) -> Iterator[Sequence[subprocess.Popen[bytes]]]:
    """Some that call and export for a while; all are ended."""
    with contextlib.ExitStack() as stack:
        running = []
        for kind in _kinds(folder):
            settings = environment(kind, provider_url, collector_url, _spans(kind, folder))
            process = subprocess.Popen([*kind.command, *kind.scenes], env=settings)
            stack.callback(process.wait)
            stack.callback(process.kill)
            running.append(process)
        yield running


def _kinds(folder: Path) -> Sequence[Kind]:
    settings = {"TIMES": str(MOST_TIMES), "UNTIL": str(_until(folder)), "PAUSE": str(PAUSE),
                "OTEL_BSP_SCHEDULE_DELAY": "200",
                "OTEL_EXPORTER_OTLP_TIMEOUT": str(PATIENCE_SECONDS),
                "OTEL_BSP_EXPORT_TIMEOUT": str(PATIENCE_SECONDS * 1000)}
    return [replace(KINDS["genai"], name=f"genai-{number}", scenes=SCENES, settings=settings)
            for number in range(APPLICATIONS)]


def _spans(kind: Kind, folder: Path) -> Path:
    return folder / f"{kind.name}.spans"


def _until(folder: Path) -> Path:
    """The file with which applications end."""
    return folder / "over"


def survived(victim: str, times: int, folder: Path, seed: str = "") -> Iterator[Comparison]:
    """Kill the gateway or the Collector so many times while applications send; what came of it.

    Raises AssertionError where an application does not end well.
    """
    chance = random.Random(seed)
    port = free_port()
    listen: dict[str, Any] = {"listen": f"127.0.0.1:{port}"}
    with provider() as asked, contextlib.ExitStack() as gateways:
        running = gateways.enter_context(gateway(folder, SETTLE_SECONDS, **listen))
        with collector(port, folder) as between, \
                applications(asked.url, between.url, folder) as senders:
            wait_for(lambda: asked.log.calls, START_SECONDS)
            for _ in range(times):
                time.sleep(chance.uniform(SHORTEST, LONGEST))  # it is killed at any moment
                if victim == "collector":
                    between.kill()
                    between.restart()
                else:
                    running.kill()
                    gateways.close()
                    running = gateways.enter_context(gateway(folder, SETTLE_SECONDS, **listen))
            _until(folder).touch()
            for process in senders:
                assert process.wait(SECONDS) == 0, "an application has failed"
            calls = asked.log.calls
            # The queue empties: until then the page has less than was sent.
            with contextlib.suppress(AssertionError):  # what differs is what is yielded
                wait_for(lambda: sum(running.page().values("llm_client_requests_total"))
                         >= len(calls), SECONDS, 0.5)
            page, _ = running.settled()
        for kind in _kinds(folder):
            prefix = f"{kind.name}-"
            yield compare(kind, [call for call in calls if call.model.startswith(prefix)],
                          read(_spans(kind, folder)), page)
        verified = running.verb("verify")
        assert verified.returncode == 0, verified.stdout


def main(arguments: Sequence[str]) -> int:
    """Kill one of them; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.e2e.senders.collector", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kill", choices=("gateway", "collector"), default="gateway")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--seed", default=str(time.time_ns()))
    options = parser.parse_args(arguments)
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        for compared in survived(options.kill, options.times, Path(name), options.seed):
            print(compared, flush=True)
            wrong += bool(compared.wrong)
    print(f"{options.times} kills of the {options.kill} (seed {options.seed})")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
