"""Clocks that a gateway goes by: set back, a day later, and a year long."""

from __future__ import annotations

import time

from tests.e2e.drills.bodies import calls
from tests.e2e.drills.journal import Body
from tests.e2e.drills.load import connected, post
from tests.e2e.drills.scene import Scene
from tests.e2e.drills.shims import ShiftedClock
from tests.e2e.gateways import Gateway

HOUR, DAY = 3600.0, 86400.0
LOAD_SECONDS = 1.5
BODIES = 60  # that are sent again a day later
KEEP_DAYS = 30
A_DAY = 30  # bodies
DAY_SECONDS = 1.5  # that a day takes; rows that are too old are looked for every 10 s
MOST = 1.3  # times what so many days need


def set_back(scene: Scene) -> None:
    """The clock is set back an hour under load, and put right again."""
    clock = ShiftedClock(scene.folder)
    with scene.gateway(env=clock.env) as running:
        for _ in range(scene.rounds):
            with scene.load(running):
                for seconds in (0.0, -HOUR, 0.0, -HOUR):
                    clock.shift(seconds)
                    time.sleep(LOAD_SECONDS)  # of load
            scene.finish(running)
            clock.shift(0.0)


def repeat(scene: Scene) -> None:
    """All that was sent comes again a day later, after a restart: it counts once."""
    clock = ShiftedClock(scene.folder)
    bodies: list[Body] = []
    for number in range(scene.rounds + 1):
        clock.shift(number * (DAY + HOUR))
        with scene.gateway(env=clock.env) as running:
            time.sleep(LOAD_SECONDS)  # what it deletes after a start is gone then
            for body in bodies:
                _send(scene, running, body)
            for _ in range(BODIES):
                bodies.append(calls(scene.chance, clock.now()))
                scene.journal.sending(bodies[-1][0])
                _send(scene, running, bodies[-1])
            scene.finish(running)


def pass_days(scene: Scene) -> None:
    """Day after day the same load, a day in each round: the file has what 30 days need."""
    clock = ShiftedClock(scene.folder)
    days: list[set[bytes]] = []
    needed = largest = 0
    keys = f"retention_days: {KEEP_DAYS}, rollup_days: {KEEP_DAYS}"
    with scene.gateway(env=clock.env, ledger=keys) as running:
        for number in range(scene.rounds):
            began = time.monotonic()
            clock.shift(number * DAY)
            ids: set[bytes] = set()
            for _ in range(A_DAY):
                body = calls(scene.chance, clock.now())
                scene.journal.sending(body[0])
                _send(scene, running, body)
                ids.update(body[0])
            days.append(ids)
            size = running.ledger.stat().st_size
            if number == KEEP_DAYS:
                scene.settle(running)
                needed = running.ledger.stat().st_size
            elif number > KEEP_DAYS:
                largest = max(largest, size)
            time.sleep(max(0.0, DAY_SECONDS - (time.monotonic() - began)))
        scene.finish(running)
    kept = set(scene.store.rows(scene.data).ids)
    for ids in days[:-KEEP_DAYS]:
        scene.purged |= ids - kept
    assert largest <= MOST * needed, (
        f"the file has {largest} bytes, and {KEEP_DAYS} days need {needed}")


def _send(scene: Scene, running: Gateway, body: Body) -> None:
    with connected(running, 0) as sender:
        post(sender, scene.journal, body)
