"""Label tuples beyond the cap are folded into one, for good, and no total is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from inferometer import catalogue as c
from inferometer.catalogue import CLIENT_SEATS, OTHER
from inferometer.collector import Deadline
from inferometer.families import Family
from inferometer.guard import Guard
from inferometer.ledger.verification import verify
from inferometer.sinks.metrics import CallsCollector
from inferometer.values import Histogram
from tests.exporter.ledger.making import Bench, call, ledger_in

pytestmark = pytest.mark.usefixtures("each_store")


def shown(bench: Bench) -> dict[c.Metric, Family]:
    """The families as a page has them, behind the guard."""
    collector = CallsCollector(bench.ledger.reading)
    return {family.metric: family
            for family in Guard().admit(collector.collect(Deadline(1)))}


def requests(families: dict[c.Metric, Family], model: str) -> float:
    return sum(value for key, value in families[c.CLIENT_REQUESTS].items()
               if key[1] == model and isinstance(value, float))


def test_models_beyond_the_cap_share_one_series_also_after_a_restart(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        for number in range(CLIENT_SEATS + 20):
            bench.send(call(os.urandom(16), request_model=f"m{number:04}"))
        bench.wait()
        first = shown(bench)
        assert requests(first, OTHER) == 21
        assert requests(first, "m0000") == 1
        assert len({key[:4] for key, _ in first[c.CLIENT_REQUESTS].items()}) == CLIENT_SEATS
        bench.restart()
        bench.send(call(os.urandom(16), request_model="m0000"),
                   call(os.urandom(16), request_model=f"m{CLIENT_SEATS + 10:04}"),
                   call(os.urandom(16), request_model="x" * 300))
        bench.wait()
        again = shown(bench)
        assert requests(again, "m0000") == 2
        assert requests(again, OTHER) == 23
        assert verify(bench.file).differences == []
        assert bench.rows("SELECT model FROM rollups JOIN seats ON id = seat "
                          "WHERE model LIKE 'm%' AND seated = 0 LIMIT 1") != []


def test_each_family_fits_its_catalogue_entry_and_begins_at_0(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        assert all(not [*family.items()] for family in shown(bench).values())
        bench.send(call(time_to_first_token=0.3))
        bench.wait()
        families = shown(bench)
        key = ("openai", "m", "chat", "shop")
        assert families[c.CLIENT_REQUESTS].points[*key, "success", ""] == 1.0
        assert families[c.CLIENT_REQUESTS].points[*key, "rejected", "rate_limit"] == 0.0
        assert families[c.CLIENT_INPUT].points[key] == 100.0
        assert families[c.CLIENT_OUTPUT_REASONING].points[key] == 0.0
        ttft = families[c.CLIENT_TTFT].points[key]
        assert isinstance(ttft, Histogram)
        assert ttft.bounds == c.FIRST_TOKEN_BOUNDS
        assert ttft.counts == tuple(float(bound >= 0.3) for bound in (*ttft.bounds, 1e9))
        assert ttft.total == 0.3
        tpot = families[c.CLIENT_TPOT].points[key]
        assert isinstance(tpot, Histogram)
        assert (tpot.counts[-1], tpot.total) == (1.0, 200_000_000 // 19 / 1e9)


def test_every_default_limit_of_a_call_is_a_bound() -> None:
    for limit, bounds in (("request_duration_p95", c.DURATION_BOUNDS),
                          ("time_to_first_token_p95", c.FIRST_TOKEN_BOUNDS),
                          ("time_per_output_token_p95", c.PER_TOKEN_BOUNDS)):
        assert c.LIMIT_DEFAULTS[limit] in bounds
        assert {0.2, 0.5, 1.0, 2.0} <= {*bounds}
