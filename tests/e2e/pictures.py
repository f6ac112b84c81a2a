"""Takes the pictures of README and docs from the demo, while a GPU of it is lost.

    python -m tests.e2e.pictures FOLDER

Boards are drawn by Grafana's front-end packages; the page for a person is the exporter's own.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

import dashboards
from tests.e2e.boardview import View, boards_in
from tests.e2e.browser import chromium
from tests.e2e.demonstration import demonstration

FASTER = 30
WIDTH, PAGE_HEIGHT = 1280, 1100
THEMES = ("light", "dark")
# By board: the row before which its picture ends.
BOARDS: Mapping[str, str] = {
    "fleet": "How the clusters do", "latency": "What stands behind it",
    "gpu": "Model by model, on all nodes", "cost": "For each request and token",
}
SPAN_MINUTES = 105  # of the story
LAST_ALERT, LAST_ALERT_SECONDS = "GpuLost", 400.0
MORE_SECONDS = 5.0  # until it is on the boards as well
COLOURS, MOST_BYTES = 256, 300_000


def main() -> None:
    """Play the demo until the worst of it, and look."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.pictures")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    program = Path(os.environ["TOOLS"]) / "prometheus-3/prometheus"
    with demonstration(program, FASTER) as demo, chromium() as browser:
        print(f"The demo plays until {LAST_ALERT} fires, which takes some minutes", flush=True)
        demo.wait_for_alert(LAST_ALERT, LAST_ALERT_SECONDS)
        time.sleep(MORE_SECONDS)  # as that constant says
        now = time.time()
        for theme in THEMES:  # first of all, as it always shows the present
            take_page(browser, f"http://127.0.0.1:{demo.running.port}/", theme,
                      folder / f"page-{theme}.png")
        for theme in THEMES:
            take_boards(browser, demo.prometheus, theme, now, folder)


def take_page(browser: Browser, url: str, theme: str, file: Path) -> None:
    """The page for a person, its upper part."""
    page = browser.new_page(viewport={"width": WIDTH, "height": PAGE_HEIGHT},
                            color_scheme="dark" if theme == "dark" else "light")
    page.goto(url)
    page.screenshot(path=file)
    page.close()
    reduce(file)


def take_boards(browser: Browser, prometheus: str, theme: str, now: float, folder: Path) -> None:
    """Each board as of a time, from its head to the row that its picture leaves out."""
    view = View(theme, WIDTH, f"{60 * SPAN_MINUTES // FASTER}s", f"{SPAN_MINUTES} minutes", FASTER,
                to=now)
    with boards_in(browser, dashboards.render_all(), prometheus) as boards:
        for name, row in BOARDS.items():
            file = folder / f"{name}-{theme}.png"
            with boards.opened(f"inferometer-{name}", view) as (page, complaints):
                box = page.locator(f'[data-row="{row}"]').bounding_box()
                assert box is not None, row
                assert not complaints, complaints
                page.screenshot(path=file, clip={
                    "x": 0, "y": 0, "width": WIDTH, "height": box["y"] - 4})
            reduce(file)


def reduce(file: Path) -> None:
    """Fewer colours, so that a clone stays small. AssertionError for a picture that does not."""
    with Image.open(file) as picture:
        small = picture.convert("RGB").quantize(COLOURS, kmeans=1, dither=Image.Dither.NONE)
    small.save(file, optimize=True)
    size = file.stat().st_size
    print(file, size, "bytes", flush=True)
    assert size < MOST_BYTES, f"{file} has {size} bytes"


if __name__ == "__main__":
    main()
