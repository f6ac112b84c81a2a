"""Takes the README's picture of the page, after an hour of three scripted engines on three GPUs.

    python -m tests.e2e.screenshot [--minutes 61] [--step 30] FOLDER

For the last fifth of the time one GPU is lost (XID 79) and the engine upon it is gone. Writes
home.png, home-dark.png and home-narrow.png.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.browser import chromium
from tests.e2e.scripted import SGLANG, TGI, VLLM, Gpus, Scripted
from tests.exporter.gpu.fake_nvml import FakeNvml
from tests.exporter.home.quick import quick
from tests.exporter.support import Engine, Exporter

SHOTS = {"home": (1280, 1120, "light"), "home-dark": (1280, 1120, "dark"),
         "home-narrow": (320, 1400, "light")}
CONFIG = {
    "web": {"listen": "127.0.0.1:0"},
    "cost": {"gpu_hour_usd": {"NVIDIA H100 80GB HBM3": 2.99}},
    "fleet": {"monthly_usd": {"storage": 120}, "overhead_percent": 10},
}


class World:
    """Three engines, each on a GPU of its own; `seconds` is what one run of the script takes."""

    def __init__(self, folder: Path, seconds: float) -> None:
        def wave(turns: float, low: float, high: float) -> float:
            return low + (high - low) * (0.5 - 0.5 * math.cos(turns * 2 * math.pi))

        self.scripts = {
            "chat": Scripted(VLLM, lambda t: wave(1.6 * t / seconds, 2.0, 9.5), 48,
                             "meta-llama/Llama-3.1-8B-Instruct", 1),
            "code": Scripted(SGLANG, lambda t: 0.0 if 0.42 < t / seconds < 0.55 else
                             wave(2.3 * t / seconds + 0.3, 0.4, 3.5), 32,
                             "Qwen/Qwen2.5-Coder-7B-Instruct", 2),
            "summaries": Scripted(TGI, lambda t: wave(1.1 * t / seconds + 0.6, 1.0, 4.0), 32,
                                  seed=3),
        }
        self.engines = {name: Engine(script) for name, script in self.scripts.items()}
        for name, engine in self.engines.items():
            engine.paths.update(self.scripts[name].documents())
        self.fake = FakeNvml(folder / "nvml")
        self.gpus = Gpus(self.fake, list(self.scripts.values()))
        self.config = folder / "inferometer.yml"
        self.config.write_text(json.dumps({**CONFIG, "engines": {"targets": [
            {"name": name, "url": engine.url} for name, engine in self.engines.items()]}}))

    @contextlib.contextmanager
    def watched(self, step: float) -> Iterator[Exporter]:
        """The exporter upon it, with a history of such steps."""
        try:
            with quick(step, self.config, self.fake.env()) as running:
                yield running
        finally:
            self.gpus.stop()
            for engine in self.engines.values():
                engine.close()

    def lose(self) -> None:
        """The last GPU falls off the bus, and its engine ends."""
        self.gpus.say("xid 2 79 1")
        time.sleep(5)  # for the event to be heard before the GPU is silent
        self.gpus.say("lost 2")
        self.engines["summaries"].close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.screenshot")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=61.0)
    parser.add_argument("--step", type=float, default=30.0)
    options = parser.parse_args()
    seconds = 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), seconds)
        with world.watched(options.step) as running:
            time.sleep(0.8 * seconds)
            world.lose()
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
