"""Ledgers with rows of every kind, of which no application has to be asked."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from inferometer.catalogue import CLIENT_ERRORS
from inferometer.ledger.counting import BILLION, HOUR, TOKENS, CountedRow
from inferometer.ledger.file import File
from inferometer.ledger.file_opening import open_beside
from inferometer.ledger.questions import AskedStore, LedgerAnswers, Top, top
from inferometer.ledger.seats import SeatTable
from inferometer.ledger.store import load_seats, write_rows
from inferometer.pricing import PriceSource
from tests.exporter.ledger.making import Bench

DAY = 24 * HOUR
MIDNIGHT = 20_000 * DAY
KINDS = ("call", "call", "call", "tool", "run", "retrieval", "rerank", "evaluation", "feedback")


def random_row(chance: random.Random, seq: int, arrived: int, seats: SeatTable) -> CountedRow:
    """Any row that a ledger may have, and some that none has had yet."""
    kind = chance.choice(KINDS)
    is_call = kind == "call"
    outcome = chance.choice([*CLIENT_ERRORS])

    def sometimes(number: int) -> int | None:
        return chance.choice((None, 0, chance.randrange(number)))

    seat = seats.id_of((
        kind, chance.choice(("", "openai", "ollama")) if is_call else "",
        chance.choice(("", "m", "größer", "it's \\ a\tmodel")) if is_call else "",
        "chat" if is_call else "", chance.choice(("shop", "bot")),
        "" if is_call else chance.choice(("find", "book"))))
    outcomes = CLIENT_ERRORS[outcome] or ("",)
    row = CountedRow(
        seq, kind, arrived, seat, chance.choice((None, "alice", "bob", "carol")),
        chance.choice((None, "talk-1", "talk-2")), outcome, chance.choice(outcomes),
        chance.choice((0, 1, 1, 3)) if is_call else 1, chance.choice((0, 1, 1)) if is_call else 0,
        chance.choice(("known", "known", "missing", "impossible")) if is_call else "")
    if not is_call:
        return row._replace(
            duration=sometimes(10**11), documents=sometimes(30),
            run_calls=sometimes(30) if kind == "run" else None,
            run_tools=sometimes(30) if kind == "run" else None,
            checks=chance.choice(("", "p", "f", "u")) if kind == "evaluation" else "",
            score=sometimes(BILLION) if kind == "evaluation" else None)
    numbers: dict[str, Any] = {
        name: sometimes(10**6 if name in TOKENS else 10**11)
        for name in (*TOKENS, "duration", "first_token", "queue", "prefill", "decode", "cost")}
    return row._replace(
        **numbers, priced=chance.choice(("", *(one.value for one in PriceSource))),
        over_cost=chance.randrange(2), within_limits=chance.randrange(2),
        place=chance.randrange(5), checks=chance.choice(("", "pu----pf", "--pf-ppp")))


class Fill:
    """Writes rows into a ledger as settling does, and moves on from where facts may be pending."""

    def __init__(self, bench: Bench, seed: int = 1) -> None:
        self.bench, self.chance = bench, random.Random(seed)
        self.seats = load_seats(bench.file)
        self.seq = 0
        self.written: list[CountedRow] = []

    def rows(self, number: int, begin: int = MIDNIGHT - HOUR, span: int = 2 * HOUR,
             settled: bool = True) -> Sequence[CountedRow]:
        """So many more, which arrived over this span of time."""
        rows = [random_row(self.chance, self.seq + i, begin + span * i // number, self.seats)
                for i in range(1, number + 1)]
        self.seq += number
        self.put(rows)
        if settled:
            self.settled()
        return rows

    def put(self, rows: Sequence[CountedRow]) -> None:
        with self.bench.file.transaction():
            write_rows(self.bench.file, rows, self.seats)
        self.seats.unsaved.clear()
        self.written += rows

    def settled(self, until: int | None = None) -> None:
        """All facts up to this number have settled; all, if none is given."""
        with self.bench.file.transaction() as connection:
            connection.execute(self.bench.file.statements.put_meta, (
                "pending_from", str((self.seq if until is None else until) + 1)))


def beside(bench: Bench) -> File:
    return open_beside(bench.folder / "ledger.db", bench.folder / "ledger.key")


def tops(answers: AskedStore, since: int = 0, groups: Iterable[str] = ("user", "tool")
         ) -> Mapping[str, Sequence[Top]]:
    """What is asked of who used most."""
    return {by: top(answers, by, since) for by in groups}


def truth(bench: Bench, since: int = 0, groups: Iterable[str] = ("user", "tool")
          ) -> Mapping[str, Sequence[Top]]:
    """What the ledger itself answers."""
    return tops(LedgerAnswers(bench.file), since, groups)
