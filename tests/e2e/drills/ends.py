"""Ends of a gateway's process: by SIGKILL, by SIGTERM, and by the power."""

from __future__ import annotations

import time

from tests.e2e.drills.scene import Scene
from tests.e2e.drills.shims import DroppedWrites
from tests.e2e.gateways import Gateway

SHORTEST, LONGEST = 0.3, 2.5  # seconds of load before the end
DRAIN_SECONDS = 10.0
CHECKS = 10  # of a drill with many rounds
RESTORED = "an older copy of the ledger was put here"  # in the log


def kill(scene: Scene) -> None:
    """SIGKILL at any moment, with bodies on their way each time."""
    often = max(1, scene.rounds // CHECKS)
    for number in range(scene.rounds):
        with scene.gateway() as running:
            if number and number % often == 0:
                scene.finish(running)
            scene.send_again(running)
            with scene.load(running):
                time.sleep(scene.chance.uniform(SHORTEST, LONGEST))  # at any moment
                scene.scrape(running)
                running.kill()
            assert scene.journal.unanswered, "nothing was on its way"
    with scene.gateway() as running:
        scene.finish(running)


def drain(scene: Scene) -> None:
    """SIGTERM under load: the process ends within 10 s, with all that it acknowledged."""
    for _ in range(scene.rounds):
        with scene.gateway() as running:
            scene.send_again(running)
            with scene.load(running):
                time.sleep(scene.chance.uniform(SHORTEST, LONGEST))  # at any moment
                scene.scrape(running)
                began = time.monotonic()
                running.running.process.terminate()
                code = running.running.process.wait(3 * DRAIN_SECONDS)
            seconds = time.monotonic() - began
            assert seconds <= DRAIN_SECONDS, f"it ended after {seconds:.1f} s"
            assert code == 0, f"it ended with {code}"
    with scene.gateway() as running:
        scene.finish(running)


def cut_power(scene: Scene) -> None:
    """SIGKILL, and what was written after a file's last fsync is gone."""
    power = DroppedWrites(scene.folder, scene.data)
    changed = 0
    for _ in range(scene.rounds):
        with scene.gateway(env=power.env) as running:
            scene.send_again(running)
            with scene.load(running):
                time.sleep(scene.chance.uniform(SHORTEST, LONGEST))  # at any moment
                scene.scrape(running)
                running.kill()
        changed += power.cut()
        _require_its_own(running)
    with scene.gateway() as running:
        scene.finish(running)
    _require_its_own(running)


def _require_its_own(ended: Gateway) -> None:
    """Raise AssertionError where the ledger was taken for a restored copy: its counters fell."""
    assert not any(RESTORED in line for line in ended.running.lines), "its counters began anew"
