"""Takes the README's picture of the page, after an hour of three scripted engines on three GPUs.

    python -m tests.e2e.screenshot [--minutes 61] [--step 30] FOLDER

For the last fifth of the time one GPU is lost (XID 79) and the engine upon it is gone. Writes
home.png, home-dark.png and home-narrow.png.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import threading
import time
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
from tests.e2e.browser import chromium
from tests.exporter.support import Page, get, wait_for

SHOTS = {"home": (1280, 1120, "light"), "home-dark": (1280, 1120, "dark"),
         "home-narrow": (320, 1400, "light")}
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


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.screenshot")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=61.0)
    parser.add_argument("--step", type=float, default=30.0)
    options = parser.parse_args()
    seconds = 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder), seconds)
        with scene.watched(options.step) as running:
            time.sleep(0.8 * seconds)
            scene.lose()
            time.sleep(0.2 * seconds)
            take(running.port, options.folder)


def take(port: int, folder: Path) -> None:
    """The page in its two schemes, and on a narrow screen."""
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for name, (width, height, scheme) in SHOTS.items():
            page = browser.new_page(viewport={"width": width, "height": height},
                                    color_scheme="dark" if scheme == "dark" else "light")
            page.goto(f"http://127.0.0.1:{port}/")
            page.screenshot(path=folder / f"{name}.png")
            print(folder / f"{name}.png", (folder / f"{name}.png").stat().st_size, "bytes")


if __name__ == "__main__":
    main()
