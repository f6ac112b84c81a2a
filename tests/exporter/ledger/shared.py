"""Gateways that share a database, as tests have them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from inferometer.facts import Fact
from inferometer.ledger.leases import Leases
from inferometer.ledger.postgres import Postgres
from inferometer.ledger.shared_pending import SharedPending
from tests.exporter.ledger.making import Bench, Stores, links


@contextmanager
def gateways(folder: Path, *names: str, **options: Any) -> Iterator[list[Bench]]:
    """Gateways that have a new database, each with its share of the slots."""
    Stores.make(folder)
    with ExitStack() as stack:
        benches = []
        for name in names:
            benches.append(Bench(folder, name, **options))
            stack.callback(benches[-1].close)
        for _ in range(2):
            for bench in benches:
                leases(bench).renew()
        yield benches


def leases(bench: Bench) -> Leases:
    """The slots of a gateway."""
    pending = bench.ledger._pending
    assert isinstance(pending, SharedPending)
    return pending.leases


def database(bench: Bench) -> Postgres:
    """What it has its connection in."""
    assert isinstance(bench.file, Postgres)
    return bench.file


def sum_of(benches: list[Bench], name: str, part: str = "") -> int:
    """A counter, over all gateways."""
    return sum(bench.counters().get((name, part), 0) for bench in benches)


def refused(bench: Bench, *facts: Fact) -> Exception | None:
    """Why the facts are not kept; None where they are."""
    done = bench.ledger.commit(facts, links(facts), bench.now)
    bench.turn()
    return done.exception(0)


def at_once(*jobs: Any) -> list[BaseException]:
    """Do all at the same time; what they raised."""
    raised: list[BaseException] = []

    def run(job: Any) -> None:
        try:
            job()
        except BaseException as error:  # whatever it is, the test is to see it
            raised.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised
