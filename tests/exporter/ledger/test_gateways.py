"""Several gateways on one database: each has counters of its own, and all together count once."""

from __future__ import annotations

import os
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("psycopg")

from inferometer.facts import Usage  # after what may skip all of it
from inferometer.ledger import ranking
from inferometer.ledger.counting import HOUR
from inferometer.ledger.errors import LedgerError
from inferometer.ledger.questions import LedgerAnswers, top
from inferometer.ledger.shared_schema import SLOTS
from inferometer.ledger.verification import verify
from tests.exporter.ledger.making import Bench, call, links, opened
from tests.exporter.ledger.shared import at_once, gateways, leases, sum_of
from tests.postgres import Server

pytestmark = pytest.mark.usefixtures("in_postgres")
ENDED = ("ended", "success/")


def settle_all(*benches: Bench) -> None:
    for bench in benches:
        bench.wait()


def test_each_has_its_share_of_the_slots_and_no_two_have_one(tmp_path: Path) -> None:
    with gateways(tmp_path, "a", "b", "c") as benches:
        slots = [slot for bench in benches for slot in leases(bench).slots]
        assert sorted(slots) == [*range(SLOTS)]
        assert {len(leases(bench).slots) for bench in benches} <= {20, 21, 22}


def test_each_restores_and_shows_its_own_counters(tmp_path: Path) -> None:
    with gateways(tmp_path, "a", "b") as (a, b):
        for number in range(40):
            (a, b)[number % 2].send(call(os.urandom(16), request_model=f"m{number % 3}"))
        settle_all(a, b)
        before = a.counters(), b.counters()
        assert sum_of([a, b], *ENDED) == 40
        assert all(counters["input", ""] for counters in before)
        a.restart()
        b.restart()
        assert (a.counters(), b.counters()) == before
        assert verify(a.file).differences == []


def test_spans_of_one_trace_that_come_to_two_are_settled_once_and_together(
        tmp_path: Path) -> None:
    with gateways(tmp_path, "a", "b") as (a, b):
        for _ in range(20):
            one = call(os.urandom(16), response_id="r")
            a.send(one)
            b.send(replace(one, span_id=os.urandom(8), scope="langchain"))  # its twin
        settle_all(a, b)
        assert sum_of([a, b], *ENDED) == 20
        assert sum_of([a, b], "input") == 2000
        assert verify(a.file).differences == []


def test_a_span_that_comes_to_both_counts_once(tmp_path: Path) -> None:
    with gateways(tmp_path, "a", "b") as (a, b):
        calls = [call(os.urandom(16)) for _ in range(30)]
        a.send(*calls)
        b.send(*calls)
        settle_all(a, b)
        a.send(*calls)
        settle_all(a, b)
        assert sum_of([a, b], *ENDED) == 30
        assert a.rows("SELECT count(*) FROM facts") == [(30,)]


def test_a_copy_that_is_restored_counts_from_0_and_differs_in_nothing(
        in_postgres: Server, tmp_path: Path) -> None:
    with gateways(tmp_path, "a") as (a,):
        a.send(call(os.urandom(16)))
        a.wait()
        a.restart()
        assert a.counters()[ENDED] == 1
        (tmp_path / "dsn").write_text(in_postgres.restore((tmp_path / "dsn").read_text()))
        a.restart()
        assert not a.counters().get(ENDED)
        a.send(call(os.urandom(16)))
        a.wait()
        a.restart()
        assert a.counters()[ENDED] == 1
        assert a.rows("SELECT count(*) FROM counted") == [(2,)]
        assert verify(a.file).differences == []


@pytest.mark.parametrize("together", [False, True])
def test_tokens_of_a_call_that_was_passed_on_count_once_whoever_settles_its_traces(
        tmp_path: Path, together: bool) -> None:
    with gateways(tmp_path, "a", "b") as (a, b):
        for number in range(30):  # to slots of both
            asked = call(os.urandom(16), response_id=f"r{number}")
            a.send(asked)
            b.send(replace(asked, trace_id=os.urandom(16), service_name="proxy"))
        if together:
            assert at_once(a.wait, b.wait) == []
        settle_all(a, b)
        assert sum_of([a, b], *ENDED) == 60
        assert sum_of([a, b], "input") == 3000
        assert min(bench.counters()["input", ""] for bench in (a, b)) > 0
        assert verify(a.file).differences == []
        a.passed += 1
        assert a.rows("UPDATE responses SET held = held - interval '1 hour' RETURNING 1")
        a.ledger.configure(retention_days=2, rollup_days=100)
        a.ledger._retention.purge(a.now, a.ledger._settler.seats)
        assert a.rows("SELECT count(*) FROM responses") == [(0,)]


