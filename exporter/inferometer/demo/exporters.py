"""The exporters of the demo, each the real one: one that shows all, and one beside each engine.

Pods and GPUs are joined as in Kubernetes: the rules need an exporter in each engine's pod for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

from inferometer.addresses import split_address
from inferometer.app import App
from inferometer.demo.fleet import CLUSTER, MONITORING, NODE, NODE_POD, SERVING, Seat, money
from inferometer.demo.world import World
from inferometer.gpu.nvml import replace_library
from inferometer.home.history import STEP_SECONDS
from inferometer.serve.server import Server
from inferometer.settings import Flags
from inferometer.threads import start_thread

STOP_SECONDS = 5.0
SHORTEST = 0.5  # seconds of anything that is done again and again
NODE_JOB, ENGINES_JOB = "inferometer-node", "inferometer"
Targets = Mapping[str, list[tuple[int, Mapping[str, str]]]]  # port and labels, by job


@dataclass(frozen=True)
class Served:
    """An exporter, and the thread that serves it."""

    app: App
    server: Server
    thread: Thread

    @classmethod
    def begin(cls, app: App, name: str) -> Served:
        """Start it, and a thread of this name. Raises OSError."""
        server = app.start()
        return cls(app, server, start_thread(partial(_serve, app, server), name))

    def stop(self) -> None:
        """End it."""
        self.server.shutdown()
        self.thread.join(STOP_SECONDS)
        self.app.stop()


class Exporters:
    """All of the demo's exporters. `listen` is where the one that shows all is served.

    `sidecar_port`: the first of the others' ports; 0: any. `history_step`: seconds between two
    readings for the page's plots; None: as the story is hurried.
    """

    def __init__(self, world: World, folder: Path, listen: str, sidecar_port: int = 0,
                 history_step: float | None = None) -> None:
        self._world = world
        self._folder = folder
        self._host = split_address(listen)[0]
        self._sidecar_port = sidecar_port
        replace_library(world.library)
        self._config = self._write("inferometer", self._shows_all(listen))
        self.app = App(self._config, Flags(), history_step or self._scaled(STEP_SECONDS),
                       demo=True, kubelet=world.kubelet)
        self.server: Server | None = None
        self._sidecars: dict[str, Served] = {}  # by pod

    def start(self) -> Server:
        """Listen, the sidecars in threads of their own. Raises OSError."""
        self.server = self.app.start()
        for number, seat in enumerate(self._world.seats):
            port = self._sidecar_port and self._sidecar_port + number
            app = App(self._write(seat.name, self._beside(seat, port)), Flags(role="sidecar"),
                      demo=True)
            self._sidecars[seat.pod] = Served.begin(app, "demo-sidecar")
        return self.server

    def stop(self) -> None:
        """End what `start` began; the caller serves the first one no more."""
        for sidecar in self._sidecars.values():
            sidecar.stop()
        self.app.stop()
        replace_library(None)

    def set_day_budget(self, usd: float) -> None:
        """Have another budget of the day in force, by a reload."""
        self._write("inferometer", {**json.loads(self._config.read_text()), **money(usd)})
        self.app.reload()

    def targets(self) -> Targets:
        """Port and labels of every scrape, by job."""
        assert self.server is not None
        node = {"cluster": CLUSTER, "namespace": MONITORING, "node": NODE, "pod": NODE_POD}
        return {
            NODE_JOB: [(self.server.server_port, node)],
            ENGINES_JOB: [
                (sidecar.server.server_port,
                 {"cluster": CLUSTER, "namespace": SERVING, "node": NODE, "pod": pod})
                for pod, sidecar in self._sidecars.items()],
        }

    def _scaled(self, seconds: float) -> float:
        return max(SHORTEST, seconds / self._world.clock.faster)

    def _shows_all(self, listen: str) -> Mapping[str, Any]:
        return {
            "web": {"listen": listen, "enable_alert_log": True},
            "gpu": {"interval_seconds": self._scaled(1), "time_to_live_seconds": 4 * SHORTEST,
                    "retry_seconds": self._scaled(10)},
            "engines": {"discover_ports": [], "targets": [
                self._target(seat) for seat in self._world.seats]},
            **money(),
        }

    def _beside(self, seat: Seat, port: int) -> Mapping[str, Any]:
        return {"web": {"listen": f"{self._host}:{port}"},
                "engines": {"discover_ports": [], "targets": [self._target(seat)]}}

    def _target(self, seat: Seat) -> Mapping[str, str]:
        return {"name": seat.name, "url": self._world.engines[seat.name].url}

    def _write(self, name: str, document: Mapping[str, Any]) -> Path:
        file = self._folder / f"{name}.yml"
        file.write_text(json.dumps(document, indent=1), encoding="utf-8")
        return file


def _serve(app: App, server: Server) -> None:
    with server:
        server.serve_forever(app.revive)
