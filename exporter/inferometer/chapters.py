"""Chapters of a report that explains something: titled tables, for a person and for a program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from inferometer.outside import on_one_line, without_secrets

Cells = tuple[str, ...]  # of one row


@dataclass(frozen=True)
class Chapter:
    """A titled table of what there is to say; `columns` are the names of its cells.

    `headed`: a person needs the names of the columns too.
    """

    title: str
    columns: Cells
    rows: tuple[Cells, ...]
    headed: bool = False


def as_text(chapters: Iterable[Chapter], most: int | None = None) -> Iterator[str]:
    """The lines of a report for a person, of each chapter at most so many rows.

    No cell of it can command a terminal.
    """
    for number, chapter in enumerate(chapters):
        if number:
            yield ""
            yield chapter.title
        rows = [[*map(on_one_line, row)] for row in chapter.rows[:most]] or [["none"]]
        if chapter.headed and chapter.rows:
            rows.insert(0, [*chapter.columns])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            yield f"  {'  '.join(cells)}".rstrip()
        if most is not None and len(chapter.rows) > most:
            yield f"  … and {len(chapter.rows) - most} more; --json has them all"


def as_data(chapters: Iterable[Chapter]) -> dict[str, list[dict[str, str]]]:
    """The same as data for a program: rows by the chapter's title, in full."""
    return {chapter.title: [dict(zip(chapter.columns, map(without_secrets, row), strict=True))
                            for row in chapter.rows]
            for chapter in chapters}
