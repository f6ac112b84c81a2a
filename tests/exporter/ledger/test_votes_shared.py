"""Votes with several gateways on one database: whichever takes one, it counts once."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("psycopg")

from inferometer.ledger.vote_ratios import ratios_of  # after what may skip all of it
from inferometer.votes import BurntNonce, Casting, Vote
from tests.exporter.ledger.making import SECOND, Bench, call
from tests.exporter.ledger.shared import at_once, gateways

pytestmark = pytest.mark.usefixtures("in_postgres")


def cast(bench: Bench, vote: Vote, nonce: BurntNonce | None = None) -> str:
    """What becomes of it."""
    casting = Casting(vote, nonce)
    done = bench.ledger.commit((), {}, bench.now, votes=(casting,))
    bench.turn()
    done.result(0)
    return str(casting.outcome)


def counted(*benches: Bench) -> dict[tuple[str, str], int]:
    """Votes that are joined, over all gateways."""
    sums: dict[tuple[str, str], int] = {}
    for bench in benches:
        for key, value in bench.counters("votes").items():
            sums[key] = sums.get(key, 0) + value
    return sums


def test_a_vote_that_one_takes_is_joined_with_the_call_that_another_settles(
        tmp_path: Path) -> None:
    with gateways(tmp_path, "a", "b", takes_votes=True) as (a, b):
        traces = [os.urandom(16) for _ in range(40)]
        for i, trace in enumerate(traces[:20]):
            assert cast((a, b)[i % 2], Vote("thumbs_up", f"early {i}", trace_id=trace)) == "taken"
        for i, trace in enumerate(traces):
            (a, b)[i // 2 % 2].send(call(trace))
        for bench in (a, b):
            bench.wait()
        for i, trace in enumerate(traces[20:]):
            cast((a, b)[i % 2], Vote("thumbs_up", f"late {i}", trace_id=trace))
        assert counted(a, b) == {("voted", "thumbs_up"): 40}
        assert a.rows("SELECT count(*) FROM waiting_votes")[0][0] == 0
        late = max(a.now, b.now) + 2 * 3600 * SECOND
        assert ratios_of(a.file, late) == ratios_of(b.file, late) == {
            ("shop", "m", "satisfaction"): 1.0}


def test_a_capability_that_is_used_at_both_at_once_is_taken_once(tmp_path: Path) -> None:
    with gateways(tmp_path, "a", "b", takes_votes=True) as (a, b):
        outcomes: list[str] = []

        def use(bench: Bench, i: int) -> None:
            nonce = BurntNonce(f"nonce {i}", bench.now // SECOND + 60)
            outcomes.append(cast(bench, Vote("copy", f"{id(bench)} {i}", trace_id=b"t" * 16),
                                 nonce))

        for i in range(10):
            assert at_once(partial(use, a, i), partial(use, b, i)) == []
        assert sorted(outcomes) == ["burnt"] * 10 + ["taken"] * 10
        assert a.rows("SELECT count(*) FROM votes")[0][0] == 10


def test_a_thumb_that_is_changed_at_another_gateway_is_a_change(tmp_path: Path) -> None:
    with gateways(tmp_path, "a", "b", takes_votes=True) as (a, b):
        trace = os.urandom(16)
        cast(a, Vote("thumbs_up", "one", trace_id=trace, user="alice"))
        cast(b, Vote("thumbs_down", "two", trace_id=trace, user="alice"))
        assert cast(b, Vote("thumbs_up", "one", trace_id=trace, user="alice")) == "repeated"
        a.send(call(trace))
        for bench in (a, b):
            bench.wait()
        assert counted(a, b) == {("voted", "thumbs_up"): 1, ("voted", "thumbs_changed"): 1}
        assert a.rows("SELECT kind FROM votes WHERE final = 1") == [("thumbs_down",)]
