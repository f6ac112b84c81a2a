"""A database that fails its gateways, and gateways that share one."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time

from tests.e2e.drills.bodies import calls
from tests.e2e.drills.load import BROKEN, connected, post
from tests.e2e.drills.scene import Scene
from tests.e2e.drills.shared_store import PostgresStore
from tests.e2e.gateways import Gateway
from tests.e2e.in_threads import in_threads
from tests.exporter.support import wait_for

AWAY_SECONDS = 2.0
TAKEN = 100  # calls: a gateway takes what is sent
LOAD_SECONDS = 1.0
CUT = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()"""
CUT_SECONDS = 30.0  # until a transaction is seen
BODIES = 150  # that both gateways are given, in a round
TAKE_OVER_SECONDS = 40.0  # a lease lasts 15


def restart(scene: Scene) -> None:
    """The server is ended at once, and is back after two seconds."""
    store = _store(scene)
    with scene.gateway() as running:
        for _ in range(scene.rounds):
            with scene.load(running):
                scene.wait_taken(TAKEN)
                store.server.stop()
                time.sleep(AWAY_SECONDS)  # it is away
                store.server.start()
                scene.wait_taken(TAKEN)
            scene.scrape(running)
        scene.finish(running)


def cut(scene: Scene) -> None:
    """The server ends the gateway's session in the middle of a transaction."""
    store = _store(scene)
    with scene.gateway() as running:
        for _ in range(scene.rounds):
            with scene.load(running):
                scene.wait_taken(TAKEN)
                wait_for(lambda: store.ask(CUT), CUT_SECONDS, 0.0)
                scene.wait_taken(TAKEN)
            scene.scrape(running)
        scene.finish(running)


def give_both(scene: Scene) -> None:
    """Two gateways are given the same bodies at the same time."""
    with scene.gateway("one") as one, scene.gateway("two") as two:
        bodies = [calls(scene.chance, time.time_ns()) for _ in range(BODIES * scene.rounds)]
        for ids, _ in bodies:
            scene.journal.sending(ids)
        meeting = threading.Barrier(2)

        def send(running: Gateway, number: int) -> None:
            with connected(running, number) as sender:
                for body in bodies:
                    meeting.wait(60)
                    with contextlib.suppress(*BROKEN):
                        post(sender, scene.journal, body, number)

        in_threads([lambda: send(one, 0), lambda: send(two, 1)])
        scene.finish(one, two)


def freeze(scene: Scene) -> None:
    """A gateway is frozen under load; another one takes its traces over; then it comes back."""
    with scene.gateway("one") as one, scene.gateway("two") as two:
        for _ in range(scene.rounds):
            with scene.load(one), scene.load(two):
                scene.wait_taken(TAKEN)
                os.kill(one.pid, signal.SIGSTOP)
                try:
                    time.sleep(LOAD_SECONDS)  # of load
                    _wait_taken_over(scene)
                finally:
                    os.kill(one.pid, signal.SIGCONT)
                time.sleep(LOAD_SECONDS)  # both are under load again
        scene.finish(one, two)


def _wait_taken_over(scene: Scene) -> None:
    """Until all that came up to now is settled, by whichever."""
    store = _store(scene)
    last = store.ask("SELECT coalesce(max(arrived), 0) FROM facts")[0]
    wait_for(lambda: store.ask("SELECT count(*) FROM facts WHERE state = 0 AND "
                               f"arrived <= {last}") == ["0"], TAKE_OVER_SECONDS, 0.5)


def _store(scene: Scene) -> PostgresStore:
    assert isinstance(scene.store, PostgresStore)
    return scene.store
