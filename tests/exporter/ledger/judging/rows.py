"""Rows of judged answers and labels, as runners and reviewers write them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from inferometer.evaluations import FAITHFULNESS, RANDOM, JudgementResult
from inferometer.ledger.compiling import Compiler
from inferometer.ledger.database import Database
from inferometer.ledger.schema import ANSWER_LABELS, JUDGED_UNITS, JUDGEMENTS, JUDGES

ENDED = 1  # a unit's state, once it is judged
MILLIARD, MILLION = 1_000_000_000, 1_000_000
JUDGE = 1


def write(database: Database, table: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows, by the names of their columns."""
    insertion = Compiler(database.dialect)._insertion(table)
    with database.transaction():
        database.insert(insertion, [tuple(row[name] for name in insertion.columns)
                                    for row in rows])


class JudgedRows:
    """Writes verdicts one after the other, of answers of their own."""

    def __init__(self, database: Database, judge: int = JUDGE, number: int = 0) -> None:
        self.database, self.judge, self.number = database, judge, number
        self._units: list[dict[str, Any]] = []
        self._judgements: list[dict[str, Any]] = []
        write(database, JUDGES, [{"id": judge, "model": "judge", "prompts": f"p{judge}",
                                  "seen": judge}])

    def add(self, flagged: bool | None, judged: int, **fields: Any) -> int:
        """One more verdict, to be written; the number of its answer, and its own."""
        self.number += 1
        unit = fields.pop("unit", self.number)
        row = {"evaluation": FAITHFULNESS, "result": JudgementResult.JUDGED.value,
               "score": None, "stratum": RANDOM, "probability": 0.01, "service_name": "shop",
               "model": "m", "conversation": "", "trace": os.urandom(16), "call": self.number,
               "arrived": judged} | fields
        self._units.append({name: row[name] for name in (
            "trace", "stratum", "call", "arrived", "service_name", "model", "conversation")} | {
            "id": unit, "day": row["arrived"] // (86_400 * 10**9), "digest": os.urandom(16),
            "probability": round(row["probability"] * MILLIARD), "state": ENDED, "tries": 1,
            "due": 0})
        self._judgements.append({
            "number": self.number, "unit": unit, "evaluation": row["evaluation"],
            "judge": self.judge, "result": row["result"],
            "flagged": None if flagged is None else int(flagged),
            "score": None if row["score"] is None else round(row["score"] * MILLION),
            "judged": judged, "reasons": None})
        return self.number

    def write(self) -> None:
        """Write what was added."""
        write(self.database, JUDGED_UNITS, self._units)
        write(self.database, JUDGEMENTS, self._judgements)
        self._units, self._judgements = [], []


def label(database: Database, unit: int, flagged: bool, labelled: int,
          reviewer: str = "alice", evaluation: str = FAITHFULNESS) -> None:
    """Write a label."""
    write(database, ANSWER_LABELS, [{
        "unit": unit, "evaluation": evaluation, "reviewer": reviewer, "flagged": int(flagged),
        "labelled": labelled, "note": None}])


def unlabel(database: Database, first: int, last: int) -> None:
    """Remove all labels of answers from one to another."""
    database.connection.execute(
        f"DELETE FROM answer_labels WHERE unit BETWEEN {int(first)} AND {int(last)}")
