"""What the dearest users cost this month: thousands of users, hour by hour, in a hundred seats."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.facts import ModelCall, Usage
from inferometer.guard import Guard
from inferometer.ledger.counting import HOUR
from inferometer.ledger.dearest import dearest
from inferometer.ledger.errors import LedgerError
from inferometer.ledger.opening import open_beside
from inferometer.ledger.people import forget
from inferometer.ledger.user_costs import UserCosts
from inferometer.pricing import NANO, CallToPrice, PricedCall, PriceSource
from inferometer.sinks.users import UsersCollector
from inferometer.values import Key, Value
from tests.exporter.ledger.making import Bench, call, ledger_in, section

pytestmark = pytest.mark.usefixtures("each_store")

MIDDLE = int(datetime(2026, 11, 15, 12, 30, tzinfo=UTC).timestamp()) * NANO
MONTH_END = int(datetime(2026, 11, 30, 23, 30, tzinfo=UTC).timestamp()) * NANO
USERS = 3000
MODELS = {"local": PricedCall(PriceSource.SELF_HOSTED, 0), "strange": PricedCall(
    PriceSource.UNKNOWN)}


def price(asked: CallToPrice) -> PricedCall:
    """A token costs a thousandth of a dollar."""
    tokens = (asked.usage.input or 0) * NANO // 1000
    return MODELS.get(asked.call.model, PricedCall(PriceSource.HOSTED, tokens))


def asked_by(user: str, tokens: int = 1000, model: str = "m") -> ModelCall:
    return call(os.urandom(16), user=user, usage=Usage(tokens, None, None, 0),
                request_model=model)


class Scene:
    """A ledger, what reckons beside it, and the guard before the page."""

    def __init__(self, bench: Bench, now: int) -> None:
        bench.began = now
        self.bench = bench
        self.costs = UserCosts(lambda: open_beside(section(bench.folder)), lambda: bench.now)
        self.collector = UsersCollector(self.costs.reading)
        self.guard = Guard(lambda: bench.passed)

    def send(self, *calls: ModelCall) -> None:
        self.bench.send(*calls)
        self.bench.wait()

    def page(self) -> Mapping[Key, Value]:
        """What it shows now."""
        (family,) = self.guard.admit(self.collector.collect(Deadline(1)))
        return family.points

    def shown(self) -> Mapping[Key, Value]:
        """The same, reckoned anew."""
        self.costs.reckon()
        return self.page()

    def hash_of(self, user: str) -> Key:
        return (self.bench.file.keys.veil(user),)


def test_the_hundred_dearest_of_thousands_are_shown_hour_by_hour_and_nobody_is_dropped(
        tmp_path: Path) -> None:
    chance = random.Random(7)
    tokens: dict[str, int] = {}
    seated: set[Key] = set()
    changes = 0
    with ledger_in(tmp_path, pricing=price) as bench:
        scene = Scene(bench, MIDDLE)
        for _ in range(6):
            asked = [(f"user-{chance.randrange(USERS)}", int(chance.expovariate(1e-4)) + 1)
                     for _ in range(800)]
            scene.send(*(asked_by(user, count) for user, count in asked))
            for user, count in asked:
                tokens[user] = tokens.get(user, 0) + count
            dear = sorted(tokens, key=lambda user: -tokens[user])[:c.USER_SEATS]
            page = scene.shown()
            assert page == {scene.hash_of(user): tokens[user] / 1000 for user in dear}
            assert scene.page() == page
            changes += len(seated - page.keys())
            seated = {*page}
            bench.passed += 3600
        assert dict(scene.guard.folded().items())["llm_user_cost_usd", "user"] == 0.0
    assert len(tokens) > 2000
    assert changes > 50


def test_a_gauge_over_the_cap_is_dropped_and_counted() -> None:
    guard = Guard()
    collector = UsersCollector(lambda: {f"user-{i}": NANO for i in range(c.USER_SEATS + 1)})
    (family,) = guard.admit(collector.collect(Deadline(1)))
    assert len(family.points) == c.USER_SEATS
    assert (c.OTHER,) not in family.points
    assert dict(guard.folded().items())["llm_user_cost_usd", "user"] == 1.0


def test_who_comes_among_the_dearest_takes_the_seat_of_the_lowest() -> None:
    costs = {"a": 5, "b": 4, "c": 3}
    before = dearest(costs, (), 2)
    assert before == {"a": 5, "b": 4}
    assert dearest(costs | {"c": 6}, before, 2) == {"a": 5, "c": 6}
    assert dearest(costs | {"c": 4}, before, 2) == before  # as dear is not dearer
    assert dearest({"c": 1}, before, 2) == {"c": 1}
    assert dearest({}, before, 2) == {}


def test_a_month_begins_with_nothing(tmp_path: Path) -> None:
    with ledger_in(tmp_path, pricing=price) as bench:
        scene = Scene(bench, MONTH_END)
        scene.send(asked_by("alice"), asked_by("alice", 500), asked_by("bob"))
        assert scene.shown() == {scene.hash_of("alice"): 1.5, scene.hash_of("bob"): 1.0}
        bench.passed += 3600
        assert scene.shown() == {}
        scene.send(asked_by("bob", 2000))
        assert scene.shown() == {scene.hash_of("bob"): 2.0}


def test_who_has_no_name_or_costs_nothing_that_is_known_is_not_shown(tmp_path: Path) -> None:
    with ledger_in(tmp_path, pricing=price) as bench:
        scene = Scene(bench, MIDDLE)
        scene.send(asked_by(""), asked_by("alice", model="local"), asked_by("bob", model="strange"),
                   asked_by("carol"), asked_by("carol", model="strange"))
        assert scene.shown() == {scene.hash_of("carol"): 1.0}


def test_who_is_forgotten_is_gone_with_the_next_reading(tmp_path: Path) -> None:
    with ledger_in(tmp_path, pricing=price) as bench:
        scene = Scene(bench, MIDDLE)
        scene.send(asked_by("alice"), asked_by("bob"))
        assert len(scene.shown()) == 2
        forget(bench.file, "alice")
        assert scene.shown() == {scene.hash_of("bob"): 1.0}


def test_figures_that_cannot_be_reckoned_are_shown_for_two_hours_and_tried_for_every_minute(
        tmp_path: Path) -> None:
    with ledger_in(tmp_path, pricing=price) as bench:
        scene = Scene(bench, MIDDLE)
        scene.send(asked_by("alice"))
        page = scene.shown()
        assert scene.costs._pause() == pytest.approx((HOUR - bench.now % HOUR) / NANO)
        (tmp_path / "ledger.key").rename(tmp_path / "elsewhere")
        bench.passed += 3600
        with pytest.raises(LedgerError):
            scene.costs.reckon()
        assert scene.costs._pause() == 60
        assert scene.page() == page
        bench.passed += 3600
        assert scene.page() == {}
