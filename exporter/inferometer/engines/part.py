"""Engines: the endpoints of the file, and those that are found on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from inferometer.addresses import local_port, split_address
from inferometer.catalogue import TARGETS
from inferometer.collector import Collector
from inferometer.config import Config, EngineTarget
from inferometer.documents.mistakes import Document
from inferometer.engines.access import authorities, check_tls, make_target
from inferometer.engines.collector import EnginesCollector
from inferometer.engines.discovery import USUAL_PORTS, Discovery
from inferometer.engines.hints import advice
from inferometer.engines.tables import TABLES
from inferometer.engines.target import State, Target
from inferometer.parts import Code, Note, Part, Quoted, Row, Watch, Watched
from inferometer.sieve import Refusals
from inferometer.threads import Standing

Search = tuple[Sequence[int], float, tuple[float, int]]  # ports, seconds between looks, patience


class EnginesPart(Part):
    """Reads every engine endpoint that is configured or found."""

    sections = ("engines",)
    title, noun, kind = "engines", "engine", "engine"

    def __init__(self, config: Config, refusals: Refusals) -> None:
        self._config = config
        self._refusals = refusals
        self._configured: dict[str, tuple[object, Target]] = {}  # with what each is made of
        self._search: Search = ((), 0.0, (0.0, 0))
        self.discovery = Discovery(
            (), TABLES, 0.0,
            lambda name, url: make_target(name, EngineTarget(url), self._config.engines,
                                          self._refusals))

    def check(self, config: Config, document: Document) -> None:
        """Report certificates that cannot be used."""
        for number, target in enumerate(config.engines.targets):
            check_tls(target, f"engines.targets[{number}].", document)

    def configure(self, config: Config) -> None:
        """Take other targets and ports; what did not change keeps what it knows."""
        self._config = config
        self._set_targets()
        if (search := _search(config)) != self._search:
            self._search = search
            ports, seconds, _ = search
            self.discovery.search(ports, seconds)

    def collectors(self) -> Sequence[Collector]:
        """Of all targets, as they are at each scrape."""
        return [EnginesCollector(self.targets)]

    def start(self) -> None:
        """Begin to look for engines."""
        self.discovery.start()

    def loops(self) -> Sequence[Standing]:
        """The search for engines."""
        return [self.discovery.loop]

    def stop(self) -> None:
        """Look for engines no more."""
        self.discovery.stop()

    def is_ready(self) -> bool:
        """Whether every port was tried once."""
        return self.discovery.looked.is_set()

    def targets(self) -> list[Target]:
        """All engine targets: those of the file, then those found."""
        configured = [target for _, target in self._configured.values()]
        return [*configured, *self.discovery.targets()]

    def greeting(self, seconds: float) -> Iterable[Row]:
        """Every engine, and where others are looked for."""
        self.discovery.looked.wait(seconds)
        targets = self.targets()
        yield from (("engine", f"{target.name}  {target.url}") for target in targets)
        if self.discovery.ports:
            none = "" if targets else "none found; "
            yield "engines", f"{none}looking {''.join(self._looking())}"

    def watch(self) -> Watch:
        """Every endpoint, with what it last was."""
        name_one: Note = (
            "Name one that listens elsewhere: ", Code("inferometer run --engine http://HOST:PORT"),
            ", or list it under ", Code("engines.targets"), " in the configuration file.")
        watched = [_watched(target) for target in self.targets()]
        if not self.discovery.ports:
            return Watch(watched, TARGETS, [
                ("None is configured, and none is looked for: ", Code("engines.discover_ports"),
                 " is empty."), name_one])
        before, ports, after = self._looking()
        looking = (before, Quoted(ports), f"{after}.")
        return Watch(watched, TARGETS, [("None found. They are looked for ", *looking), name_one],
                     ("More are looked for ", *looking))

    def _looking(self) -> tuple[str, str, str]:
        """Where and how often engines are looked for; the ports stand in the middle."""
        return ("on 127.0.0.1, ports ", ", ".join(map(str, self.discovery.ports)),
                f", every {self._config.engines.discover_seconds:g} s")

    def _set_targets(self) -> None:
        """Targets as configured; one that did not change keeps what it knows."""
        targets: dict[str, tuple[object, Target]] = {}
        for settings in self._config.engines.targets:
            name = settings.label
            inputs = (settings, authorities(settings), _patience(self._config))
            before = self._configured.get(name)
            targets[name] = before if before and before[0] == inputs else (
                inputs, make_target(name, settings, self._config.engines, self._refusals))
        self._configured = targets


def _search(config: Config) -> Search:
    """All that discovery depends on; while it stays the same, so does what was found."""
    ports: Sequence[int] | None = config.engines.discover_ports
    if ports is None:
        ports = () if config.engines.targets else USUAL_PORTS
    own = split_address(config.web.listen)[1]
    taken = {own, *(local_port(target.url) for target in config.engines.targets)}
    return ([port for port in ports if port not in taken], config.engines.discover_seconds,
            _patience(config))


def _patience(config: Config) -> tuple[float, int]:
    return config.engines.timeout_seconds, config.engines.max_page_bytes


def _withheld(state: State) -> Iterable[Row]:
    """Why some or all of what the engine tells is not passed on."""
    withheld = state.reading.withheld.values() if state.reading else ()
    return [("Withheld", why) for why in dict.fromkeys(withheld)]


def _watched(target: Target) -> Watched:
    state = target.last
    kind = f"{state.engine} {state.version}".strip() if state.read_at else ""
    return Watched(
        target.name, target.name, state.read_at, "" if state.up else state.why,
        model=state.model, details=[("Engine", kind), *_withheld(state)],
        more=[("Address", target.url.partition("?")[0]),
              *([("Try", text)] if (text := advice(state.why)) else [])])
