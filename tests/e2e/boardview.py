"""Boards in a browser, drawn by Grafana's own front-end packages, and what a reader sees there.

What is drawn is in tests/boardview; `make boardview` bundles it.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urlencode
from urllib.request import urlopen

from playwright.sync_api import Browser, Page

BUNDLE = Path(__file__).parents[2] / ".cache/boardview/dist"
PATIENCE_SECONDS = 60.0
SETTLING_SECONDS = 0.7  # until what is measured in the browser has its last size
WINDOW_HEIGHT = 900
TYPES = {".js": "text/javascript", ".woff2": "font/woff2", ".svg": "image/svg+xml"}
LEAST_LETTERS = 10.0  # pixels: smaller ones of a figure cannot be read
_DRAWN = ("document.querySelector('[data-panel]') && "
          "!document.querySelector('[data-state=loading]')")


@dataclass(frozen=True)
class View:
    """How a board is looked at; times as they are in a world whose rules hurry."""

    theme: str = "dark"
    width: int = 1600
    span: str = "10m"
    shown: str = "24 hours"  # what the head calls the span
    faster: int = 1
    expand: bool = False  # rows that are closed at first
    to: float | None = None  # seconds since 1970; None: now
    variables: Mapping[str, str] | None = None

    def query(self, uid: str) -> str:
        """The address's part after the question mark."""
        values = {"board": uid, "theme": self.theme, "span": self.span, "shown": self.shown,
                  "faster": str(self.faster), **({"expand": "1"} if self.expand else {}),
                  **({"to": str(self.to)} if self.to else {}),
                  **{f"var-{name}": value for name, value in (self.variables or {}).items()}}
        return urlencode(values)


@dataclass(frozen=True)
class PanelSeen:
    """What is to be seen of a panel, as src/facts.js measures it."""

    title: str
    kind: str
    state: str
    error: str | None
    unknown: Sequence[str]
    empty: str | None
    lines: Mapping[str, int] | None
    legendCut: float
    table: Mapping[str, float] | None
    cut: Sequence[str]
    letters: float | None
    text: str

    def faults(self) -> Iterator[str]:
        """What of it is not as it should be; that it is empty is none."""
        if self.error or self.state != "done":
            yield f"is {self.state}: {self.error}"
            return
        if self.unknown:
            yield f"sets what Grafana does not know: {', '.join(self.unknown)}"
        if self.empty is None and not self.text.removeprefix(self.title).strip():
            yield "is blank"
        if self.lines and self.lines["legend"] and not self.lines["drawn"]:
            yield "has a legend and no line of its colours"
        if self.legendCut > 1:
            yield f"cuts its legend by {self.legendCut:g} pixels"
        if self.table and self.table["needed"] > self.table["given"] + 1:
            yield f"is a table of {self.table['needed']:g} pixels in {self.table['given']:g}"
        if self.kind == "stat" and self.letters is not None and self.letters < LEAST_LETTERS:
            yield f"has letters of {self.letters:.0f} pixels"
        if self.cut:
            yield f"cuts {', '.join(map(repr, self.cut))}"


class Boards:
    """Boards by their uid, over a Prometheus that may be anywhere."""

    def __init__(self, browser: Browser, boards: Mapping[str, Any], prometheus: str) -> None:
        if not BUNDLE.exists():
            raise RuntimeError(f"there is no {BUNDLE}; `make boardview` makes it")
        self._browser = browser
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), partial(_Handler, boards, prometheus, directory=str(BUNDLE)))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()

    @contextlib.contextmanager
    def opened(self, uid: str, view: View) -> Iterator[tuple[Page, list[str]]]:
        """The page of a board as high as it is, and what its console has to complain of."""
        page = self._browser.new_page(
            viewport={"width": view.width, "height": WINDOW_HEIGHT}, timezone_id="UTC")
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text)
                if message.type == "error" else None)
        try:
            page.goto(f"http://127.0.0.1:{self._server.server_port}/index.html?{view.query(uid)}")
            page.wait_for_function(_DRAWN, timeout=1000 * PATIENCE_SECONDS)
            height = page.evaluate("document.getElementById('board').scrollHeight")
            page.set_viewport_size({"width": view.width, "height": height})
            page.evaluate("document.fonts.ready")
            page.wait_for_timeout(1000 * SETTLING_SECONDS)
            yield page, complaints
        finally:
            page.close()

    def seen(self, uid: str, view: View) -> list[PanelSeen]:
        """Every panel of a board. Raises AssertionError for what the console complains of."""
        with self.opened(uid, view) as (page, complaints):
            panels = [PanelSeen(**fact) for fact in page.evaluate("window.facts()")]
            if not any(panel.error for panel in panels):
                assert not complaints, complaints
            return panels


@contextlib.contextmanager
def boards_in(browser: Browser, boards: Mapping[str, Any], prometheus: str) -> Iterator[Boards]:
    """The boards by their uid in a browser, over the Prometheus at `host:port`."""
    served = Boards(browser, boards, prometheus)
    try:
        yield served
    finally:
        served.close()


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, boards: Mapping[str, Any], prometheus: str, *args: Any,
                 **options: Any) -> None:
        self._boards, self._prometheus = boards, prometheus
        self.extensions_map = {**SimpleHTTPRequestHandler.extensions_map, **TYPES}
        super().__init__(*args, **options)

    def do_GET(self) -> None:
        """A board, what Prometheus answers, or a file of the bundle."""
        if self.path.startswith("/api/"):
            self._answer(*_passed_on(f"http://{self._prometheus}{self.path}"))
        elif self.path.startswith("/boards/"):
            board = self._boards[unquote(self.path.removeprefix("/boards/"))]
            self._answer(200, json.dumps(board).encode())
        else:
            super().do_GET()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test's output is its own."""


def _passed_on(url: str) -> tuple[int, bytes]:
    try:
        with urlopen(url, timeout=PATIENCE_SECONDS) as response:
            return response.status, response.read()
    except HTTPError as error:  # what is asked wrongly, and why
        with error:
            return 200, error.read()
