"""The demo as a whole: world, exporters, Prometheus and story, from their start to their end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from inferometer import __version__
from inferometer.demo import prometheus as rules
from inferometer.demo.clock import StoryClock
from inferometer.demo.director import STEP_SECONDS, Director, Say
from inferometer.demo.exporters import NODE_JOB, Exporters
from inferometer.demo.story import ROUND_MINUTES
from inferometer.demo.world import World
from inferometer.threads import Loop

FASTER = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60)  # that divide every duration of the rules
NO_RULES = ("No rules and no alerts: there is no Prometheus here. `make tools` fetches one; name "
            "another by --prometheus PATH.")


@dataclass(frozen=True)
class Choices:
    """What the command line chooses."""

    listen: str
    faster: int
    prometheus: str = ""  # its program; empty: the one on PATH
    once: bool = False  # whether it ends after one round


class Show:
    """The demo. `say` prints a line."""

    def __init__(self, choices: Choices, folder: Path, say: Say) -> None:
        self._choices = choices
        self._folder = folder
        self._say = say
        self._stop: Callable[[], None] = lambda: None

    def stop(self) -> None:
        """Have `run` return. May be called by a signal's handler."""
        self._stop()

    def run(self) -> bool:
        """Play until stopped; whether every alert of the story fired in time.

        Raises OSError and PrometheusError if it cannot begin.
        """
        program = rules.find(self._choices.prometheus)
        with ExitStack() as started:
            world = World(StoryClock(self._choices.faster))
            started.callback(world.stop)
            world.start()
            exporters = Exporters(world, self._folder, self._choices.listen)
            server = exporters.start()
            started.callback(exporters.stop)
            started.enter_context(server)
            own = rules.OwnPrometheus(program, self._folder / "prometheus") if program else None
            if own is not None:
                started.callback(own.stop)
                own.start(exporters.targets(), self._choices.faster, NODE_JOB)
            self._greet(server.url, own)
            director = Director(world, exporters, own, self._say, again=not self._choices.once)
            loop = Loop("demo-story", director.turn, lambda: STEP_SECONDS)
            started.callback(loop.stop)
            loop.start()

            def tend() -> None:
                exporters.app.revive()
                if director.over:
                    server.shutdown()

            self._stop = server.shutdown
            server.serve_forever(tend)
            return not director.missed

    def _greet(self, url: str, own: rules.Prometheus | None) -> None:
        faster = self._choices.faster
        pace = "The story is told in real time" if faster == 1 else (
            f"An hour of the story takes {3600 / faster:g} s")
        self._say(
            f"Inferometer {__version__}, demo: GPUs, engines and money are made up\n"
            f"  metrics  {url}/metrics\n"
            f"  page     {url}/  for a person")
        self._say(f"  rules    {own.url}/alerts" if own else f"  {NO_RULES}")
        self._say(f"{pace}; a round of it takes {ROUND_MINUTES * 60 / faster / 60:.0f} min. "
                  "Ctrl-C ends all of it.")
