"""The page for a person, and the hour of history behind it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any

from inferometer.about import About
from inferometer.collector import Deadline, Scrape
from inferometer.config import Config
from inferometer.families import Family
from inferometer.home import page, runbook, status
from inferometer.home.content import Content, Exporter
from inferometer.home.gather import gather
from inferometer.home.history import STEP_SECONDS, History, Recorder
from inferometer.home.judge.verdicts import Judge
from inferometer.parts import Part
from inferometer.roles import ROLES
from inferometer.serve.lanes import Lane
from inferometer.serve.routes import JSON, Received, Response, Route
from inferometer.threads import Standing

PAGES = 2  # at once; they take no scrape's turn
READING_SECONDS = 8.0  # for the reading behind the page


class HomePart(Part):
    """Serves the page, of what all other parts tell; it knows them as parts alone."""

    def __init__(self, config: Config, parts: Sequence[Part], scrape: Scrape, about: About,
                 is_ready: Callable[[], bool], step: float) -> None:
        self._role = config.role
        self._parts = parts
        self._scrape = scrape
        self._about = about
        self._exporter_is_ready = is_ready
        self._history = History(step)
        self._judge = Judge(config, step / STEP_SECONDS)
        self._recorder = Recorder(self._history, scrape.families, recorded=self._judge_reading)

    def configure(self, config: Config) -> None:
        """Take other limits."""
        self._judge.configure(config)

    def routes(self) -> Sequence[Route]:
        """The bare address."""
        pages: Lane[Any] = Lane(PAGES)
        return [Route("/", self._respond, lane=pages, together=_refresh),
                Route("/status", self._respond_status, lane=pages, together=lambda _: True),
                Route("/runbook", self._respond_runbook, lane=pages, together=lambda _: True)]

    def start(self) -> None:
        """Begin to record."""
        self._recorder.loop.start()

    def loops(self) -> Sequence[Standing]:
        """The recorder of the history."""
        return [self._recorder.loop]

    def stop(self) -> None:
        """Record no more."""
        self._recorder.loop.stop()

    def record_reading(self, families: Iterable[Family], began: float) -> None:
        """Take up a whole reading that was made for somebody else, and begun at that time."""
        self._recorder.take_up(families, began)

    def _respond(self, received: Received) -> Response:
        refresh = _refresh(received)
        return received.once(refresh, lambda: Response(
            HTTPStatus.OK, self._render(refresh), page.CONTENT_TYPE, page.HEADERS))

    def _respond_status(self, received: Received) -> Response:
        return received.once("status", lambda: Response(
            HTTPStatus.OK, status.of(self._content()), JSON, status.HEADERS))

    def _respond_runbook(self, received: Received) -> Response:
        return received.once("runbook", lambda: Response(
            HTTPStatus.OK, _runbook(), page.CONTENT_TYPE, page.HEADERS))

    def _judge_reading(self, families: Sequence[Family], step: int) -> None:
        self._judge.record([*self._about.families(), *families], step, time.time())

    def _render(self, refresh: bool) -> bytes:
        return page.render(self._content(), refresh)

    def _content(self) -> Content:
        began = self._recorder.now()
        families = self._scrape.families(Deadline(READING_SECONDS))
        self._recorder.take_up(families, began)
        sections = ROLES[self._role].sections
        exporter = Exporter(time.time(), self._about.started_at, self._exporter_is_ready(),
                            self._role, sections, self._about.demo, self._about.version)
        parts = [(part, part.runs_in(self._role)) for part in self._parts]
        return gather([*self._about.families(), *families], self._history, exporter, parts,
                      self._judge)


@cache
def _runbook() -> bytes:
    """The page of the runbook; what carries its text is loaded when somebody asks for it."""
    from inferometer.bundle import runbook as carried_runbook

    return runbook.render(carried_runbook())


def _refresh(received: Received) -> bool:
    """Whether the page is to ask for itself again."""
    return "refresh" in received.query
