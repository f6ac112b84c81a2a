"""Labels of judged answers: drawn without the verdict, written once, undone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from inferometer import cli
from inferometer.evaluations import FAITHFULNESS, REFUSAL, VOTED, JudgementResult
from inferometer.facts import ModelCall
from inferometer.ledger.judging import counters
from inferometer.ledger.judging.labels import (
    LabelDraw,
    NewLabel,
    UnknownAnswersError,
    draw,
    label_of,
    undo,
    write,
)
from inferometer.ledger.judging.reading import labels_of
from inferometer.quality.rates.labels import AnswerStream
from tests.exporter.ledger.judging.judged import DOCUMENT, QUESTION, answered
from tests.exporter.ledger.judging.rows import JudgedRows
from tests.exporter.ledger.making import SECOND, Bench, ledger_in

pytestmark = pytest.mark.usefixtures("each_store")
DAY = 86_400 * SECOND


class Reviewed:
    """A ledger with answers that were said, judged and not labelled yet."""

    def __init__(self, bench: Bench, flagged: int = 6, judged: int = 18) -> None:
        self.bench = bench
        self.rows = JudgedRows(bench.file)
        self.flagged: dict[int, bool] = {}
        self.answers: dict[int, str] = {}
        for i in range(judged):
            self.add(i < flagged)
        self.rows.write()

    def add(self, flagged: bool) -> int:
        """An answer, with its verdict."""
        answer = f"Answer {len(self.answers)} of many cranes."
        facts = answered(answer)
        self.bench.send(*facts)
        self.bench.wait()
        ((number,),) = self.bench.rows("SELECT max(seq) FROM counted WHERE kind = 'call'")
        assert isinstance(facts[1], ModelCall)
        unit = self.rows.add(flagged, self.bench.now, trace=facts[1].trace_id, call=number)
        self.flagged[unit], self.answers[unit] = flagged, answer
        return unit

    def draw(self, many: int, reviewer: str = "alice", evaluation: str = FAITHFULNESS,
             seed: int = 1) -> LabelDraw:
        return draw(self.bench.file, evaluation, many, reviewer, self.bench.now, Random(seed))

    def write(self, *labels: NewLabel, reviewer: str = "alice") -> tuple[int, ...]:
        return write(self.bench.file, labels, reviewer, lambda: self.bench.now)

    def table(self) -> list[tuple[object, ...]]:
        return sorted(map(tuple, self.bench.rows(
            "SELECT unit, reviewer, flagged, labelled, note FROM answer_labels")))

    def labelled(self) -> int:
        """What the page has of it."""
        with self.bench.file.snapshot():
            reading = counters.read(self.bench.file)
        return sum(value for (_, name, part), value in reading.counters.items()
                   if (name, part) == ("sample", "labelled"))


@pytest.fixture
def reviewed(tmp_path: Path) -> Iterator[Reviewed]:
    with ledger_in(tmp_path) as bench:
        yield Reviewed(bench)


def test_half_of_a_draw_is_flagged_and_half_is_not_in_a_random_order(reviewed: Reviewed) -> None:
    orders = set()
    for seed in range(5):
        drawn = reviewed.draw(8, seed=seed)
        orders.add(tuple(reviewed.flagged[one.unit] for one in drawn.answers))
        assert sum(reviewed.flagged[one.unit] for one in drawn.answers) == 4
        assert len({one.unit for one in drawn.answers}) == 8
        assert drawn.is_complete
    assert len(orders) > 1
    assert {one.unit for seed in range(12) for one in reviewed.draw(8, seed=seed).answers} == {
        *reviewed.flagged}


def test_an_answer_is_drawn_with_what_was_asked_and_brought_and_no_verdict(
        reviewed: Reviewed) -> None:
    one = reviewed.draw(2).answers[0]
    assert (one.content.question, one.content.documents[0], one.content.answer) == (
        QUESTION, DOCUMENT, reviewed.answers[one.unit])
    assert "flagged" not in repr(one)


def test_what_a_reviewer_has_labelled_is_not_drawn_again_for_them(reviewed: Reviewed) -> None:
    while drawn := reviewed.draw(8).answers:
        reviewed.write(*(NewLabel(one.unit, FAITHFULNESS, True) for one in drawn))
    assert len(reviewed.table()) == 18
    assert reviewed.draw(8) == ((), 0, False)
    assert len(reviewed.draw(8, "bob").answers) == 8


def test_where_one_side_has_too_few_there_are_no_more_of_the_other(reviewed: Reviewed) -> None:
    drawn = reviewed.draw(18)
    assert sum(reviewed.flagged[one.unit] for one in drawn.answers) == 6
    assert (len(drawn.answers), drawn.is_complete) == (15, False)


def test_only_verdicts_of_the_sample_by_the_present_judge_in_28_days_are_drawn(
        reviewed: Reviewed) -> None:
    now = reviewed.bench.now
    reviewed.rows.add(True, now, stratum=VOTED)
    reviewed.rows.add(None, now)
    reviewed.rows.add(None, now, result=JudgementResult.NONSENSE.value)
    reviewed.rows.add(True, now, evaluation=REFUSAL)
    reviewed.rows.write()
    drawn = reviewed.draw(100)
    assert {one.unit for one in drawn.answers} <= {*reviewed.flagged}
    assert drawn.without_content == 0
    reviewed.bench.passed += 28 * 86_400
    assert reviewed.draw(100) == ((), 0, False)
    reviewed.bench.passed -= 28 * 86_400
    JudgedRows(reviewed.bench.file, judge=2, number=1000)
    assert reviewed.draw(100) == ((), 0, False)


def test_what_has_no_content_left_is_left_out_and_counted(reviewed: Reviewed) -> None:
    reviewed.bench.file.connection.execute(
        "DELETE FROM contents WHERE seq IN (SELECT call FROM judged_units WHERE id <= 9)")
    drawn = reviewed.draw(100)
    assert (len(drawn.answers), drawn.without_content) == (9, 9)
    reviewed.bench.file.connection.execute("DELETE FROM contents")
    assert reviewed.draw(100) == ((), 18, False)


def test_a_label_is_kept_with_who_and_when_and_to_say_it_again_changes_nothing(
        reviewed: Reviewed) -> None:
    one, other = sorted(reviewed.flagged)[:2]
    labels = NewLabel(one, FAITHFULNESS, True, "seven?"), NewLabel(other, FAITHFULNESS, False)
    begin = reviewed.bench.now
    assert reviewed.write(*labels) == (2, 0, 0)
    reviewed.bench.passed += 60
    assert reviewed.write(*labels) == (0, 0, 2)
    rows = [(one, "alice", 1, begin, "seven?"), (other, "alice", 0, begin, None)]
    assert reviewed.table() == rows
    assert reviewed.write(labels[1]._replace(flagged=True)) == (0, 1, 0)
    assert reviewed.table() == [rows[0], (other, "alice", 1, reviewed.bench.now, None)]
    assert reviewed.write(labels[0], reviewer="bob") == (1, 0, 0)
    assert reviewed.labelled() == 2  # answers
    assert label_of(reviewed.bench.file, one, FAITHFULNESS, "alice") == (
        one, FAITHFULNESS, "alice", True, begin)


def test_of_labels_with_one_of_an_unknown_answer_none_is_written(reviewed: Reviewed) -> None:
    answer = min(reviewed.flagged)
    with pytest.raises(UnknownAnswersError) as raised:
        reviewed.write(NewLabel(answer, FAITHFULNESS, True), NewLabel(999, FAITHFULNESS, True),
                       NewLabel(answer, REFUSAL, True))
    assert raised.value.answers == [(999, FAITHFULNESS), (answer, REFUSAL)]
    assert reviewed.table() == []
    assert reviewed.labelled() == 0


def test_labels_that_cannot_all_be_written_are_not_there(reviewed: Reviewed) -> None:
    labels = [NewLabel(unit, FAITHFULNESS, True) for unit in reviewed.flagged]

    def full(calls: list[int] = []) -> int:  # noqa: B006 - it counts its calls
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk"):
        write(reviewed.bench.file, labels, "alice", full)
    with reviewed.bench.full("counters"), pytest.raises(Exception, match="full"):
        reviewed.write(*labels)
    assert reviewed.table() == []
    assert reviewed.write(*labels) == (18, 0, 0)


def test_a_label_is_undone_by_who_gave_it(reviewed: Reviewed) -> None:
    unit = min(reviewed.flagged)
    reviewed.write(NewLabel(unit, FAITHFULNESS, True))
    reviewed.write(NewLabel(unit, FAITHFULNESS, False), reviewer="bob")
    assert undo(reviewed.bench.file, unit, FAITHFULNESS, "alice")
    assert not undo(reviewed.bench.file, unit, FAITHFULNESS, "alice")
    assert label_of(reviewed.bench.file, unit, FAITHFULNESS, "alice") is None
    assert [row[1] for row in reviewed.table()] == ["bob"]


def test_a_label_is_read_beside_the_verdict_of_the_same_judge(reviewed: Reviewed) -> None:
    unit = next(unit for unit, flagged in reviewed.flagged.items() if flagged)
    reviewed.write(NewLabel(unit, FAITHFULNESS, False))
    stream = AnswerStream("shop", "m", FAITHFULNESS)
    assert labels_of(reviewed.bench.file, 1) == [
        (stream, unit, "alice", False, True, reviewed.bench.now)]
    assert labels_of(reviewed.bench.file, 2) == []


def test_what_was_never_said_is_no_answer(reviewed: Reviewed) -> None:
    reviewed.rows.add(True, reviewed.bench.now, trace=os.urandom(16))
    reviewed.rows.write()
    assert reviewed.draw(100).without_content == 1


def test_labels_are_taken_for_a_gateway_that_shows_how_many_there_are(
        tmp_path: Path, in_postgres: object, capsys: pytest.CaptureFixture[str]) -> None:
    sheet, config = tmp_path / "a.csv", tmp_path / "gateway.yml"
    with ledger_in(tmp_path) as bench:
        reviewed = Reviewed(bench, flagged=1, judged=1)
        sheet.write_text("id,evaluation,label\n1,faithfulness,fail\n")
        for gateway, code in (("elsewhere", 1), ("gateway", 0)):
            config.write_text(f"role: gateway\nledger: {{dsn_file: {tmp_path}/dsn, key_file: "
                              f"{tmp_path}/ledger.key, gateway: {gateway}}}\n")
            assert cli.main(["review", "label", str(sheet), "--config", str(config)]) == code
            assert ("has no gateway 'elsewhere'" in capsys.readouterr().err) == bool(code)
            assert reviewed.labelled() == 1 - code
