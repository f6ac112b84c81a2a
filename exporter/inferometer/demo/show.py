"""The demo as a whole: world, exporters, gateway, Prometheus and story, from start to end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from inferometer import __version__
from inferometer.addresses import split_address
from inferometer.demo import prometheus as rules
from inferometer.demo.clock import StoryClock
from inferometer.demo.director import STEP_SECONDS, Director, Say
from inferometer.demo.exporters import Exporters, Targets
from inferometer.demo.gateway import DemoGateway
from inferometer.demo.story import STORY, Episode, round_minutes, without_calls
from inferometer.demo.world import World
from inferometer.intake.part import is_installed
from inferometer.threads import Loop

FASTER = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60)  # that divide every duration of the rules
NO_RULES = ("No rules and no alerts: there is no Prometheus here. `make tools` fetches one; name "
            "another by --prometheus PATH.")
NO_CALLS = ("No applications: a gateway needs its packages, pip install 'inferometer[gateway]', "
            "and the story does without it.")


@dataclass(frozen=True)
class Elsewhere:
    """A Prometheus that others run, as in Compose: what it needs of the demo.

    `address`: its HOST:PORT. `out`: the folder for its configuration. `name`: the host by which it
    reaches this one, where the ports after that of `listen` are the sidecars', then the gateway's.
    """

    address: str
    out: Path
    name: str


@dataclass(frozen=True)
class Choices:
    """What the command line chooses."""

    listen: str
    faster: int
    prometheus: str = ""  # its program; empty: the one on PATH
    once: bool = False  # whether it ends after one round
    first: int = 1  # part of the story
    elsewhere: Elsewhere | None = None  # in the place of a Prometheus of its own


class Show:
    """The demo. `say` prints a line."""

    def __init__(self, choices: Choices, folder: Path, say: Say) -> None:
        self._choices = choices
        self._folder = folder
        self._say = say
        self._stopped = False
        self._stop: Callable[[], None] = lambda: None

    def stop(self) -> None:
        """Have `run` return. May be called by a signal's handler."""
        self._stopped = True
        self._stop()

    def run(self) -> bool:
        """Play until stopped; whether every alert of the story fired in time.

        Raises OSError, PrometheusError and LedgerError if it cannot begin.
        """
        choices = self._choices
        program = "" if choices.elsewhere else rules.find(choices.prometheus)
        with ExitStack() as started:
            world = World(StoryClock(choices.faster))
            started.callback(world.stop)
            world.start()
            after_listen = split_address(choices.listen)[1] + 1 if choices.elsewhere else 0
            exporters = Exporters(world, self._folder, choices.listen, after_listen)
            started.callback(exporters.stop)
            server = started.enter_context(exporters.start())
            self._stop = server.shutdown
            gateway = self._gateway(world, after_listen and after_listen + len(world.seats),
                                    started)
            targets = {**exporters.targets(), **(gateway.targets() if gateway else {})}
            watcher = self._watcher(program, targets, started)
            episodes, first = self._story(gateway)
            self._greet(server.url, gateway, watcher, episodes)
            director = Director(world, exporters, watcher, self._say, episodes, first=first,
                                again=not choices.once)
            loop = Loop("demo-story", director.turn, lambda: STEP_SECONDS)
            started.callback(loop.stop)
            loop.start()

            def tend() -> None:
                exporters.app.revive()
                if gateway:
                    gateway.revive()
                if director.over or self._stopped:
                    server.shutdown()

            server.serve_forever(tend)
            return not director.missed

    def _gateway(self, world: World, port: int, started: ExitStack) -> DemoGateway | None:
        """The gateway and the applications that send to it, where it is installed."""
        if not is_installed():
            return None
        host = split_address(self._choices.listen)[0]
        gateway = DemoGateway(world, self._folder, f"{host}:{port}")
        started.callback(gateway.stop)
        gateway.start()
        return gateway

    def _story(self, gateway: DemoGateway | None) -> tuple[Sequence[Episode], int]:
        """The episodes, and which of them is the first, from 1."""
        before = STORY[:self._choices.first - 1]
        if gateway:
            return STORY, 1 + len(before)
        return without_calls(STORY), 1 + len(without_calls(before))

    def _watcher(self, program: str | None, targets: Targets, started: ExitStack
                 ) -> rules.Prometheus | None:
        """Who evaluates the rules, with all it needs for that."""
        elsewhere, faster = self._choices.elsewhere, self._choices.faster
        if elsewhere:
            port = split_address(elsewhere.address)[1]
            rules.write(elsewhere.out, rules.Site(
                targets, elsewhere.name, elsewhere.address, f"127.0.0.1:{port}"), faster)
            return rules.Prometheus(elsewhere.address)
        if not program:
            return None
        own = rules.OwnPrometheus(program, self._folder / "prometheus")
        started.callback(own.stop)
        own.start(targets, faster)
        return own

    def _greet(self, url: str, gateway: DemoGateway | None, watcher: rules.Prometheus | None,
               episodes: Sequence[Episode]) -> None:
        faster = self._choices.faster
        pace = "The story is told in real time" if faster == 1 else (
            f"An hour of the story takes {3600 / faster:g} s")
        self._say(
            f"Inferometer {__version__}, demo: GPUs, engines and money are made up\n"
            f"  metrics  {url}/metrics\n"
            f"  page     {url}/  for a person")
        self._say(f"  calls    {gateway.url}/  the gateway, to which applications send"
                  if gateway else f"  {NO_CALLS}")
        self._say(f"  rules    {watcher.url}/alerts" if watcher else f"  {NO_RULES}")
        self._say(f"{pace}; a round of it takes {round_minutes(episodes) / faster:.0f} min. "
                  "Ctrl-C ends all of it.")
