"""Three engines of the demo, and the page for a person over them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from inferometer.demo.clock import MINUTE, StoryClock
from inferometer.demo.dialects import SGLANG, TGI, VLLM
from inferometer.demo.engine import DAY_MINUTES, Workload
from inferometer.demo.exporters import Exporters
from inferometer.demo.fleet import Seat
from inferometer.demo.story import OFF_THE_BUS
from inferometer.demo.world import World
from tests.exporter.support import Page, get, wait_for

SEATS = (
    Seat("chat", "chat-0", VLLM, Workload(
        "meta-llama/Llama-3.1-8B-Instruct", 24, 0.3, 1.15), (0,)),
    Seat("code", "code-0", SGLANG, Workload(
        "Qwen/Qwen2.5-Coder-7B-Instruct", 32, 0.1, 0.7, 0.3), (1,)),
    Seat("summaries", "summaries-0", TGI, Workload(
        "mistralai/Mistral-7B-Instruct-v0.3", 32, 0.2, 0.8, 0.6), (2,)),
)


@dataclass(frozen=True)
class Shown:
    """A page that is served."""

    port: int

    def scrape(self) -> Page:
        return Page(get(self.port).text)


class Scene:
    """Three engines of the demo's, each on a GPU of its own.

    `seconds` is what one run takes; the load swells and ebbs one and a half times in it.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self.world = World(StoryClock(1.5 * DAY_MINUTES * MINUTE / seconds), SEATS, len(SEATS))

    @contextlib.contextmanager
    def watched(self, step: float) -> Iterator[Shown]:
        """The exporter upon it, with a history of such steps."""
        self.world.start()
        exporters = Exporters(self.world, self._folder, "127.0.0.1:0", history_step=step)
        try:
            with exporters.start() as server:
                thread = threading.Thread(target=server.serve_forever)
                thread.start()
                wait_for(exporters.app.is_ready)
                yield Shown(server.server_port)
                server.shutdown()
                thread.join(10)
        finally:
            exporters.stop()
            self.world.stop()

    def lose(self) -> None:
        """The last GPU falls off the bus, and its engine ends."""
        self.world.gpus[2].lose(OFF_THE_BUS)
        self.world.engines["summaries"].die()
