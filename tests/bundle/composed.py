"""What Compose makes of its files, and its services run without an engine.

The real Compose resolves the files. A service's bind mounts are copied to where it would see them,
below a folder that stands for its root, and its command's paths are seen from there. Its network is
loopback, where every service gets a port that is free, in its own files too.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.bundle.promtool import TOOLS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/compose"
GENERATED = ROOT / "deploy/generated"
FILES = ("compose.yml", "compose.gpu.yml")
RELEASE = "3"  # of the tools: what the file pins is newer than the oldest supported
ENGINE = "host.docker.internal:8000"
Service = Mapping[str, Any]


def compose(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Compose itself, without what is in the environment of the tests."""
    return subprocess.run(
        [TOOLS / "docker-compose/docker-compose", *arguments], capture_output=True, text=True,
        check=False, timeout=60, env={"PATH": os.defpath, "HOME": "/nonexistent"})


def model(*files: str) -> Mapping[str, Any]:
    """The files as Compose understands them."""
    named = [word for file in files for word in ("-f", str(FOLDER / file))]
    done = compose(*named, "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    understood: Mapping[str, Any] = json.loads(done.stdout)
    return understood


def binds(service: Service) -> Mapping[str, Path]:
    """What a service sees of the repository, by where it sees it."""
    return {mount["target"]: Path(mount["source"])
            for mount in service["volumes"] if mount["type"] == "bind"}


class Network:
    """The services below a folder, each with a port of its own on loopback.

    `engine` among the ports stands for the engine on the machine itself.
    """

    def __init__(self, services: Mapping[str, Service], folder: Path,
                 ports: Mapping[str, int]) -> None:
        self.services = services
        self.folder = folder
        self.ports = ports
        self._addresses = {
            f"{name}:{port['target']}": f"127.0.0.1:{ports[name]}"
            for name, service in services.items() for port in service["ports"]}
        if "engine" in ports:
            self._addresses[ENGINE] = f"127.0.0.1:{ports['engine']}"

    def root(self, name: str) -> Path:
        """The service's root, with all that it mounts."""
        root = self.folder / name
        if root.exists():
            return root
        for target, source in binds(self.services[name]).items():
            seen = root / target.lstrip("/")
            seen.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, seen)
        for file in root.rglob("*.yml"):
            text = file.read_text()
            for address, here in self._addresses.items():
                text = text.replace(address, here)
            file.write_text(text)
        return root

    def healthy(self, name: str) -> bool:
        """What the service's own check says."""
        _, program, *words = self.services[name]["healthcheck"]["test"]
        (published,) = self.services[name]["ports"]
        own, here = f"127.0.0.1:{published['target']}", f"127.0.0.1:{self.ports[name]}"
        check = [TOOLS / f"{program}-{RELEASE}" / program,
                 *(word.replace(own, here) for word in words)]
        return subprocess.run(check, capture_output=True, check=False, timeout=30).returncode == 0

    @contextlib.contextmanager
    def running(self, name: str) -> Iterator[None]:
        """The service, by the real program of its name; ended by its pid."""
        root = self.root(name)
        words = [word.replace("=/", f"={root}/") for word in self.services[name]["command"]]
        listen = f"--web.listen-address=127.0.0.1:{self.ports[name]}"
        with (self.folder / f"{name}.log").open("w") as log:
            process = subprocess.Popen([TOOLS / f"{name}-{RELEASE}" / name, *words, listen],
                                       cwd=root, stdout=log, stderr=log)
            try:
                yield
            finally:
                process.kill()
                process.wait()
