"""The exporter with a history of short steps, so that a test sees an hour's worth of it.

    python -m tests.exporter.home.quick STEP_SECONDS CONFIG
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from inferometer.app import App
from inferometer.logs import start_logging
from inferometer.settings import Flags
from tests.exporter.process import announced_port
from tests.exporter.support import START_SECONDS, Exporter, launched, wait_for


def main() -> None:
    step, config = sys.argv[1:]
    start_logging("info")
    app = App(Path(config), Flags(), history_step=float(step))
    with app.start() as server:
        print(f"  metrics  http://127.0.0.1:{server.server_port}/metrics", flush=True)
        server.serve_forever(app.revive)


@contextlib.contextmanager
def quick(step: float, config: Path, env: Mapping[str, str] | None = None) -> Iterator[Exporter]:
    """This module as a process that listens."""
    with launched(str(step), str(config), env=env, command=(__name__,)) as running:
        wait_for(lambda: announced_port(running) or running.process.poll() is not None,
                 START_SECONDS)
        assert running.process.poll() is None, "".join(running.lines)
        running.port = announced_port(running)
        yield running


if __name__ == "__main__":
    main()
