"""One engine endpoint: asked on demand, once at a time, and remembered between scrapes."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

from inferometer.catalogue import OTHER
from inferometer.engines.fetch import Access, fetch
from inferometer.engines.page import Foreign, Page, PageError, Parser, Shape
from inferometer.engines.reading import Describer, Facts, Reading
from inferometer.engines.table import Engine
from inferometer.guard import LONGEST_VALUE
from inferometer.threads import Threads

LATE_TOLD_SECONDS = 600.0
FACTS_KEPT_SECONDS = 600.0
FACTS_RETRY_SECONDS = 60.0  # where a document did not say all it should
FACTS_SECONDS = 1.0  # for one document
FACTS_BYTES = 2**20
NO_ENGINE = "none of the known engines' metrics on the page"

_THREADS = Threads("ask")  # of all targets: one that is gone leaves none behind

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class State:
    """What is known of the endpoint after an answer or the lack of one."""

    up: bool
    engine: str = "unknown"
    model: str = ""
    version: str = ""
    read_at: float | None = None  # of the last page read, Unix seconds
    reading: Reading | None = None  # None while it is down
    why: str = ""


class Target:
    """Asks one endpoint for its page; tells what it is, and keeps what it was."""

    def __init__(self, name: str, url: str, engines: tuple[Engine, ...], access: Access,
                 seconds: float, clock: Callable[[], float] = time.time) -> None:
        self.name = name
        self._urls = usual_urls(url, engines)
        self.url = self._urls[0]  # where the page was last, or is looked for first
        self._engines = engines
        self._access = access
        self._seconds = seconds
        self._clock = clock
        self._parser = Parser()
        self._describer = Describer()
        self._shape: Shape | None = None
        self._seen: Engine | None = None  # what a page of this shape is
        self._engine: Engine | None = None
        self._facts = Facts()
        self._facts_until = float("-inf")  # when to ask for them again
        self._told_late_at = float("-inf")
        self._lock = threading.Lock()
        self._asking: _Question | None = None
        self._last = State(up=False, why="no answer so far")
        self._told = self._last

    @property
    def last(self) -> State:
        """What is known since the last answer or failure."""
        return self._last

    def ask(self) -> _Question:
        """Ask for the page; join the question that is still open, if there is one."""
        with self._lock:
            if self._asking is not None and not self._asking.answered.is_set():
                return self._asking
            question = _Question()
            _THREADS.run(lambda: self._answer(question))
            self._asking = question
        return question

    def state(self, question: _Question, seconds: float) -> State:
        """The answer if it comes within `seconds`, else what was known, as down."""
        question.answered.wait(seconds)
        if question.state is None:
            self._tell_late()
            return self._down("no answer within the scrape's deadline")
        self._tell(question.state, question.error)
        return question.state

    def _answer(self, question: _Question) -> None:
        try:
            state = self._read()
        except PageError as error:
            state = self._down(str(error))
            self._forget_facts()
        except Exception as error:  # a page must never cost more than its own target
            state = self._down(f"{type(error).__name__}: {error}")
            question.error = error
        self._last = question.state = state
        question.answered.set()

    def _tell_late(self) -> None:
        """Log that a scrape could not wait; two with unlike patience make no news of each."""
        with self._lock:
            told, now = self._told_late_at, self._clock()
            if now - told < LATE_TOLD_SECONDS:
                return
            self._told_late_at = now
        log.warning("engine does not answer",
                    extra={"target": self.name, "url": self.url, "engine": self._last.engine,
                           "why": "no answer within the scrape's deadline"})

    def _tell(self, state: State, error: Exception | None) -> None:
        """Log the endpoint's state if it is another than before."""
        with self._lock:
            told, self._told = self._told, state
        if (state.up, state.why, state.engine) != (told.up, told.why, told.engine):
            log.log(logging.INFO if state.up else logging.WARNING,
                    "engine answers" if state.up else "engine does not answer",
                    extra={"target": self.name, "url": self.url, "engine": state.engine,
                           "model": state.model, "why": state.why}, exc_info=error)

    def _read(self) -> State:
        at = self._clock()
        self.url, (page, engine) = first_that_reads(
            dict.fromkeys((self.url, *self._urls)), self._page, self._seconds)
        if engine is not self._engine:
            self._engine, self._describer = engine, Describer()
            self._forget_facts()
        facts = self._known_facts(engine, at)
        if not facts.model and engine.name == self._last.engine:
            # Before its first request an engine may not name its model.
            facts = replace(facts, model=self._last.model)
        reading = self._describer.describe(engine, page, facts, at)
        if reading.restarted:
            self._forget_facts()
        model = reading.model if len(reading.model) <= LONGEST_VALUE else OTHER
        return State(True, engine.name, model, facts.version, at, reading)

    def _page(self, url: str, seconds: float) -> tuple[Page, Engine]:
        page = self._parser.parse(fetch(url, self._access, seconds))
        engine = self._recognised(page)
        if not page.families and url == self.url:  # as before an engine's first request
            engine = self._engine
        if engine is None:
            raise PageError(NO_ENGINE)
        return page, engine

    def _recognised(self, page: Page) -> Engine | None:
        if page.shape is not self._shape:
            self._shape, self._seen = page.shape, recognise(page.families, self._engines)
        return self._seen

    def _down(self, why: str) -> State:
        last = self._last
        return State(False, last.engine, last.model, last.version, last.read_at, None, why)

    def _forget_facts(self) -> None:
        self._facts_until = float("-inf")

    def _known_facts(self, engine: Engine, at: float) -> Facts:
        if at >= self._facts_until:
            self._facts, complete = self._fetch_facts(engine)
            self._facts_until = at + (FACTS_KEPT_SECONDS if complete else FACTS_RETRY_SECONDS)
        return self._facts

    def _fetch_facts(self, engine: Engine) -> tuple[Facts, bool]:
        """What the documents beside the page say, and whether that is all they should."""
        found: dict[str, object] = {}
        access = replace(self._access, max_bytes=FACTS_BYTES)
        for fact in engine.facts:
            try:
                url = urlsplit(self.url)._replace(path=fact.path).geturl()
                document = json.loads(fetch(url, access, FACTS_SECONDS))
            except (PageError, ValueError, RecursionError):
                continue  # not every version has every document
            for name, path in fact.wanted.items():
                value = _dig(document, path)
                if value is not None:
                    found.setdefault(name, value)
        asked_for = parse_qs(urlsplit(self.url).query).get("model", [""])[0]
        facts = Facts(asked_for or _text(found.get("model")), _text(found.get("version")),
                      _positive(found.get("max_model_length")))
        return facts, all(name in found for fact in engine.facts for name in fact.wanted)


