"""A request log whose gateway is killed: each call that counts has one line, and none has two."""

from __future__ import annotations

import json
import time
from collections import Counter

from tests.e2e.drills.ends import LONGEST, SHORTEST
from tests.e2e.drills.scene import Scene
from tests.e2e.gateways import Gateway
from tests.exporter.support import wait_for

FILE = "requests.ndjson"
BOUNDS = "max_bytes: 1048576, files: 1000"  # it is rotated all the while
WRITE_SECONDS = 60.0  # until all lines are there, on a machine that has much else to do


def kill(scene: Scene) -> None:
    """SIGKILL at any moment, with bodies on their way and lines half written."""
    log = f"request_log: {{path: {json.dumps(str(scene.data / FILE))}, {BOUNDS}}}\n"
    for _ in range(scene.rounds):
        with scene.gateway(more=log) as running:
            scene.send_again(running)
            with scene.load(running):
                time.sleep(scene.chance.uniform(SHORTEST, LONGEST))  # at any moment
                scene.scrape(running)
                running.kill()
    with scene.gateway(more=log) as running:
        scene.finish(running)
        wait_for(lambda: not _waiting(running), WRITE_SECONDS, 0.2)
    _require_each_once(scene)


def _waiting(running: Gateway) -> float | None:
    return running.page().value("inferometer_request_log_waiting_calls")


def _require_each_once(scene: Scene) -> None:
    """Raise AssertionError where a call has no line, or several."""
    counted = Counter(f"{one[:16].hex()}-{one[16:].hex()}" for one in scene.store.rows(
        scene.data).ids)
    lines: Counter[str] = Counter()
    for file in scene.data.glob(f"{FILE}*"):
        lines.update(json.loads(line)["event"]["id"]
                     for line in file.read_bytes().splitlines(keepends=True))
    missing, more = counted - lines, lines - counted
    assert not missing, f"{missing.total()} of {counted.total()} calls have no line"
    assert not more, f"{more.total()} lines more than {counted.total()} calls"
