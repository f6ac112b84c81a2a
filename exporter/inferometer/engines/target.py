"""One engine endpoint: asked on demand, once at a time, and remembered between scrapes."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

from inferometer.catalogue import OTHER, SERVER_MAX_LENGTH
from inferometer.engines.fetch import Access, fetch_into
from inferometer.engines.hints import advice
from inferometer.engines.page import LargePageError, Page, PageError, PageShape
from inferometer.engines.parser import Parser
from inferometer.engines.reading import NAMELESS, Describer, Names, Reading, ServerInfo
from inferometer.engines.recognition import nobodys, recognise, use_to
from inferometer.engines.room import ROOM
from inferometer.engines.table import Engine
from inferometer.engines.view import shortened
from inferometer.guard import LONGEST_VALUE
from inferometer.reasons import reason_of
from inferometer.sieve import Refusals
from inferometer.threads import NoThreadError, Threads

LATE_LOG_SECONDS = 600.0  # between two lines in the log about scrapes that could not wait
INFO_SECONDS = 600.0  # for which the documents beside the page are not asked for again
INFO_RETRY_SECONDS = 60.0  # the same, where a field was missing
DOCUMENT_TIMEOUT_SECONDS = 1.0  # for one document
DOCUMENT_BYTES = 2**20
SMALL_DOCUMENT_BYTES = 2**16  # of a larger one JSON may make many times its size
KEPT_WHILE_DOWN = 2**23  # bytes of memory for the page that was there before

_THREADS = Threads("ask")  # shared by all targets: one that is removed leaves no threads

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class State:
    """What we know about the endpoint after an answer or the lack of one."""

    up: bool
    engine: str = "unknown"
    model: str = ""
    version: str = ""
    read_at: float | None = None  # of the last page read, Unix seconds
    reading: Reading | None = None  # None while it is down
    why: str = ""


class Target:
    """Asks one endpoint for its page; remembers its last state while it is down."""

    def __init__(self, name: str, url: str, engines: tuple[Engine, ...], access: Access,
                 seconds: float, clock: Callable[[], float] = time.time,
                 names: Names = NAMELESS, refusals: Refusals | None = None,
                 threads: Threads = _THREADS) -> None:
        self.name = name
        self._urls = usual_urls(url, engines)
        self.url = self._urls[0]  # where the page was last, or is looked for first
        self._engines = engines
        self._access = access
        self._seconds = seconds
        self._clock = clock
        self._names = names
        self._refusals = refusals
        self._threads = threads
        self._parser = Parser(use_to(engines))
        self._describer = self._new_describer()
        self._shape: PageShape | None = None
        self._shape_engine: Engine | None = None  # whose page has this shape
        self._engine: Engine | None = None
        self._info = ServerInfo()
        self._info_until = float("-inf")  # when to ask for it again
        self._late_logged_at = float("-inf")
        self._lock = threading.Lock()
        self._pending: PendingState | None = None
        self._last = State(up=False, why="no answer so far")
        self._logged = self._last

    @property
    def last(self) -> State:
        """The state since the last answer or failure."""
        return self._last

    @property
    def shape(self) -> PageShape | None:
        """The last page's, whose ever it was; None if there was none."""
        return self._shape

    def ask(self) -> PendingState:
        """Ask for the page; join the request that is still under way, if there is one."""
        with self._lock:
            if self._pending is not None and not self._pending.answered.is_set():
                return self._pending
            pending = PendingState()
            try:
                self._threads.run(lambda: self._answer(pending))
            except NoThreadError as error:  # the next scrape asks again
                self._last = pending.state = self._down(str(error))
                pending.answered.set()
            else:
                self._pending = pending
        return pending

    def state(self, pending: PendingState, seconds: float) -> State:
        """The answer if it comes within `seconds`, else the last state, as down."""
        pending.answered.wait(seconds)
        if pending.state is None:
            self._log_late()
            return self._down("no answer within the scrape's deadline")
        self._log_change(pending.state, pending.error)
        return pending.state

    def _answer(self, pending: PendingState) -> None:
        try:
            self._last = pending.state = self._read_or_down(pending)
        finally:  # whatever happens, or nobody would ask again
            pending.answered.set()

    def _read_or_down(self, pending: PendingState) -> State:
        try:
            return self._read()
        except PageError as error:
            self._forget_info()
            self._slim()
            return self._down(str(error))
        except Exception as error:  # a page must never cost more than its own target
            pending.error = error
            return self._down(reason_of(error))

    def _log_late(self) -> None:
        """Log that a scrape could not wait, but not each time: others may be more patient."""
        with self._lock:
            now = self._clock()
            if now - self._late_logged_at < LATE_LOG_SECONDS:
                return
            self._late_logged_at = now
        log.warning("engine does not answer",
                    extra={"target": self.name, "url": self.url, "engine": self._last.engine,
                           "why": "no answer within the scrape's deadline"})

    def _log_change(self, state: State, error: Exception | None) -> None:
        """Log the endpoint's state if it is another than before."""
        with self._lock:
            before, self._logged = self._logged, state
        if _news(state) != _news(before):
            log.log(logging.INFO if state.up else logging.WARNING,
                    "engine answers" if state.up else "engine does not answer",
                    extra={"target": self.name, "url": self.url, "engine": state.engine,
                           "model": state.model, "why": state.why,
                           **({"try": text} if (text := advice(state.why)) else {})},
                    exc_info=error)

    def _read(self) -> State:
        read_at = self._clock()
        self.url, (page, engine) = first_that_reads(
            dict.fromkeys((self.url, *self._urls)), self._page, self._seconds)
        if engine is not self._engine:
            self._engine = engine
            self._describer = self._new_describer()
            self._forget_info()
        info = self._server_info(engine, read_at)
        if not info.model and engine.name == self._last.engine:
            # Before its first request an engine may not name its model.
            info = replace(info, model=self._last.model)
        reading = self._describer.describe(engine, page, info, read_at)
        if reading.restarted:
            self._forget_info()
        model = reading.model if len(reading.model) <= LONGEST_VALUE else OTHER
        return State(True, engine.name, model, info.version, read_at, reading)

    def _page(self, url: str, seconds: float) -> tuple[Page, Engine]:
        with self._parser.begin(seconds) as arrival:
            page = arrival.end(fetch_into(url, self._access, seconds, arrival.take))
        engine = self._recognised(page)
        if not page.families and url == self.url:  # as before an engine's first request
            engine = self._engine
        if engine is None:
            raise PageError(nobodys(page.families, self._engines))
        return page, engine

    def _recognised(self, page: Page) -> Engine | None:
        if page.shape is not self._shape:
            self._shape, self._shape_engine = page.shape, recognise(page.families, self._engines)
        return self._shape_engine

    def _down(self, why: str) -> State:
        last = self._last
        return State(False, last.engine, last.model, last.version, last.read_at, None, why)

    def _new_describer(self) -> Describer:
        """One that remembers nothing yet."""
        return Describer(self._names, self._refusals)

    def _slim(self) -> None:
        """Give back the memory of a page too large to be remembered while it is down."""
        if self._parser.holds > KEPT_WHILE_DOWN:
            self._parser.forget()
            self._parser.give_back()
            self._describer = self._new_describer()
            self._shape = self._shape_engine = None

    def _forget_info(self) -> None:
        self._info_until = float("-inf")

    def _server_info(self, engine: Engine, now: float) -> ServerInfo:
        if now >= self._info_until:
            self._info, complete = self._fetch_info(engine)
            self._info_until = now + (INFO_SECONDS if complete else INFO_RETRY_SECONDS)
        return self._info

    def _fetch_info(self, engine: Engine) -> tuple[ServerInfo, bool]:
        """The documents beside the page, and whether they have every field."""
        fields: dict[str, object] = {}
        access = replace(self._access, max_bytes=DOCUMENT_BYTES)
        for document in engine.documents:
            try:
                url = urlsplit(self.url)._replace(path=document.path).geturl()
                of_document = _fields(url, access, document.fields)
            except (PageError, ValueError, RecursionError):
                continue  # not every version has every document
            fields = {**of_document, **fields}
        asked_for = parse_qs(urlsplit(self.url).query).get("model", [""])[0]
        info = ServerInfo(asked_for or _text(fields.get("model")), _text(fields.get("version")),
                          _length(fields.get("max_model_length")))
        return info, all(name in fields for document in engine.documents
                         for name in document.fields)


class PendingState:
    """A request for the page; `state` is there once it is answered."""

    def __init__(self) -> None:
        self.answered = threading.Event()
        self.state: State | None = None
        self.error: Exception | None = None  # set only if it was unexpected: a fault of ours


def usual_urls(url: str, engines: tuple[Engine, ...]) -> tuple[str, ...]:
    """Where the page may be: at the URL if it has a path, else where these engines have theirs."""
    parts = urlsplit(url)
    if parts.path not in ("", "/"):
        return (url,)
    paths = dict.fromkeys(("/metrics", *(path for engine in engines for path in engine.paths)))
    return tuple(parts._replace(path=path).geturl() for path in paths)


def first_that_reads(urls: Iterable[str], read: Callable[[str, float], T],
                     seconds: float) -> tuple[str, T]:
    """The first of the URLs that can be read, and what was read; within `seconds` in all.

    Raises the first one's PageError. Where nothing answers at all, or in time, or with a page too
    large, the others are not tried.
    """
    deadline = time.monotonic() + seconds
    why = ""
    for url in urls:
        try:
            return url, read(url, deadline - time.monotonic())
        except PageError as error:
            why = why or str(error)  # the error itself would hold on to the page
            if error.__cause__ is not None or isinstance(error, LargePageError):
                break
    raise PageError(why)


def _news(state: State) -> tuple[bool, str, str]:
    """What is worth a line in the log; a server's own words may be others each time."""
    return state.up, state.why.partition(":")[0], state.engine


def _fields(url: str, access: Access, paths: Mapping[str, tuple[str | int, ...]]
            ) -> dict[str, object]:
    """What a JSON document beside the page has, by name.

    Raises PageError, ValueError, RecursionError.
    """
    deadline = time.monotonic() + DOCUMENT_TIMEOUT_SECONDS
    share, body = ROOM.share(), bytearray()

    def take(piece: bytes) -> None:
        body.extend(piece)
        if not share.resize(len(body)):
            raise PageError("no room for a document beside the page")

    fetch_into(url, access, DOCUMENT_TIMEOUT_SECONDS, take)
    try:
        with ROOM.turn(len(body) > SMALL_DOCUMENT_BYTES, deadline):
            return _picked(body, paths)
    except TimeoutError as error:
        raise PageError("no turn to read a document beside the page") from error


def _picked(body: bytearray, paths: Mapping[str, tuple[str | int, ...]]) -> dict[str, object]:
    content = json.loads(body)  # and nothing of it is left but these
    return {name: value for name, path in paths.items()
            if isinstance(value := _dig(content, path), str | int | float)}


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
    """Text; JSON has characters that UTF-8 has not, and any number of them."""
    return shortened(value).encode(errors="replace").decode() if isinstance(value, str) else ""


def _length(value: object) -> float | None:
    """A number of tokens; JSON has numbers that no float is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    fitted = SERVER_MAX_LENGTH.range.fit(value)
    return fitted if fitted is None else float(fitted)
