"""Finds engines on this machine: tries the usual ports and recognises the pages."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from inferometer.engines.fetch import Access, fetch
from inferometer.engines.page import PageError, Parser
from inferometer.engines.recognition import nobodys, recognise
from inferometer.engines.table import Engine
from inferometer.engines.target import Target, first_that_reads, usual_urls

# vLLM, NIM, trtllm-serve and Dynamo; TGI in a container, llama.cpp and KServe; TGI; SGLang;
# Triton; Dynamo's workers; LMDeploy; SGLang's router.
USUAL_PORTS = (8000, 8080, 3000, 30000, 8002, 8081, 23333, 29000)
PROBE_SECONDS = 1.0  # for one port
PROBE_BYTES = 2**22

log = logging.getLogger(__name__)


class Discovery:
    """Tries ports of the loopback address every so many seconds; keeps every engine it found.

    `make` makes the target of a name and a URL.
    """

    def __init__(self, ports: Sequence[int], engines: tuple[Engine, ...], seconds: float,
                 make: Callable[[str, str], Target]) -> None:
        self.ports = tuple(ports)
        self._engines = engines
        self._seconds = seconds
        self._make = make
        self._targets: dict[int, Target] = {}
        self._stopped = threading.Event()
        self.looked = threading.Event()  # set once every port was tried

    def targets(self) -> list[Target]:
        """The engines found so far, whether they still answer or not."""
        return [self._targets[port] for port in sorted(self._targets)]

    def start(self) -> None:
        """Begin to look, until stopped."""
        threading.Thread(target=self._run, name="engine-discovery", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            for port in self.ports:
                if port not in self._targets:
                    self._try(port)
            self.looked.set()
            self._stopped.wait(self._seconds)

    def _try(self, port: int) -> None:
        url = f"http://127.0.0.1:{port}"
        try:
            _, engine = first_that_reads(
                usual_urls(url, self._engines), self._recognised, PROBE_SECONDS)
        except PageError:
            return
        if engine is not None:
            log.info("engine found", extra={"url": url, "engine": engine.name})
            self._targets[port] = self._make(f"127.0.0.1:{port}", url)

    def _recognised(self, url: str, seconds: float) -> Engine | None:
        """The engine whose page it is; None for another page: its port has no engine's then."""
        page = Parser().parse(fetch(url, Access(max_bytes=PROBE_BYTES), seconds))
        if not page.families:
            raise PageError(nobodys(page.families, self._engines))
        return recognise(page.families, self._engines)
