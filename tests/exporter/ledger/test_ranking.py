"""Who leads in an hour is written down, and asked: it says what adding up everybody would say."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferometer.facts import Usage
from inferometer.ledger import ranking
from inferometer.ledger.counting import HOUR
from inferometer.ledger.people import forget
from inferometer.ledger.questions import LedgerAnswers, top
from tests.exporter.ledger.making import SECOND, Bench, call, ledger_in

pytestmark = pytest.mark.usefixtures("each_store")

HOURS, USERS, MOST = 6, 60, 5


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(ranking, "LEADERS", 12)
    with ledger_in(tmp_path) as bench:
        bench.began -= bench.began % HOUR
        bench.ledger.configure(30, 60)
        yield bench


def use(bench: Bench, chance: random.Random, calls: int = 120) -> None:
    """Calls of users of whom the first ones use far more, in this hour."""
    bench.send(*(
        call(os.urandom(16), user=f"user{int(USERS ** chance.random())}",
             request_model=f"m{chance.randrange(2)}",
             usage=Usage(chance.randrange(1, 1000), output=1)) for _ in range(calls)))
    bench.wait()


def pass_hour(bench: Bench) -> None:
    """Until this hour is over, and what is sent in it is settled."""
    end = (bench.now // HOUR + 1) * HOUR + 2 * ranking.REST
    bench.passed = (end - bench.began) / SECOND


def rank(bench: Bench) -> None:
    """What the ledger's thread does once in a while, until there is no more of it."""
    bench.ledger._purge()
    while bench.ledger._purging:
        bench.ledger._purge()


def use_for_hours(bench: Bench, chance: random.Random) -> None:
    for _ in range(HOURS):
        use(bench, chance)
        pass_hour(bench)
        rank(bench)


def ranked(bench: Bench) -> int:
    return len(bench.rows("SELECT hour FROM ranked_hours"))


def require_agreement(bench: Bench) -> None:
    """The first users of every window are those of everybody's sums."""
    answers, last = LedgerAnswers(bench.file), bench.now // HOUR
    for hour in (0, *range(last - HOURS - 1, last + 1)):
        everybody = top(answers, "user", hour * HOUR)
        for most in (1, MOST):
            assert top(answers, "user", hour * HOUR, most) == everybody[:most]


def rankings_suffice(bench: Bench, most: int = MOST) -> bool:
    """Whether rankings tell the first users of all hours."""
    return ranking.totals_of_first(bench.file, 0, most, 20) is not None


def test_rankings_say_what_adding_up_everybody_says(bench: Bench) -> None:
    chance = random.Random(3)
    use_for_hours(bench, chance)
    use(bench, chance)  # the hour that is not over
    assert ranked(bench) == HOURS
    assert rankings_suffice(bench)
    require_agreement(bench)


def test_an_hour_to_which_something_is_added_late_is_ranked_anew(bench: Bench) -> None:
    use_for_hours(bench, random.Random(4))
    late = [call(os.urandom(16), user="late", usage=Usage(10**6, output=1)) for _ in range(3)]
    for back, one in enumerate(late, start=2):  # as after an outage of the gateway
        bench.passed -= back * 3600.0
        bench.send(one)
        bench.passed += back * 3600.0
    bench.wait()
    assert ranked(bench) == HOURS - len(late)
    require_agreement(bench)
    pass_hour(bench)
    rank(bench)
    assert ranked(bench) == HOURS
    require_agreement(bench)
    first = top(LedgerAnswers(bench.file), "user", 0, 1)[0]
    assert first.figures["input"] == len(late) * 10**6


def test_a_user_who_is_forgotten_leads_no_more(bench: Bench) -> None:
    use_for_hours(bench, random.Random(5))
    hashed = bench.file.keys.veil("user1")
    assert hashed in {user for (user,) in bench.rows('SELECT "user" FROM leaders')}
    forget(bench.file, "user1")
    assert hashed not in {user for (user,) in bench.rows('SELECT "user" FROM leaders')}
    require_agreement(bench)


def test_rankings_go_with_the_sums_of_their_hours(bench: Bench) -> None:
    use_for_hours(bench, random.Random(6))
    bench.ledger.configure(1, 1)
    bench.passed += 25 * 3600.0
    rank(bench)
    assert bench.rows("SELECT hour FROM rollups") == bench.rows("SELECT hour FROM leaders") == []
    assert ranked(bench) == 0


def test_after_a_restart_rankings_are_there_and_those_that_lack_are_made(bench: Bench) -> None:
    use_for_hours(bench, random.Random(7))
    for table in ("ranked_hours", "leaders"):
        bench.file.connection.execute(f"DELETE FROM {table} WHERE hour % 2 = 0")
    bench.restart()
    bench.ledger.configure(30, 60)
    require_agreement(bench)
    rank(bench)
    assert ranked(bench) == HOURS
    require_agreement(bench)


def test_where_users_use_alike_all_are_added_up(bench: Bench) -> None:
    for _ in range(HOURS):
        bench.send(*(call(os.urandom(16), user=f"user{i}") for i in range(USERS)))
        bench.wait()
        pass_hour(bench)
        rank(bench)
    assert not rankings_suffice(bench)
    require_agreement(bench)


def test_where_many_hours_are_not_ranked_all_are_added_up(
        bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    use_for_hours(bench, random.Random(8))
    assert rankings_suffice(bench)
    bench.file.connection.execute("DELETE FROM ranked_hours")
    bench.file.connection.execute("DELETE FROM leaders")
    monkeypatch.setattr(ranking, "MOST_UNRANKED", HOURS - 1)
    assert not rankings_suffice(bench)
    require_agreement(bench)
