"""Who used most: the first ones are the same, whether all are looked at or some."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferometer.facts import Usage
from inferometer.ledger import questions, ranking
from inferometer.ledger.questions import LedgerAnswers, top
from inferometer.ledger.statements import GROUPS
from tests.exporter.ledger.making import Bench, call, ledger_in

pytestmark = pytest.mark.usefixtures("each_store")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ledger_in(tmp_path) as bench:
        yield bench


def fill(bench: Bench, most_tokens: int) -> None:
    """Calls of some users, of which many have the same sums."""
    chance = random.Random(11)
    bench.send(*(
        call(os.urandom(16), user=f"user{chance.randrange(40)}" if chance.random() < 0.9 else "",
             request_model=f"m{chance.randrange(3)}",
             usage=Usage(chance.randrange(most_tokens), output=1)) for _ in range(200)))
    bench.wait()


@pytest.mark.parametrize("most_tokens", [2, 1000])  # with ties and without
@pytest.mark.parametrize("ties", [0, 3])
def test_the_first_ones_are_the_first_of_all(
        bench: Bench, monkeypatch: pytest.MonkeyPatch, most_tokens: int, ties: int) -> None:
    monkeypatch.setattr(questions, "TIES", ties)
    fill(bench, most_tokens)
    answers = LedgerAnswers(bench.file)
    for by in GROUPS:
        everybody = top(answers, by, 0)
        for most in (1, 7, 39, 100):
            assert top(answers, by, 0, most) == everybody[:most]


@pytest.mark.parametrize("unranked", [-1, 1])  # hours at most: by sums alone, and by rankings
def test_users_that_are_left_out_are_not_read(
        bench: Bench, monkeypatch: pytest.MonkeyPatch, unranked: int) -> None:
    fill(bench, 10**6)  # no two have as much
    answers = LedgerAnswers(bench.file)
    names = {name for name, *_ in answers.totals("user", 0, 0)}
    assert len(names) > 30
    monkeypatch.setattr(questions, "TIES", 1)
    monkeypatch.setattr(ranking, "MOST_UNRANKED", unranked)
    assert 5 <= len({name for name, *_ in answers.totals("user", 0, 5)}) <= 6
