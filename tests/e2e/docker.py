"""Docker's engine of Debian, unpacked, and started for a test in a folder of its own. Needs root.

Its network is either this machine's, of which it then changes nothing, so that images can be built
with what pip brings; or one of its own with nothing but loopback, in which containers run as Docker
has them run.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bundle.promtool import TOOLS
from tests.exporter.support import wait_for

ROOT = TOOLS / "docker/root"
BASE = TOOLS / "docker/base.tar"
START_SECONDS = 60.0
UNTOUCHED = ("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false",
             "--ip-masq=false")
WITHIN = ("unshare", "--mount")  # so that no mount outlives it
APART = ("unshare", "--mount", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")


@dataclass(frozen=True)
class Docker:
    """A running engine, asked by its own client."""

    folder: Path
    pid: int

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "DOCKER_HOST": f"unix://{self.folder}/docker.sock"}

    def __call__(self, *words: str | Path, **settings: str) -> str:
        """What the client says. Raises AssertionError with it if it fails."""
        return self._run(ROOT / "usr/bin/docker", *words, **settings)

    def compose(self, *words: str | Path) -> str:
        """The same of Compose."""
        return self._run(TOOLS / "docker-compose/docker-compose", *words)

    def here(self, *words: str | Path) -> list[str]:
        """A command in the engine's own network."""
        return ["nsenter", f"--target={self.pid}", "--net", *map(str, words)]

    def _run(self, *words: str | Path, **settings: str) -> str:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300,
                              env={**self.env, **settings})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextlib.contextmanager
def engine(folder: Path, *, apart: bool) -> Iterator[Docker]:
    """An engine that keeps its images in the folder; ended by its pid."""
    (libraries,) = (ROOT / "usr/lib").glob("*-linux-gnu")
    command = [*(APART if apart else WITHIN), str(ROOT / "usr/sbin/dockerd"),
               f"--data-root={folder}/data", f"--exec-root={folder}/exec",
               f"--host=unix://{folder}/docker.sock", f"--pidfile={folder}/docker.pid",
               *(() if apart else UNTOUCHED)]
    search_path = f"{ROOT}/usr/bin:{ROOT}/usr/sbin:{os.environ['PATH']}"
    with (folder / "docker.log").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={
            **os.environ, "PATH": search_path, "LD_LIBRARY_PATH": str(libraries),
            "XTABLES_LIBDIR": str(libraries / "xtables")})
    docker = Docker(folder, process.pid)
    try:
        wait_for(lambda: process.poll() is not None or answers(docker), START_SECONDS)
        assert process.poll() is None, (folder / "docker.log").read_text()[-2000:]
        yield docker
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def answers(docker: Docker) -> bool:
    return subprocess.run([ROOT / "usr/bin/docker", "info"], env=docker.env, check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
