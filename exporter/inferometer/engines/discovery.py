"""Finds engines on this machine: tries the usual ports and recognises the pages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from inferometer.engines.fetch import Access, fetch_into
from inferometer.engines.page import PageError
from inferometer.engines.parser import Parser
from inferometer.engines.recognition import nobodys, recognise, use_to
from inferometer.engines.table import Engine
from inferometer.engines.target import Target, first_that_reads, usual_urls
from inferometer.reasons import reason_of
from inferometer.threads import Loop, Start, TimedEvent, start_thread

# vLLM, NIM, trtllm-serve and Dynamo; TGI in a container, llama.cpp and KServe; TGI; SGLang;
# Triton; Dynamo's workers; LMDeploy; SGLang's router.
USUAL_PORTS = (8000, 8080, 3000, 30000, 8002, 8081, 23333, 29000)
PROBE_SECONDS = 1.0  # for one port
PROBE_BYTES = 2**22
FIRST_LOOK_SECONDS = 10.0  # beside the time for every port

log = logging.getLogger(__name__)


class SearchError(Exception):
    """Some ports could not be tried, by no fault of theirs; the message says why for each."""


class Discovery:
    """Tries ports of the loopback address every so many seconds; keeps every engine it found.

    `make` makes the target of a name and a URL, `start` starts the thread.
    """

    def __init__(self, ports: Sequence[int], engines: tuple[Engine, ...], seconds: float,
                 make: Callable[[str, str], Target], start: Start = start_thread) -> None:
        self._engines = engines
        self._make = make
        self.loop = Loop("engine-discovery", self._look, lambda: self._seconds, start)
        self.looked = TimedEvent()  # set once every port was tried, or there was time for it
        self.search(ports, seconds)

    def search(self, ports: Sequence[int], seconds: float) -> None:
        """Forget what was found, and look on these ports from now on, so often."""
        self.ports = tuple(ports)
        self._seconds = seconds
        self._targets: dict[int, Target] = {}  # last: a look under way sees by it that it is over
        self.loop.hurry()

    def targets(self) -> list[Target]:
        """The engines found so far, whether they still answer or not."""
        return [target for _, target in sorted(self._targets.items())]

    def start(self) -> None:
        """Begin to look, until stopped."""
        self.looked.begin(FIRST_LOOK_SECONDS + PROBE_SECONDS * len(self.ports))
        self.loop.start()

    def stop(self) -> None:
        """Look no more."""
        self.loop.stop()

    def _look(self) -> None:
        """Try every port. Raises what went wrong that was no port's own, once all were tried."""
        targets, failed = self._targets, dict[int, Exception]()
        for port in self.ports:
            try:
                if port not in targets and targets is self._targets:
                    self._try(port, targets)
            except Exception as error:  # whatever one port answers, the next ones are tried
                failed[port] = error
        self.looked.set()
        if failed:
            raise SearchError("; ".join(f"port {port}: {reason_of(error)}"
                                        for port, error in failed.items())
                              ) from next(iter(failed.values()))

    def _try(self, port: int, targets: dict[int, Target]) -> None:
        url = f"http://127.0.0.1:{port}"
        try:
            _, engine = first_that_reads(
                usual_urls(url, self._engines), self._recognised, PROBE_SECONDS)
        except PageError:
            return
        if engine is not None:
            log.info("engine found", extra={"url": url, "engine": engine.name})
            targets[port] = self._make(f"127.0.0.1:{port}", url)

    def _recognised(self, url: str, seconds: float) -> Engine | None:
        """The engine whose page it is; None for another page: its port has no engine's then."""
        access = Access(max_bytes=PROBE_BYTES)
        with Parser(use_to(self._engines)).begin(seconds) as arrival:
            page = arrival.end(fetch_into(url, access, seconds, arrival.take))
        if not page.families:
            raise PageError(nobodys(page.families, self._engines))
        return recognise(page.families, self._engines)
