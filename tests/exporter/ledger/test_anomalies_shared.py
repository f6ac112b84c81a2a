"""What is expected with several gateways on one database: the same at each, of all their calls."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("psycopg")

from inferometer.facts import Usage  # after what may skip all of it
from inferometer.ledger.anomalies import UsageHistory
from inferometer.ledger.counting import HOUR
from tests.exporter.ledger.making import SECOND, call
from tests.exporter.ledger.shared import gateways

pytestmark = pytest.mark.usefixtures("in_postgres")
WEEK = 168 * 3600  # seconds


def test_two_gateways_that_share_an_hour_judge_it_together_and_say_the_same(
        tmp_path: Path) -> None:
    with gateways(tmp_path, "a", "b") as (a, b):
        for bench in (a, b):
            bench.began -= bench.began % HOUR
        for weeks, tokens in enumerate((100, 100, 100, 300)):
            for bench in (a, b):
                bench.passed = weeks * WEEK + 600
                bench.send(*(call(os.urandom(16), usage=Usage(tokens, None, None, 0))
                             for _ in range(20)))  # fewer than an hour takes
            for bench in (a, b):  # each settles what has come to either
                bench.wait()
        later = max(a.now, b.now) // HOUR * HOUR + HOUR + 121 * SECOND
        judged = [UsageHistory().judged(bench.file, later) for bench in (a, b)]
        assert judged[0] == judged[1]
        tokens_of_shop = judged[0]["shop", "tokens"]
        assert tokens_of_shop.value == 300
        assert tokens_of_shop.band is not None
        assert [*tokens_of_shop.band] == pytest.approx([80, 100, 120])
        assert tokens_of_shop.unexpected == 1
