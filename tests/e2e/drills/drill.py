"""The drills, by name."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.drills import clocks, disks, ends, lines, servers
from tests.e2e.drills.figures import Figures
from tests.e2e.drills.scene import Scene
from tests.e2e.drills.shared_store import postgres
from tests.e2e.drills.stores import Stores, sqlite

STORES: Mapping[str, Stores] = {"sqlite": sqlite, "postgres": postgres}
BOTH = tuple(STORES)


@dataclass(frozen=True)
class Drill:
    """A fault, and what a gateway must not do with it."""

    act: Callable[[Scene], None]
    sabotage: str  # the fault of a gateway that is noticed by it; see faulty.py
    rounds: int = 1
    stores: tuple[str, ...] = ("sqlite",)
    mounts: bool = False  # it needs a mount namespace of its own


DRILLS: Mapping[str, Drill] = {
    "killed": Drill(ends.kill, "early-ack", 200, BOTH),
    "drained": Drill(ends.drain, "early-ack", 20, BOTH),
    "power-cut": Drill(ends.cut_power, "no-fsync", 20),
    "logged": Drill(lines.kill, "forgets-lines", 50, BOTH),
    "disk-full": Drill(disks.fill, "early-ack", 3, mounts=True),
    "read-only": Drill(disks.make_read_only, "writes-elsewhere", 3, mounts=True),
    "file-removed": Drill(disks.remove_file, "trusts-handle", 3),
    "locked": Drill(disks.lock, "early-ack", 3),
    "clock-set-back": Drill(clocks.set_back, "wall-clock", 2),
    "repeated-later": Drill(clocks.repeat, "forgets-repeats", 2, BOTH),
    "a-year": Drill(clocks.pass_days, "keeps-all", 365),
    "restarted": Drill(servers.restart, "early-ack", 5, ("postgres",)),
    "cut": Drill(servers.cut, "early-ack", 10, ("postgres",)),
    "given-to-both": Drill(servers.give_both, "forgets-identities", 4, ("postgres",)),
    "frozen": Drill(servers.freeze, "keeps-slots", 2, ("postgres",)),
}


@dataclass(frozen=True)
class Outcome:
    """Of one drill on one store."""

    figures: Figures
    line: str


def act(name: str, store: str, rounds: int = 0, sabotage: bool = False,
        seed: str = "") -> Outcome:
    """Do it; what came of it. `rounds`: 0 for as many as it has."""
    drill = DRILLS[name]
    rounds = rounds or drill.rounds
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="drill-") as folder, STORES[store]() as opened:
        scene = Scene(Path(folder), opened, rounds, drill.sabotage if sabotage else "", seed)
        remark = ""
        try:
            drill.act(scene)
        except AssertionError as error:
            remark = " ".join(str(error).split()) or "it failed"
        figures = scene.figures() if scene.journal.sent else Figures()
        if remark:
            figures.remarks.append(remark)
        if drill.mounts:
            subprocess.run(["umount", "-l", str(scene.data)], check=False)
    return Outcome(figures, figures.line(name, store, rounds, time.monotonic() - began))
