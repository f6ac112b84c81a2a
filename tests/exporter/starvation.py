"""No new thread for a running exporter, as where a pod has used up its process ids, and the check
that it recovers.

    starvation = Starvation(folder)
    with exporter(env=starvation.env()) as running:
        starvation.begin()
        ...
        starvation.end()
        recover(running)
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

from inferometer.threads import Job, NoThreadError, start_thread
from tests.exporter.support import Exporter, Page, get, wait_for

SOURCE = Path(__file__).with_name("no_threads.c")
FLAGS = ("-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror")
RECOVERY_SECONDS = 10.0


class Starvation:
    """Whether processes with this environment get new threads."""

    def __init__(self, folder: Path) -> None:
        """Compile the library into the folder."""
        self._library = folder / "no_threads.so"
        self._file = folder / "most_threads"
        folder.mkdir(parents=True, exist_ok=True)
        command = ["gcc", *FLAGS, "-o", str(self._library), str(SOURCE), "-ldl"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")

    def env(self) -> dict[str, str]:
        """What a process needs in its environment to be ruled by this; the fake driver's may be
        added."""
        preloaded = [str(self._library), *os.environ.get("LD_PRELOAD", "").split()]
        return {"LD_PRELOAD": " ".join(preloaded), "NO_THREADS": str(self._file)}

    def begin(self, most: int = 0) -> None:
        """A process that has so many threads gets no other; at 0 none does."""
        unfinished = self._file.with_suffix(".tmp")
        unfinished.write_text(str(most))
        unfinished.replace(self._file)

    def end(self) -> None:
        """Threads can be had again."""
        self._file.unlink(missing_ok=True)


class Starved:
    """Starts threads as `start_thread` does, but for as long as it is to refuse them."""

    def __init__(self, refuse: bool = True) -> None:
        self.refuse = refuse
        self.refused: list[str] = []

    def __call__(self, job: Job, name: str) -> threading.Thread:
        if self.refuse:
            self.refused.append(name)
            raise NoThreadError("no thread can be had")
        return start_thread(job, name)


def threads_of(running: Exporter) -> int:
    """How many threads the process has."""
    return len(os.listdir(f"/proc/{running.process.pid}/task"))


def recover(running: Exporter, seconds: float = RECOVERY_SECONDS) -> Page:
    """A page on which all is well again; AssertionError if there is none in time."""
    end = time.monotonic() + seconds
    wait_for(lambda: get(running.port, "/-/healthy").status == 200, seconds)
    wait_for(lambda: get(running.port, "/-/ready").status == 200, end - time.monotonic())
    pages: list[Page] = []

    def is_well() -> bool:
        pages[:] = [running.scrape()]
        return {*pages[0].values("inferometer_collector_success")} == {1.0}

    wait_for(is_well, max(1.0, end - time.monotonic()))
    return pages[0]
