"""Large and long: 64 GPUs beside 50 engines on one exporter, 1,000 scrapes, a simulated day."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import day
from bench.gpus import busy_gpus, percentile, wait_for_gpus
from bench.process import ROOT, Process, free_port, serving
from bench.report import Figure
from bench.scraper import TIMEOUT, Scraper
from bench.sizes import Sizes

GPUS, ENGINES = 64, 50
MOST_GROWTH = 300.0  # KiB
DAY_SECONDS = 600.0  # of real time, at most


def measure(sizes: Sizes) -> Iterator[Figure]:
    """All figures of size and of time."""
    with tempfile.TemporaryDirectory() as folder, exporter(Path(folder), GPUS, ENGINES) as large:
        yield from _large(large, sizes.large_scrapes)
    with tempfile.TemporaryDirectory() as folder, exporter(Path(folder), 8, 1) as small:
        yield _growth(small, sizes.long_scrapes)
    with tempfile.TemporaryDirectory() as folder:
        yield _day(Path(folder), sizes.day_scrapes)


@contextlib.contextmanager
def exporter(folder: Path, gpus: int, engines: int) -> Iterator[Process]:
    """The exporter over so many GPUs and engines, all of them busy."""
    env = busy_gpus(folder, gpus)
    ports = [free_port() for _ in range(engines)]
    port = free_port()
    config = folder / "inferometer.yml"
    config.write_text(json.dumps({"engines": {
        "targets": [{"url": f"http://127.0.0.1:{engine_port}"} for engine_port in ports]}}))
    python = (sys.executable, "-m")
    with serving("engines", (*python, "bench.engine", *map(str, ports)), ports[-1], folder), \
            serving("inferometer", (*python, "inferometer", "run", "--config", config, "--listen",
                                    f"127.0.0.1:{port}"), port, folder, env) as running:
        yield running


def _large(large: Process, scrapes: int) -> Iterator[Figure]:
    wait_for_gpus(large, GPUS)
    with Scraper(large.port) as scraper:
        for _ in range(3):
            scraper.scrape()
        answers = [scraper.scrape() for _ in range(scrapes)]
    title = f"{GPUS} GPUs and {ENGINES} vLLM engines: "
    complete = [answer for answer in answers if _is_whole(answer.text)]
    yield Figure(title + "scrapes that lack something", "", len(answers) - len(complete), 0)
    seconds = [answer.seconds for answer in answers]
    for share in (0.5, 0.99):
        yield Figure(title + f"p{100 * share:g} latency", "s", percentile(seconds, share), TIMEOUT)


def _is_whole(page: str) -> bool:
    """Whether every GPU and every engine is up on the page, and every collector well."""
    lines = [line for line in page.splitlines() if line.endswith(" 1.0")]
    return (sum(line.startswith("gpu_up{") for line in lines) == GPUS
            and sum(line.startswith("llm_server_up{") for line in lines) == ENGINES
            and sum(line.startswith("inferometer_collector_success{") for line in lines) == 3)


def _growth(small: Process, scrapes: int) -> Figure:
    """What so many scrapes add, once as many have filled what has a most."""
    with Scraper(small.port) as scraper:
        for _ in range(scrapes):
            scraper.scrape()
        before = small.own_bytes()
        for _ in range(scrapes):
            scraper.scrape()
    return Figure(f"8 GPUs and a vLLM engine: memory added by {scrapes} scrapes after {scrapes}",
                  "KiB", (small.own_bytes() - before) / 1024, MOST_GROWTH)


def _day(folder: Path, scrapes: int) -> Figure:
    port = free_port()
    with serving("engine", (sys.executable, "-m", "bench.engine", str(port)), port, folder):
        done = subprocess.run(
            [sys.executable, "-m", "bench.day", str(scrapes), str(port)], check=True, text=True,
            stdout=subprocess.PIPE, timeout=DAY_SECONDS, cwd=ROOT,
            env={**os.environ, **busy_gpus(folder, 2)})
    return Figure(f"2 GPUs and a vLLM engine: memory added in {scrapes * day.INTERVAL / 3600:g} "
                  "simulated hours, once settled", "KiB", float(done.stdout), MOST_GROWTH)
