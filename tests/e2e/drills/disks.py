"""Disks that fail a gateway: full, read-only, locked by another, and a file that is taken away."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import time
from pathlib import Path

from tests.e2e.drills.scene import Scene
from tests.exporter.support import wait_for

SMALL, LARGE = 6, 512  # MiB of a disk in memory
FILL_SECONDS = 180.0
REFUSED = 20  # bodies, by which a disk counts as full
FULL_SECONDS = 5.0
LOCK_SECONDS = 20.0  # in each round, without a pause
NOTICE_SECONDS = 7.0  # in which a gateway sees that its file is gone
GONE = "", "-wal", "-shm", ".lock"  # endings of what is removed
TAKEN = 100  # calls: a gateway takes what is sent
LOAD_SECONDS = 1.0


def fill(scene: Scene) -> None:
    """A disk that gets full under load, and has room again while the gateway runs."""
    _mount("-t", "tmpfs", "-o", f"size={SMALL}m", "drill", scene.data)
    for number in range(1, scene.rounds + 1):
        _mount("-o", f"remount,size={SMALL * number}m", scene.data)
        with scene.gateway() as running, scene.load(running):
            wait_for(lambda: scene.journal.unanswered > REFUSED
                     or not os.statvfs(scene.data).f_bavail, FILL_SECONDS)
            time.sleep(FULL_SECONDS)  # it is asked to take more all the while
            scene.scrape(running)
            _mount("-o", f"remount,size={LARGE}m", scene.data)
            scene.wait_taken(TAKEN)
            scene.scrape(running)
    with scene.gateway() as running:
        scene.finish(running)


def make_read_only(scene: Scene) -> None:
    """A gateway that starts on a disk that is read-only takes nothing, and says why."""
    _mount("--bind", scene.data, scene.data)
    for _ in range(scene.rounds):
        with scene.gateway() as running:
            scene.send_again(running)
            with scene.load(running):
                time.sleep(LOAD_SECONDS)  # of load
                scene.scrape(running)
                running.running.process.terminate()
                running.running.process.wait(60)
        _mount("-o", "remount,bind,ro", scene.data)
        reason = ""
        try:
            with scene.gateway() as running, scene.load(running):
                time.sleep(LOAD_SECONDS)  # where it does start it is under load
        except AssertionError as error:
            reason = str(error)
        _mount("-o", "remount,bind,rw", scene.data)
        assert not reason or str(scene.data) in reason, reason
    with scene.gateway() as running:
        scene.finish(running)


def remove_file(scene: Scene) -> None:
    """The file and its log are removed under load; then the gateway is killed."""
    for _ in range(scene.rounds):
        with scene.gateway() as running:
            scene.send_again(running)
            with scene.load(running):
                scene.wait_taken(TAKEN)
                for ending in GONE:
                    (scene.data / f"ledger.db{ending}").unlink()
                time.sleep(NOTICE_SECONDS)
                scene.scrape(running)
                running.kill()
    with scene.gateway() as running:
        scene.finish(running)


def lock(scene: Scene) -> None:
    """Another process has the file locked: 20 s in each round, without a pause between them."""
    with scene.gateway() as running:
        with scene.load(running):
            scene.wait_taken(TAKEN)
            with contextlib.closing(sqlite3.connect(
                    running.ledger, timeout=60, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                time.sleep(LOCK_SECONDS * scene.rounds)
                other.execute("ROLLBACK")
            scene.wait_taken(TAKEN)
        scene.finish(running)


def _mount(*arguments: str | Path) -> None:
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
