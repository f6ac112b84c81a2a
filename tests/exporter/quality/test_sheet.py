"""Sheets of answers to label: safe for spreadsheets, and read back as people save them."""

from __future__ import annotations

import contextlib
import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.documents.mistakes import DocumentError
from inferometer.quality.sheet import (
    COLUMNS,
    LONGEST_CELL,
    SheetLabel,
    SheetRow,
    defused,
    labels_in,
    restored,
    sheet_of,
)

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "|calc", "%0A",
            "\N{FULLWIDTH EQUALS SIGN}1", "'=1", "''=1", "=cmd|' /C calc'!A0", '=HYPERLINK("x")')
HEAD = "id,evaluation,label\n"


def cells(text: str) -> list[list[str]]:
    return [*csv.reader(io.StringIO(text))]


def row(answer: str = "yes", question: str = "who?", documents: tuple[str, ...] = ()) -> SheetRow:
    return SheetRow(7, "faithfulness", question, documents, answer)


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_with_a_strangers_words_begins_as_a_formula(text: str) -> None:
    _, (_, _, *texts) = cells(sheet_of([row(text, text, (text,))]))
    for cell in texts:
        assert not cell.lstrip(" ").startswith(tuple("=+-@\t\r\n|%\N{FULLWIDTH EQUALS SIGN}"))
    assert restored(defused(text)) == text


@given(st.text())
def test_any_text_is_the_same_after_it_was_defused_and_restored(text: str) -> None:
    assert restored(defused(text)) == text


def test_a_separator_of_another_country_is_within_quotes() -> None:
    assert '"a;=1+1"' in sheet_of([row("a;=1+1")])


def test_a_sheet_has_what_a_person_needs_and_no_verdict() -> None:
    head, one = cells(sheet_of([row("yes\nand no", "who?", ("first", "second\x1b[2J"))]))
    assert tuple(head) == COLUMNS
    assert one == ["7", "faithfulness", "who?", "[1] first\n\n[2] second\\x1b[2J", "yes\nand no",
                   "", ""]


def test_a_text_that_is_too_long_for_a_cell_is_cut() -> None:
    _, one = cells(sheet_of([row("a" * 100_000)]))
    assert len(one[4]) == LONGEST_CELL
    assert one[4].endswith("…")


def test_labels_are_pass_fail_and_skip_and_what_is_empty_waits() -> None:
    sheet = labels_in(HEAD + "1,faithfulness,pass\n2,faithfulness, FAIL \n3,refusal,skip\n"
                      "4,refusal,\n,,\n", "a.csv")
    assert sheet == ([SheetLabel(2, 1, "faithfulness", False, ""),
                      SheetLabel(3, 2, "faithfulness", True, "")], 1, 1)


@pytest.mark.parametrize("text", [
    "id;evaluation;label;note\n1;faithfulness;fail;'=odd\n",
    "id\tevaluation\tlabel\tnote\n1\tfaithfulness\tfail\t'=odd\n",
    '\ufeff"ID","Evaluation","Label","Note"\r\n"1","faithfulness","fail","\'=odd"\r\n'])
def test_a_sheet_is_read_as_spreadsheets_save_it(text: str) -> None:
    assert labels_in(text, "a.csv").labels == [SheetLabel(2, 1, "faithfulness", True, "=odd")]


def test_a_sheet_with_labels_written_in_is_read_back() -> None:
    head, *rest = cells(sheet_of([row("one\ntwo\nthree"), row("=1")._replace(unit=8)]))
    text = io.StringIO()
    csv.writer(text).writerows([head, *([*one[:5], "fail", ""] for one in rest)])
    assert [(one.line, one.unit, one.flagged) for one in labels_in(
        text.getvalue(), "a.csv").labels] == [(2, 7, True), (5, 8, True)]


@pytest.mark.parametrize(("text", "complaint"), [
    ("", "a.csv:1: has no column id, evaluation, label"),
    ("id,evaluation\n", "a.csv:1: has no column label"),
    (HEAD + "1,faithfulness,pass\n-2,faithfulness,fail\n",
     "a.csv:3: id: must be the number of an answer, not '-2'"),
    (HEAD + "1,truth,pass\n", "a.csv:2: evaluation: must be one of"),
    (HEAD + "1,faithfulness,good\n",
     "a.csv:2: label: must be one of pass, fail, skip, not 'good'"),
    (HEAD + '"1\n\n",faithfulness,pass\n2,faithfulness,=1\n', "a.csv:5: label: must be one of"),
    (HEAD + "1,faithfulness,pass\n1,faithfulness,fail\n",
     "a.csv:3: label: is another one than in line 2, for the same answer"),
    (HEAD + "9" * 30 + ",faithfulness,pass\n", "a.csv:2: id: must be the number"),
])
def test_a_mistake_is_named_with_its_line_and_column(text: str, complaint: str) -> None:
    with pytest.raises(DocumentError) as raised:
        labels_in(text, "a.csv")
    assert complaint in str(raised.value)


@given(st.text(alphabet=st.sampled_from(",;\t\n\r\"'=1a\0")))
def test_whatever_a_file_has_is_labels_or_mistakes(text: str) -> None:
    for begin in ("", HEAD):
        with contextlib.suppress(DocumentError):  # and no other error
            labels_in(begin + text, "a.csv")
