"""`inferometer review`: a sheet out, labels in, and rates from the rows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inferometer import cli
from inferometer.evaluations import FAITHFULNESS
from tests.exporter.ledger.judging.judged import DOCUMENT, QUESTION, answered
from tests.exporter.ledger.judging.rows import JudgedRows
from tests.exporter.ledger.making import Bench, ledger_in

Ask = Callable[..., tuple[int, str, str]]
FORMULA = "=HYPERLINK(\"http://evil.example\") has cranes."


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A ledger with 60 answers, of which the judge flagged 30, one of them a formula."""
    with ledger_in(tmp_path) as bench:
        rows = JudgedRows(bench.file)
        for i in range(60):
            bench.send(*(facts := answered(FORMULA if i == 0 else f"Answer {i}.")))
            bench.wait()
            rows.add(i < 30, bench.now, trace=facts[1].trace_id, call=0)
        rows.write()
        yield bench


@pytest.fixture
def ask(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Ask:
    def asked(*arguments: object) -> tuple[int, str, str]:
        code = cli.main(["review", *map(str, arguments), "--ledger",
                         str(bench.folder / "ledger.db"), "--key-file",
                         str(bench.folder / "ledger.key"), "--config",
                         str(_config(bench.folder))])
        printed = capsys.readouterr()
        return code, printed.out, printed.err
    return asked


def _config(folder: Path) -> Path:
    """Says that an answer may fail in one of two cases."""
    file = folder / "gateway.yml"
    file.write_text("role: gateway\njudge: {max_unfaithful_ratio: 0.6}\n")
    return file


def labelled(sheet: str, word: Callable[[dict[str, str]], str]) -> str:
    """The sheet, with a label in each row."""
    rows = [*csv.DictReader(io.StringIO(sheet))]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(row | {"label": word(row)} for row in rows)
    return text.getvalue()


def test_answers_that_are_drawn_labelled_and_taken_make_a_corrected_rate(
        ask: Ask, bench: Bench, tmp_path: Path) -> None:
    code, sheet, complaint = ask("label", "--number", 60, "--reviewer", "alice")
    assert (code, complaint) == (0, "")
    rows = [*csv.DictReader(io.StringIO(sheet))]
    assert {*rows[0]} == {"id", "evaluation", "question", "documents", "answer", "label", "note"}
    assert {(row["question"], row["documents"], row["label"]) for row in rows} == {
        (QUESTION, f"[1] {DOCUMENT}", "")}
    assert f"'{FORMULA}" in {row["answer"] for row in rows}
    file = tmp_path / "answers.csv"
    # Of the flagged ones 20 fail, of the others 5.
    file.write_text(labelled(sheet, lambda row: "fail" if int(row["id"]) % 30 in range(1, 21) and (
        int(row["id"]) <= 30 or int(row["id"]) % 30 <= 5) else "pass"))
    bench.file.connection.execute("UPDATE judgements SET judged = judged - 1000000000")
    code, printed, _ = ask("label", file, "--reviewer", "alice")
    assert (code, printed) == (0, "labels of alice: 60 new, 0 changed, 0 as before; 0 skipped, "
                                  "0 without a label\nshop m faithfulness: 30 labels of flagged "
                                  "answers and 30 of others in 28 days; 20 of either make a "
                                  "corrected rate\n")
    assert ask("label", file, "--reviewer", "alice")[1].startswith(
        "labels of alice: 0 new, 0 changed, 60 as before")
    assert bench.rows("SELECT count(*), count(DISTINCT labelled), min(reviewer) "
                      "FROM answer_labels") == [(60, 1, "alice")]
    (rate,) = json.loads(ask("rates", "--format", "json")[1])["rates"]
    assert (rate["service"], rate["evaluation"], rate["judged"], rate["labelled"]) == (
        "shop", FAITHFULNESS, 60, 60)
    assert rate["rate"] == pytest.approx(0.5)
    assert rate["corrected"] == pytest.approx(25 / 60)
    assert rate["corrected_lower"] < 25 / 60 < rate["corrected_upper"]
    assert rate["sensitivity"] == pytest.approx(20 / 25)
    assert rate["specificity"] == pytest.approx(25 / 35)


def test_rates_are_for_people_too(ask: Ask, bench: Bench) -> None:
    code, printed, _ = ask("rates")
    assert code == 0
    head, row, foot = printed.splitlines()
    assert head.split()[:3] == ["service", "model", "evaluation"]
    assert row.split()[:5] == ["shop", "m", "faithfulness", "60", "0.000"] or "0.500" in row
    assert foot.startswith("By judge, prompts p1: 60 verdicts of the random sample since ")
    assert foot.endswith("the last one number 60. One false alarm in 36,500 answers.")


def test_a_sheet_in_a_file_is_for_its_owner_and_never_written_over(
        ask: Ask, tmp_path: Path) -> None:
    out = tmp_path / "answers.csv"
    code, printed, _ = ask("label", "--out", out, "--number", 4)
    assert (code, printed.startswith(f"{out}: 4 answers.")) == (0, True)
    assert out.stat().st_mode & 0o777 == 0o600
    assert out.read_bytes().startswith(b"\xef\xbb\xbf")
    assert ask("label", "--out", out) == (1, "", f"inferometer: {out} exists already\n")
    out.write_text(labelled(out.read_text(encoding="utf-8-sig"), lambda row: "skip"))
    assert "0 new, 0 changed, 0 as before; 4 skipped" in ask("label", out)[1]


def test_of_a_sheet_with_a_mistake_nothing_is_taken_and_its_line_is_named(
        ask: Ask, bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.write_text("id,evaluation,label\n1,faithfulness,fail\n99,faithfulness,pass\n"
                    "2,refusal,pass\n")
    assert ask("label", file) == (1, "", (
        f"inferometer: {file}:3: id: 99 is no answer that was judged for faithfulness\n"
        f"inferometer: {file}:4: id: 2 is no answer that was judged for refusal\n"))
    file.write_text("id,evaluation,label\n1,faithfulness,fail\n2,faithfulness,bad\n")
    assert ask("label", file)[2] == (f"inferometer: {file}:3: label: must be one of pass, fail, "
                                     "skip, not 'bad'\n")
    file.write_bytes("id,evaluation,label,note\n1,faithfulness,fail,größer\n".encode("cp1252"))
    assert "is not in UTF-8: save it as CSV UTF-8" in ask("label", file)[2]
    assert ask("label", tmp_path / "none.csv")[0] == 1
    assert bench.rows("SELECT unit FROM answer_labels") == []


def test_what_is_kept_of_no_answer_is_said_plainly(ask: Ask, bench: Bench) -> None:
    bench.file.connection.execute("DELETE FROM contents WHERE seq > 20")
    code, sheet, complaint = ask("label", "--number", 20)
    assert code == 0
    assert len([*csv.DictReader(io.StringIO(sheet))]) == 10
    assert complaint.splitlines()[0].endswith(
        "answers were drawn of which nothing that was said is kept any more "
        "(content.retention_days): they are left out")
    assert complaint.splitlines()[1].startswith("inferometer: 10 answers, not 20: there are no")
    bench.file.connection.execute("DELETE FROM contents")
    code, sheet, complaint = ask("label", "--number", 20)
    assert (code, sheet) == (1, "")
    assert complaint.startswith("inferometer: 60 answers were drawn")


def test_who_labels_is_a_name(ask: Ask) -> None:
    code, _, complaint = ask("label", "--reviewer", "a" * 101)
    assert (code, "--reviewer: must be a name of at most 100 characters" in complaint) == (2, True)


def test_before_anything_was_judged_there_is_nothing_to_see(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder := tmp_path / "new").mkdir()
    with ledger_in(folder):
        own = "--ledger", str(folder / "ledger.db"), "--key-file", str(folder / "ledger.key")
        assert cli.main(["review", "rates", *own]) == 1
        assert capsys.readouterr().err == "inferometer: nothing was judged yet\n"
        assert cli.main(["review", "label", *own]) == 1
        assert "no judged answer of faithfulness is there" in capsys.readouterr().err
