"""Answers to label as a sheet of CSV, and the labels that people wrote into one.

Spreadsheets take a cell for a formula that begins with certain signs, and answers hold what
strangers wrote: such a text is written behind an apostrophe, and read without it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from inferometer.documents.mistakes import MOST_LISTED, DocumentError, Mistake
from inferometer.evaluations import FAIL, JUDGED, PASS
from inferometer.outside import cut, shown, spelt
from inferometer.reasons import reason_of

ID, EVALUATION, LABEL, NOTE = "id", "evaluation", "label", "note"
COLUMNS = (ID, EVALUATION, "question", "documents", "answer", LABEL, NOTE)
SKIP = "skip"  # nobody can tell; it may be drawn again
WORDS = (PASS, FAIL, SKIP)
LONGEST_CELL = 32_000  # characters; spreadsheets take 32,767, and break a row that has more
LONGEST_NOTE = 2_000
_GAP = "\n\n"
_MARK = "'"
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", _MARK,
              "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}",
              "\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")
_SEPARATORS = ",;\t"  # as spreadsheets of different countries write them
_BYTE_ORDER_MARK = "\ufeff"


class SheetRow(NamedTuple):
    """An answer that a person is to look at; the judge's verdict is not shown."""

    unit: int
    evaluation: str
    question: str
    documents: Sequence[str]
    answer: str


class SheetLabel(NamedTuple):
    """A label that was written into a sheet."""

    line: int  # of the file
    unit: int
    evaluation: str
    flagged: bool
    note: str


class LabelledSheet(NamedTuple):
    """All of one sheet."""

    labels: Sequence[SheetLabel]
    skipped: int
    unlabelled: int


def sheet_of(rows: Iterable[SheetRow]) -> str:
    """The text of a sheet, with empty cells for the labels."""
    text = io.StringIO()
    # All in quotes: what reads another separator finds none within a cell.
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for row in rows:
        documents = _GAP.join(f"[{i}] {one}" for i, one in enumerate(row.documents, start=1))
        writer.writerow([str(row.unit), row.evaluation, *(
            defused(cut(spelt(cell, "\n\t"), LONGEST_CELL))
            for cell in (row.question, documents, row.answer)), "", ""])
    return text.getvalue()


def defused(text: str) -> str:
    """A text that no spreadsheet takes for a formula; see `restored`."""
    return _MARK + text if text.lstrip(" ").startswith(_DANGEROUS) else text


def restored(text: str) -> str:
    """What it was before it was defused; another text is left as it is."""
    rest = text.removeprefix(_MARK)
    return rest if rest != text and defused(rest) == text else text


def labels_in(text: str, name: str) -> LabelledSheet:
    """The labels of a sheet in a file of this name. Raises DocumentError, for all its mistakes."""
    mistakes: list[Mistake] = []
    labels: dict[tuple[int, str], SheetLabel] = {}
    skipped = unlabelled = 0
    for line, cells in _rows(text, name):
        word = restored(cells[LABEL]).strip().lower()
        if not any(cells.values()):
            continue
        if word in ("", SKIP):
            skipped += word == SKIP
            unlabelled += not word
            continue
        problems = [*_problems(cells, word)]
        mistakes += [Mistake(key, problem, line, name) for key, problem in problems]
        if problems:
            continue
        label = SheetLabel(line, int(restored(cells[ID]).strip()), cells[EVALUATION].strip(),
                           word == FAIL, restored(cells[NOTE]).strip())
        other = labels.setdefault((label.unit, label.evaluation), label)
        if other.flagged != label.flagged:
            mistakes.append(Mistake(LABEL, f"is another one than in line {other.line}, for the "
                                    "same answer", line, name))
    if mistakes:
        raise DocumentError(*mistakes[:MOST_LISTED], more=max(0, len(mistakes) - MOST_LISTED))
    return LabelledSheet([*labels.values()], skipped, unlabelled)


def _problems(cells: dict[str, str], word: str) -> Iterator[tuple[str, str]]:
    """Keys with what is wrong there, of a row with a label."""
    number = restored(cells[ID]).strip()
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        yield ID, f"must be the number of an answer, not {shown(number, 40)!r}"
    if cells[EVALUATION].strip() not in JUDGED:
        yield EVALUATION, f"must be one of {', '.join(JUDGED)}"
    if word not in WORDS:
        yield LABEL, f"must be one of {', '.join(WORDS)}, not {shown(word, 40)!r}"
    if len(cells[NOTE]) > LONGEST_NOTE:
        yield NOTE, f"must have at most {LONGEST_NOTE} characters"


def _rows(text: str, name: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows with the line on which they begin. Raises DocumentError for what is no such sheet."""
    text = text.removeprefix(_BYTE_ORDER_MARK)
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""),
                        delimiter=max(_SEPARATORS, key=first.count))
    csv.field_size_limit(max(csv.field_size_limit(), 2 * LONGEST_CELL))
    try:
        names = [cell.strip().lower() for cell in next(reader, [])]
        if missing := [column for column in (ID, EVALUATION, LABEL) if column not in names]:
            raise DocumentError(Mistake("", "has no column " + ", ".join(missing), 1, name))
        line = reader.line_num + 1
        for row in reader:
            cells = dict(zip(names, row, strict=False))
            yield line, {column: cells.get(column, "") for column in (
                ID, EVALUATION, LABEL, NOTE)}
            line = reader.line_num + 1
    except csv.Error as error:
        raise DocumentError(Mistake("", f"is no CSV: {reason_of(error)}", reader.line_num, name)
                            ) from error
