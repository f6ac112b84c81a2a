"""The intake as it serves: answered once a body is kept, and what is logged where none can be."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from inferometer.config import IntakeSection
from inferometer.facts import Fact
from inferometer.intake.access import Admission, Tokens
from inferometer.intake.body import BodyMemory
from inferometer.intake.service import IntakeService, Opening
from inferometer.intake.tally import IntakeTally
from inferometer.ledger.errors import LedgerFullError
from inferometer.points import MetricPoint
from inferometer.receipt import Receipt
from inferometer.serve.listening import listening_socket
from inferometer.sinks.outbox import SentBody
from tests.exporter.intake.doors import Client, Reply
from tests.exporter.intake.test_http import BODY, LENGTH, head
from tests.exporter.support import wait_for


class Keeper:
    """Takes bodies; they are kept, or not, when a test wants it."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []

    def commit(self, facts: Sequence[Fact], links: Mapping[bytes, bytes], arrived: int,
               body: SentBody | None = None, points: Sequence[MetricPoint] = ()) -> Receipt:
        self.receipts.append(Receipt())
        return self.receipts[-1]

    def full(self, facts: Sequence[Fact], links: Mapping[bytes, bytes], arrived: int,
             body: SentBody | None = None, points: Sequence[MetricPoint] = ()) -> Receipt:
        receipt = self.commit(facts, links, arrived)
        threading.Timer(0.01, lambda: receipt.set_exception(OSError("disk full"))).start()
        return receipt


@contextlib.contextmanager
def serving(commit: object) -> Iterator[int]:
    """The port of an intake that has bodies kept by this."""
    access, section, listener = Admission(None, Tokens(())), IntakeSection(), \
        listening_socket("127.0.0.1", 0)
    service = IntakeService(
        Opening(listener, lambda: None), None, commit,  # type: ignore[arg-type]  # a method
        IntakeTally(), BodyMemory(2**20), access=lambda: access, headers=dict,
        settings=lambda: section)
    service.start()
    try:
        yield listener.getsockname()[1]
    finally:
        service.stop(20.0)


def posted(port: int, count: int = 1) -> list[Reply]:
    with Client(port) as client:
        return [client.send(head(LENGTH), BODY).reply() for _ in range(count)]


def test_a_body_is_answered_once_it_is_kept_and_not_before() -> None:
    keeper = Keeper()
    with serving(keeper.commit) as port, ThreadPoolExecutor() as pool:
        answers = [pool.submit(posted, port) for _ in range(3)]
        wait_for(lambda: len(keeper.receipts) == 3)
        assert not any(answer.done() for answer in answers)
        keeper.receipts[1].set_result(None)
        wait_for(lambda: sum(answer.done() for answer in answers) == 1)
        for receipt in (keeper.receipts[0], keeper.receipts[2]):
            receipt.set_result(None)
        assert [answer.result(10)[0].status for answer in answers] == [200] * 3


def test_a_disk_that_is_full_puts_every_sender_off_and_is_logged_once(
        caplog: pytest.LogCaptureFixture) -> None:
    with serving(Keeper().full) as port:
        replies = posted(port, 20)
    assert {(reply.status, reply.headers["retry-after"]) for reply in replies} == {(503, "2")}
    assert [vars(record)["why"] for record in caplog.records] == ["disk full"]


@pytest.mark.parametrize(("lag", "seconds"), [(0.0, "2"), (7.2, "8"), (600.0, "30")])
def test_who_is_put_off_is_told_by_how_much_the_ledger_is_behind(lag: float, seconds: str) -> None:
    def commit(facts: Sequence[Fact], links: Mapping[bytes, bytes], arrived: int,
               body: SentBody | None = None, points: Sequence[MetricPoint] = ()) -> Receipt:
        raise LedgerFullError("too much is pending", lag)

    with serving(commit) as port:
        (reply,) = posted(port)
    assert (reply.status, reply.headers["retry-after"]) == (503, seconds)
