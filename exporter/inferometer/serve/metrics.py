"""/metrics: what all collectors say, in one of two formats, within the scrape's own deadline."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import lru_cache
from http import HTTPStatus

from prometheus_client import PlatformCollector, ProcessCollector

from inferometer.collector import Deadline, Scrape
from inferometer.exposition import content_type, render, render_client
from inferometer.families import Family
from inferometer.serve.routes import Received, Response, text_response

DEFAULT_TIMEOUT = 10.0  # of a scrape that does not say, seconds
LONGEST_TIMEOUT = 120.0
LEAST_SHARE = 0.5  # of a scrape's time that a reading must have had which it shares
TIMEOUT_MARGIN = 0.5  # for the way back, as blackbox_exporter keeps it

_content_type = lru_cache(maxsize=64)(content_type)  # who scrapes asks for the same again


class MetricsPage:
    """The page of all collectors, of the exporter's own families and of its process.

    Scrapes that have their turn together get one page. A whole reading is also handed to `record`,
    with the time it was begun.
    """

    def __init__(self, scrape: Scrape, own_families: Callable[[], list[Family]],
                 record: Callable[[Iterable[Family], float], None]) -> None:
        self._scrape = scrape
        self._own_families = own_families
        self._record = record
        self._process = ProcessCollector(registry=None), PlatformCollector(registry=None)

    def respond(self, received: Received) -> Response:
        """The page, or what is wrong with the question."""
        chosen, mistake = self._chosen(received)
        if mistake:
            return text_response(HTTPStatus.BAD_REQUEST, mistake)
        headers = received.request.headers
        seconds = timeout_of(headers.get("x-prometheus-scrape-timeout-seconds"))
        deadline = Deadline(seconds - (time.monotonic() - received.read_at))
        if not deadline.left():  # it has waited for its turn too long: nobody listens any more
            return text_response(HTTPStatus.SERVICE_UNAVAILABLE, "too many scrapes")
        return self._shared(received, deadline, chosen, _content_type(headers.get("accept", "")))

    def together(self, received: Received) -> Hashable:
        """The collectors asked for: who waits for the same ones may have one reading."""
        chosen, _ = self._chosen(received)
        return frozenset(self._scrape.names if chosen is None else chosen)

    def _shared(self, received: Received, deadline: Deadline, chosen: Sequence[str] | None,
                content: str) -> Response:
        """One page for all that have their turn together, if it was not made in a hurry."""
        seconds = deadline.left()
        had, page = received.shared.get(content, (0.0, None))
        if page is None or had < LEAST_SHARE * seconds:
            page = Response(HTTPStatus.OK, self._page(deadline, chosen, content), content)
            received.shared[content] = seconds, page
        response: Response = page
        return response

    def _page(self, deadline: Deadline, chosen: Sequence[str] | None, content: str) -> bytes:
        began = time.monotonic()
        families = self._scrape.families(deadline, chosen)
        if chosen is None:
            self._record(families, began)
        page = render([*self._own_families(), *families], content)
        return render_client(self._process, content) + page

    def _chosen(self, received: Received) -> tuple[Sequence[str] | None, str]:
        """Collectors asked for by `collect[]` or left out by `exclude[]`, or what is wrong."""
        collect = received.query.get("collect[]", [])
        exclude = received.query.get("exclude[]", [])
        if collect and exclude:
            return None, "collect[] and exclude[] cannot be used together"
        names = self._scrape.names
        for name in (*collect, *exclude):
            if name not in names:
                return None, f"unknown collector {name[:50]!r}; there are {', '.join(names)}"
        if exclude:
            return [name for name in names if name not in exclude], ""
        return collect or None, ""


@lru_cache(maxsize=64)
def timeout_of(header: str | None) -> float:
    """Seconds to answer in, by Prometheus' scrape-timeout header, less the way back."""
    try:
        seconds = float(header) if header is not None else DEFAULT_TIMEOUT
    except ValueError:
        seconds = DEFAULT_TIMEOUT
    if not (math.isfinite(seconds) and seconds > 0):
        seconds = DEFAULT_TIMEOUT
    seconds = min(seconds, LONGEST_TIMEOUT)
    return seconds - min(TIMEOUT_MARGIN, 0.2 * seconds)