class _Question:
    """A request for the page under way; `state` is there once it is answered."""

    def __init__(self) -> None:
        self.answered = threading.Event()
        self.state: State | None = None
        self.error: Exception | None = None  # one that is a fault of ours


def usual_urls(url: str, engines: tuple[Engine, ...]) -> tuple[str, ...]:
    """Where the page may be: at the URL if it has a path, else where these engines have theirs."""
    parts = urlsplit(url)
    if parts.path not in ("", "/"):
        return (url,)
    paths = dict.fromkeys(("/metrics", *(path for engine in engines for path in engine.paths)))
    return tuple(parts._replace(path=path).geturl() for path in paths)


def first_that_reads(urls: Iterable[str], read: Callable[[str, float], T],
                     seconds: float) -> tuple[str, T]:
    """The first of the URLs from which something is read, and what; within `seconds` in all.

    Raises the first one's PageError. Where nothing answers at all, the others are not tried.
    """
    deadline = time.monotonic() + seconds
    why = ""
    for url in urls:
        try:
            return url, read(url, deadline - time.monotonic())
        except PageError as error:
            why = why or str(error)  # the error itself would hold on to the page
            if error.__cause__ is not None:  # no answer, or none in time
                break
    raise PageError(why)


def recognise(page: Mapping[str, Foreign], engines: tuple[Engine, ...]) -> Engine | None:
    """The engine most of whose families are on the page; None if there is none of any.

    A server around an engine gives way to the engine in it.
    """
    counts = [(engine, sum(engine.respell(name) is not None for name in page))
              for engine in engines if engine.marks <= page.keys()]
    held = [(not engine.wraps, count, engine) for engine, count in counts if count]
    return max(held, key=itemgetter(0, 1))[2] if held else None


def _dig(document: object, path: tuple[str | int, ...]) -> object:
    for step in path:
        if isinstance(step, str) and isinstance(document, dict):
            document = document.get(step)
        elif isinstance(step, int) and isinstance(document, list) and len(document) > step:
            document = document[step]
        else:
            return None
    return document


def _text(value: object) -> str:
    """Text; JSON has characters that UTF-8 has not."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def _positive(value: object) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 2**53
    return float(value) if good and isinstance(value, int | float) else None