def test_two_that_write_the_same_bodies_at_once_never_deadlock(tmp_path: Path) -> None:
    rounds, chance = 30, random.Random(5)
    calls = [call(os.urandom(16)) for _ in range(400)]
    with gateways(tmp_path, "a", "b") as (a, b):
        def write(bench: Bench) -> None:
            for _ in range(rounds):
                some = chance.sample(calls, 100)
                done = bench.ledger.commit(some, links(some), bench.now)
                bench.turn()
                done.result(0)

        assert at_once(lambda: write(a), lambda: write(b)) == []
        a.send(*calls)
        assert a.rows("SELECT deadlocks FROM pg_stat_database "
                      "WHERE datname = current_database()") == [(0,)]
        assert a.rows("SELECT count(*) FROM facts") == [(len(calls),)]
        settle_all(a, b)
        assert sum_of([a, b], *ENDED) == len(calls)


def test_slots_of_one_that_died_move_on_after_their_lease_with_what_is_pending(
        tmp_path: Path) -> None:
    with gateways(tmp_path, "a", "b", lease_seconds=1.0) as (a, b):
        a.send(*(call(os.urandom(16)) for _ in range(50)))
        a.close()  # as one that was killed: it leaves nothing
        end = time.monotonic() + 30
        while len(leases(b).slots) < SLOTS and time.monotonic() < end:
            time.sleep(0.1)  # it is the database's clock that ends the lease
            leases(b).renew()
        b.wait()
        assert b.counters()[ENDED] == 50


def test_one_that_ends_leaves_its_slots_at_once(tmp_path: Path) -> None:
    with gateways(tmp_path, "a", "b") as (a, b):
        a.ledger._pending.close()
        a.close()
        leases(b).renew()
        assert len(leases(b).slots) == SLOTS


def test_one_whose_slots_were_taken_settles_nothing_of_them(tmp_path: Path) -> None:
    with gateways(tmp_path, "a", "b", lease_seconds=1.0) as (a, b):
        a.send(*(call(os.urandom(16)) for _ in range(50)))
        end = time.monotonic() + 30
        while len(leases(b).slots) < SLOTS and time.monotonic() < end:
            time.sleep(0.1)  # a renews nothing: it is frozen
            leases(b).renew()
        assert leases(a).slots  # as far as it knows
        a.wait()
        assert a.counters() == {}
        b.wait()
        a.wait()
        assert sum_of([a, b], *ENDED) == 50
        assert verify(a.file).differences == []


def test_nobody_takes_a_slot_while_its_traces_are_being_settled(tmp_path: Path) -> None:
    with gateways(tmp_path, "a", "b", lease_seconds=0.5) as (a, b):
        with a.file.transaction() as session:
            ours = leases(a).lock_ours(session)  # type: ignore[arg-type]  # it is a Session
            assert len(ours) == SLOTS // 2
            time.sleep(1.0)  # the lease is over
            leases(b).renew()
            assert len(leases(b).slots) == SLOTS // 2
        leases(b).renew()
        assert len(leases(b).slots) == SLOTS


def test_a_gateway_with_another_key_is_refused_in_one_line(tmp_path: Path) -> None:
    with gateways(tmp_path, "a"):
        (tmp_path / "ledger.key").write_text("ab" * 32)
        with pytest.raises(LedgerError, match=r"has another key \(fingerprint") as refused:
            opened(tmp_path, "b")
        assert "\n" not in str(refused.value)


def test_a_second_gateway_with_the_same_id_is_refused(tmp_path: Path) -> None:
    with gateways(tmp_path, "a") as (a,):
        with pytest.raises(LedgerError, match="another gateway with the id 'a' is at work"):
            opened(tmp_path, "a")
        a.close()
        opened(tmp_path, "a").close()


def test_the_first_users_are_those_of_all_gateways(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "LEADERS", 12)
    chance = random.Random(2)
    with gateways(tmp_path, "a", "b") as benches:
        for bench in benches:
            bench.began -= bench.began % HOUR
            bench.ledger.configure(30, 60)
        for _ in range(3):
            for bench in benches:
                bench.send(*(call(
                    os.urandom(16), user=f"user{int(60 ** chance.random())}",
                    usage=Usage(chance.randrange(1, 1000), output=1)) for _ in range(120)))
            settle_all(*benches)
            for bench in benches:
                bench.passed += 3600.0
                bench.ledger._purge()
        a = benches[0]
        assert len(a.rows("SELECT hour FROM ranked_hours")) == 6
        assert ranking.totals_of_first(a.file, 0, 5, 20) is not None
        answers = LedgerAnswers(a.file)
        assert top(answers, "user", 0, 5) == top(answers, "user", 0)[:5]
