"""One drill on one store: the gateway's folder, its load, and what is seen of it from outside."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.e2e.drills.figures import REQUESTS, Figures, Scraped, figures_of
from tests.e2e.drills.journal import Journal
from tests.e2e.drills.load import load, send_again
from tests.e2e.drills.stores import Store
from tests.e2e.gateways import RUN, Gateway, gateway
from tests.exporter.support import wait_for

SETTLE_SECONDS = 1.0  # for which a trace is quiet
COUNT_SECONDS = 60.0  # until all is counted, on a machine that has much else to do
SHOW_SECONDS = 3.0
AGAIN_SECONDS = 60.0  # until all is taken that was not acknowledged


class Scene:
    """What a drill acts on."""

    def __init__(self, folder: Path, store: Store, rounds: int, fault: str = "",
                 seed: str = "") -> None:
        self.folder, self.store, self.rounds, self.seed = folder, store, rounds, seed
        self.data = folder / "data"  # of the gateway
        self.data.mkdir(exist_ok=True)
        self.chance = random.Random(seed)
        self.journal = Journal(folder / "journals")
        self.scraped = Scraped()
        self.purged: set[bytes] = set()  # acknowledged, and too old to be kept
        self._loads = 0
        self._command = ("tests.e2e.drills.faulty", fault, "run") if fault else RUN

    @contextlib.contextmanager
    def gateway(self, name: str = "", env: Mapping[str, str] | None = None,
                ledger: str = "", more: str = "") -> Iterator[Gateway]:
        """One of this store, ended by SIGKILL after the block.

        `ledger`: more keys of that section; `more`: other sections.
        """
        folder = self.data / name
        folder.mkdir(exist_ok=True)
        keys = ", ".join(filter(None, (self.store.settings(folder), ledger)))
        with gateway(folder, SETTLE_SECONDS, self._command, ledger=keys, env=env,
                     more=more,
                     config=self.folder / f"inferometer-{name}.yml",
                     grpc_listen="127.0.0.1:0") as running:
            yield running

    @contextlib.contextmanager
    def load(self, running: Gateway, clock: Callable[[], int] = time.time_ns) -> Iterator[None]:
        """Senders beside the block."""
        self._loads += 1
        with load(running, self.journal, f"{self.seed} {self._loads}", clock):
            yield

    def wait_taken(self, more: int, seconds: float = AGAIN_SECONDS) -> None:
        """Until the journal has grown by so many calls. Raises AssertionError."""
        before = len(self.journal.ids())
        wait_for(lambda: len(self.journal.ids()) >= before + more, seconds, 0.1)

    def send_again(self, running: Gateway, seconds: float = AGAIN_SECONDS) -> float:
        """Send what was not acknowledged; in how many seconds. Raises AssertionError."""
        return send_again(running, self.journal, seconds)

    def settle(self, *gateways: Gateway) -> None:
        """Wait until nothing is pending, and scrape. Raises AssertionError."""
        def quiet() -> bool:
            return not self.store.pending(self.data) and not any(
                running.page().value("inferometer_ledger_pending_facts") for running in gateways)

        def shown() -> bool:
            for running in gateways:
                self.scrape(running)
            return self.scraped.increase(REQUESTS) >= len(self.journal.ids())

        wait_for(quiet, COUNT_SECONDS, 0.2)
        with contextlib.suppress(AssertionError):  # the figures say what is missing
            wait_for(shown, SHOW_SECONDS, 0.5)  # after what is counted is in the store

    def scrape(self, running: Gateway) -> None:
        """Add what the gateway shows."""
        self.scraped.add(running.page(), running.folder.name)

    def check(self, running: Gateway) -> None:
        """Raise AssertionError where `inferometer ledger verify` finds a difference."""
        verified = running.verb("verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr

    def finish(self, *gateways: Gateway) -> None:
        """Send again what is unanswered, wait until all is counted, and verify."""
        self.send_again(gateways[0])
        self.settle(*gateways)
        self.check(gateways[0])

    def figures(self) -> Figures:
        """What came of it."""
        return figures_of(self.journal.sent, self.journal.ids(), self.store.rows(self.data),
                          self.scraped, len(self.purged))
