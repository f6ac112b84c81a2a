"""How `inferometer ledger` prints: tables for a person, csv and json for a program."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from inferometer.outside import as_json, shown

TableCell = str | float | None
ALWAYS = ("requests", "input", "output")  # columns that a table shows even where all is 0


def print_as(form: str, columns: Sequence[str], rows: Sequence[Sequence[TableCell]],
             data: object) -> None:
    """Print rows as csv, or data as json."""
    if form == "json":
        print(as_json(data, indent=2))
    else:
        writer = csv.writer(sys.stdout)
        writer.writerow(columns)
        writer.writerows(rows)


def table(columns: Sequence[str], rows: Sequence[Sequence[TableCell]]) -> list[str]:
    """Lines of a table without the columns in which there is nothing."""
    kept = [i for i, name in enumerate(columns)
            if not i or name in ALWAYS or any(row[i] for row in rows)]
    lines = [[columns[i].replace("_", " ") for i in kept],
             *([cell(row[i]) for i in kept] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(text.rjust(width) if i else text.ljust(width)
                      for i, (text, width) in enumerate(zip(line, widths, strict=True))).rstrip()
            for line in lines]


def cell(value: TableCell) -> str:
    """As a person reads it."""
    if isinstance(value, str):
        return shown(value) or "-"
    return "-" if value is None else f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"


def moment(nanoseconds: int) -> str:
    """In ISO 8601, of Unix nanoseconds."""
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).isoformat(timespec="seconds")


def print_facts(form: str, facts: Mapping[str, TableCell]) -> None:
    """Print what is known of one thing, by its names."""
    if form == "table":
        width = max(map(len, facts))
        print("\n".join(f"{name.ljust(width)}  {cell(value)}" for name, value in facts.items()))
    else:
        print_as(form, [*facts], [[*facts.values()]], facts)
