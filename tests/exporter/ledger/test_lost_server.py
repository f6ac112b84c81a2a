"""The server is lost: what came is not acknowledged, and nothing is lost or counted twice."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

psycopg = pytest.importorskip("psycopg")

from inferometer.ledger.errors import LedgerFullError, LedgerLostError  # noqa: E402  # after what may skip all
from inferometer.ledger.postgres import RETRY_SECONDS  # noqa: E402
from inferometer.ledger.pressure import WHY, WRITE_FAILED  # noqa: E402
from inferometer.ledger.verification import verify  # noqa: E402
from tests.exporter.intake.gateways import gateway_in  # noqa: E402
from tests.exporter.ledger.making import Bench, Stores, call, links  # noqa: E402
from tests.exporter.ledger.shared import database, gateways, refused  # noqa: E402
from tests.exporter.support import wait_for  # noqa: E402
from tests.postgres import Server, programs, server  # noqa: E402

ENDED = ("ended", "success/")
SEEN, LOST = (f"inferometer_heartbeat_{name}_total" for name in ("seen", "lost"))
SECONDS = 60.0  # of a machine that is slow


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that a test may stop."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with server() as running:
        Stores.server = running
        yield running
    Stores.server = None


def cut(bench: Bench, dsn: str) -> None:
    """End the connection of a gateway, from the server's side."""
    pid = database(bench).connection.raw.info.backend_pid
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))


def test_a_server_that_restarts_costs_no_call(own_server: Server, tmp_path: Path) -> None:
    with gateways(tmp_path, "a") as (a,):
        calls = [call(os.urandom(16)) for _ in range(20)]
        a.send(*calls[:10])
        own_server.stop()
        assert isinstance(refused(a, *calls[10:]), LedgerLostError)
        assert a.ledger.condition().refusal == "write_failed"
        with pytest.raises(LedgerFullError, match="nothing can be written"):
            refused(a, *calls[10:])
        own_server.start()
        time.sleep(RETRY_SECONDS)  # for which nobody asks again
        a.passed += 2
        a.turn()  # nobody sends: it tries by itself
        assert a.ledger.condition().refusal == ""
        a.send(*calls)
        a.wait()
        assert a.counters()[ENDED] == 20
        assert a.rows("SELECT count(*) FROM facts") == [(20,)]
        assert verify(a.file).differences == []


def test_a_gateway_whose_server_is_lost_says_so_until_it_is_back(
        own_server: Server, tmp_path: Path) -> None:
    Stores.make(tmp_path)
    with gateway_in(tmp_path, ledger="dsn_file: dsn, key_file: ledger.key") as gateway:
        wait_for(lambda: gateway.count(SEEN) >= 1, SECONDS)
        assert gateway.ledger.hindrance() == ""
        own_server.stop()
        wait_for(lambda: gateway.ledger.hindrance() == WHY[WRITE_FAILED], SECONDS)
        wait_for(lambda: gateway.count(LOST, "refused") >= 1, SECONDS)
        own_server.start()
        wait_for(lambda: gateway.ledger.hindrance() == "", SECONDS)
        seen = gateway.count(SEEN)
        wait_for(lambda: gateway.count(SEEN) > seen, SECONDS)
        assert not gateway.points("llm_client_requests_total")


def test_a_connection_that_is_cut_in_a_transaction_leaves_nothing_of_it(
        in_postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with gateways(tmp_path, "a") as (a,):
        one = call()
        insert = a.file.insert_facts

        def insert_and_cut(rows: Any) -> Any:
            old = insert(rows)
            cut(a, in_postgres.dsn())
            return old

        monkeypatch.setattr(a.file, "insert_facts", insert_and_cut)
        assert isinstance(refused(a, one), LedgerLostError)
        monkeypatch.undo()
        a.send(one)
        a.wait()
        assert (a.counters()[ENDED], verify(a.file).differences) == (1, [])


def test_a_body_whose_commit_was_not_confirmed_is_there_once_when_it_comes_again(
        in_postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with gateways(tmp_path, "a") as (a,):
        a.send(call())  # so that there is a partition
        one = call()
        done = a.ledger.commit([one], links([one]), a.now)
        with unconfirmed(a, monkeypatch):
            a.turn()
        assert isinstance(done.exception(0), LedgerLostError)
        assert a.rows("SELECT count(*) FROM facts") == [(2,)]
        a.passed += 2
        a.turn()
        a.send(one)
        a.wait()
        assert (a.counters()[ENDED], a.rows("SELECT count(*) FROM facts")) == (2, [(2,)])


def test_counters_are_right_where_what_settled_was_not_confirmed(
        in_postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with gateways(tmp_path, "a") as (a,):
        a.send(call())
        with unconfirmed(a, monkeypatch), pytest.raises(LedgerLostError):
            a.wait()
        a.send(call(os.urandom(16)))
        a.wait()
        assert a.counters()[ENDED] == 2
        assert verify(a.file).differences == []


@contextmanager
def unconfirmed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Transactions are committed, and the connection is lost before anybody knows."""
    transaction = bench.file.transaction

    @contextmanager
    def lost(*arguments: str, **named: str) -> Iterator[Any]:
        with transaction(*arguments, **named) as session:
            yield session
        database(bench).connection.raw.close()
        raise LedgerLostError("the server is gone")

    with monkeypatch.context() as patch:
        patch.setattr(bench.file, "transaction", lost)
        yield
