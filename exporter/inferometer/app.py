"""Composition root: the parts of the exporter, and the order in which they start and stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from inferometer import settings
from inferometer.about import About
from inferometer.addresses import split_address
from inferometer.alert_log import AlertLogPart
from inferometer.collector import Scrape
from inferometer.config import Config, ConfigError
from inferometer.cost.part import CostPart
from inferometer.documents.entry import Entry
from inferometer.documents.mistakes import Document
from inferometer.engines.part import EnginesPart
from inferometer.gpu.kubelet import Kubelet
from inferometer.gpu.part import GpuPart
from inferometer.guard import Guard
from inferometer.home.history import STEP_SECONDS
from inferometer.home.part import HomePart
from inferometer.intake.feedback.part import FeedbackPart
from inferometer.intake.part import IntakePart
from inferometer.ledger.judging.part import JudgePart
from inferometer.ledger.part import LedgerPart
from inferometer.next_start import keep_until_next_start
from inferometer.parts import Part, Row
from inferometer.reasons import reason_of
from inferometer.serve.connection import Limits
from inferometer.serve.lanes import Lane
from inferometer.serve.metrics import MetricsPage
from inferometer.serve.routes import Received, Response, Route, text_response
from inferometer.serve.server import Server
from inferometer.serve.web_config import WebConfig
from inferometer.serve.web_settings import WebConfigError
from inferometer.settings import Flags
from inferometer.sieve import Refusals
from inferometer.threads import Standing

SCRAPES = 4  # at once; those that wait have their turn together, on their own time
OTHER_ROLE = "not read in this role"

log = logging.getLogger(__name__)


def make_parts(config: Config, refusals: Refusals,
               kubelet: Kubelet | None = None) -> list[Part]:
    """All parts, in the order they start and are shown."""
    gpu = GpuPart(config, refusals, kubelet)
    cost = CostPart(config, gpu.gpus)
    judge = JudgePart(config, cost.price)
    ledger = LedgerPart(config, cost.price, judge.reading)
    return [
        gpu,
        EnginesPart(config, refusals),
        cost,
        ledger,
        IntakePart(config, ledger.commit, ledger),
        FeedbackPart(config, ledger.cast),
        judge,
        AlertLogPart(config),
    ]


def check(path: Path, flags: Flags, top: Entry | None = None) -> Config:
    """The configuration that `run` would have, checked by every part. Raises ConfigError.

    `top` is what the file has, where that is not to be read.
    """
    config, document = settings.load(path, flags, top)
    load_web_config(config, document)
    _check_parts(_running(make_parts(config, Refusals()), config), config, document)
    return config


def named_variables(config: Config) -> set[str]:
    """The environment variables that the configuration speaks of."""
    return {target.bearer_token_env for target in config.engines.targets} - {""}


def load_web_config(config: Config, document: Document) -> WebConfig | None:
    """The web configuration file if one is named; what is wrong with it is reported."""
    if not (config.web.config_file and document.good("web.config_file")):
        return None
    try:
        return WebConfig.load(Path(config.web.config_file))
    except WebConfigError as error:
        document.report_all("web.config_file", error)
        return None


def _running(parts: Iterable[Part], config: Config) -> list[Part]:
    """The parts that run in the exporter's role."""
    return [part for part in parts if part.runs_in(config.role)]


def _check_parts(parts: Iterable[Part], config: Config, document: Document) -> None:
    """Raises ConfigError, with all that was reported to the document."""
    for part in parts:
        part.check(config, document)
    document.finish(ConfigError)


class App:
    """The exporter: its parts, one server, and how both change on a reload.

    `demo`: whether what it watches is made up, as all that it tells then says. `kubelet`: asked in
    the place of the one that the configuration names.
    """

    def __init__(self, path: Path | None, flags: Flags, history_step: float = STEP_SECONDS, *,
                 demo: bool = False, kubelet: Kubelet | None = None) -> None:
        self._path = path
        self._flags = flags
        self.config, document = settings.load(path, flags)
        self._web = load_web_config(self.config, document)
        refusals = Refusals()
        self.parts = make_parts(self.config, refusals, kubelet)
        self._running = _running(self.parts, self.config)
        _check_parts(self._running, self.config, document)
        for part in self._running:
            part.configure(self.config)
        self._about = About(demo=demo)
        self._lock = threading.Lock()  # over reloads
        self._server: Server | None = None
        self._was_ready = False
        collectors = [collector for part in self._running for collector in part.collectors()]
        guard = Guard()
        scrape = Scrape(collectors, guard, refusals)
        # With runs of its own, so that no scrape gets a reading that was begun for the page.
        page_scrape = Scrape(collectors, guard, refusals, log_state=False)
        self._home = HomePart(self.config, self.parts, page_scrape, self._about, self.is_ready,
                              history_step)
        self._metrics = MetricsPage(scrape, self._about.families, self._home.record_reading)

    def start(self) -> Server:
        """Listen, and begin to watch. Raises ListenError, and LedgerError from a gateway."""
        host, port = split_address(self.config.web.listen)
        self._server = Server(host, port, self.routes(), self._web)
        for part in (*self._running, self._home):
            part.start()
        return self._server

    def stop(self) -> None:
        """End what the parts began, the last first."""
        for part in (self._home, *reversed(self._running)):
            part.stop()

    def revive(self) -> None:
        """Start again what is to go on and has died, or could not have a thread so far."""
        for loop in self._loops():
            loop.revive()

    def dead(self) -> list[str]:
        """The names of all that is to go on and does not. The server's threads are one of these."""
        names = [loop.name for loop in self._loops() if loop.dead]
        return [*names, "serve"] if self._server and self._server.alone else names

    def _loops(self) -> list[Standing]:
        return [loop for part in (*self._running, self._home) for loop in part.loops()]

    def is_ready(self) -> bool:
        """Whether the first look of every part has ended; once it has, that stays so."""
        self._was_ready = self._was_ready or all(part.is_ready() for part in self._running)
        return self._was_ready

    def greeting(self, seconds: float) -> Iterator[Row]:
        """Labels and texts for the terminal; waits at most `seconds` for each part's first look."""
        for part in self.parts:
            if part in self._running:
                yield from part.greeting(seconds)
            elif part.title:
                yield part.title, OTHER_ROLE

    def reload(self) -> str:
        """Read the file again. Returns its mistakes; with any, the old configuration stays."""
        with self._lock:
            try:
                self._apply(*settings.load(self._path, self._flags))
            except (ConfigError, OSError) as error:
                self._about.failed_to_reload()
                why = reason_of(error)
                log.error("reload failed, the old configuration stays", extra={"why": why})
                return why
            self._about.reloaded()
            log.info("configuration reloaded")
            return ""

    def _apply(self, new: Config, document: Document) -> None:
        web = load_web_config(new, document)
        _check_parts(_running(self.parts, new), new, document)
        new, waiting = keep_until_next_start(self.config, new)
        for key in waiting:
            log.warning("takes effect at the next start", extra={"key": key})
        self.config = new
        if self._server:
            self._server.web = web
        for part in (*self._running, self._home):
            part.configure(new)

    def routes(self) -> list[Route]:
        """All endpoints: those of the exporter as a whole, then those of its parts."""
        scrapes: Lane[Any] = Lane(SCRAPES, Limits().connections)
        own = [
            Route("/metrics", self._metrics.respond, lane=scrapes,
                  together=self._metrics.together),
            Route("/-/healthy", self._respond_healthy),
            Route("/-/ready", self._respond_ready),
        ]
        if self.config.web.enable_reload:
            own.append(Route("/-/reload", self._respond_reload, ("POST", "PUT"), Lane(1),
                             together=lambda _: True))
        return own + [route for part in (self._home, *self._running) for route in part.routes()]

    def _respond_healthy(self, _: Received) -> Response:
        if dead := self.dead():
            return text_response(HTTPStatus.SERVICE_UNAVAILABLE,
                                 f"no thread for {', '.join(dead)}; tried again every second")
        return text_response(HTTPStatus.OK, "healthy")

    def _respond_ready(self, _: Received) -> Response:
        if not self.is_ready():
            return text_response(HTTPStatus.SERVICE_UNAVAILABLE, "not ready")
        hindrances = [why for part in self._running if (why := part.hindrance())]
        if hindrances:
            return text_response(HTTPStatus.SERVICE_UNAVAILABLE,
                                 f"not ready: {', '.join(hindrances)}")
        return text_response(HTTPStatus.OK, "ready")

    def _respond_reload(self, received: Received) -> Response:
        if mistake := received.once("reload", self.reload):
            return text_response(HTTPStatus.INTERNAL_SERVER_ERROR,
                                 f"the old configuration stays: {mistake}")
        return text_response(HTTPStatus.OK, "reloaded")

