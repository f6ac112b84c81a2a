"""A fleet's pages in a process of its own, as a Prometheus would scrape them.

    python -m bench.pages PORT NODES SECONDS FILE

Each exporter has its page at /NODE/PARTY; `FILE` holds what our own says of a node, and SECONDS
pass between two scrapes. All nodes have the same load.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from bench.engine import Loop
from bench.fleet import BEGIN, MODELS, PARTIES, Fleet

NUMBER, MODEL = "@NUMBER", "@MODEL"
HOUR = 3600


class Pages(Loop):
    """Makes a page once for all nodes and each step, and puts each node's names into it."""

    def __init__(self, port: int, fleet: Fleet) -> None:
        super().__init__([port])
        self._fleet = fleet
        self._hour = fleet.hour(0, BEGIN, BEGIN + HOUR)
        self._began = time.time()
        self._step = -1
        self._pages: dict[tuple[str, bool], bytes] = {}

    def page(self, path: str) -> bytes:
        """The page of a node's exporter; nothing where there is no such exporter."""
        self._go_on()
        node, _, party = path.strip("/").partition("/")
        page = self._pages.get((party, node == "0"), b"")
        number, model = f"{int(node):03d}", MODELS[int(node) % len(MODELS)]
        return page.replace(NUMBER.encode(), number.encode()).replace(
            MODEL.encode(), model.encode())

    def _go_on(self) -> None:
        step = int((time.time() - self._began) / self._fleet.every)
        if step != self._step:
            self._step = step
            self._pages = {(party, first): self._made(party, first)
                           for party in PARTIES for first in (True, False)}

    def _made(self, party: str, first: bool) -> bytes:
        nth = min(self._step, len(self._hour.load) - 1)
        lines = []
        for point in self._fleet.shown(party, NUMBER, MODEL, first):
            clock = point.move[0] == "clock"
            value = time.time() if clock else self._hour.values(point.move)[nth]
            pairs = ",".join(f'{name}="{text}"' for name, text in point.labels.items())
            lines.append(f"{point.name}{{{pairs}}} {value!r}\n")
        return "".join(lines).encode()


if __name__ == "__main__":
    seconds, file = int(sys.argv[3]), Path(sys.argv[4])
    Pages(int(sys.argv[1]), Fleet.of(int(sys.argv[2]), seconds, file.read_text())).serve()
