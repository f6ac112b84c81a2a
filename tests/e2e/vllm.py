"""A real vLLM of a tiny model on a free port; it is installed on first use."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.exporter.support import Page, free_port, get, wait_for

ROOT = Path(__file__).parents[2]
INSTALL_AND_START_SECONDS = 1500


class Vllm:
    """A running vLLM on a free port."""

    def __init__(self, folder: Path, *options: str, **settings: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "vllm.log"
        directory = os.environ.get("VLLM_DIR", str(ROOT / ".cache" / "vllm"))
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["bash", str(ROOT / "tests/tools/tiny_vllm.sh"), directory, str(self.port),
                 *options], stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, **settings})

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        try:
            return get(self.port, "/ping", seconds=2).status == 200
        except OSError:
            return False

    def page(self) -> Page:
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as response:
            return Page(response.read().decode())

    def engine_processes(self) -> list[int]:
        """The processes that compute; their names differ from that of the API server."""
        listing = subprocess.run(["ps", "-o", "pid=,args=", "-g", str(self.process.pid)],
                                 capture_output=True, text=True, check=False).stdout
        return [int(line.split()[0]) for line in listing.splitlines() if "EngineCore" in line]

    def stop(self) -> None:
        for sent in (signal.SIGCONT, signal.SIGTERM):
            os.killpg(self.process.pid, sent)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)


@contextlib.contextmanager
def started(folder: Path, *options: str, **settings: str) -> Iterator[Vllm]:
    """One that answers, with these options of `vllm serve` and variables of its environment."""
    running = Vllm(folder, *options, **settings)
    try:
        wait_for(running.ready, INSTALL_AND_START_SECONDS, every=1.0)
        yield running
    finally:
        running.stop()
