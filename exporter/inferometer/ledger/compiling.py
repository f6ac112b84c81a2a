"""Compiles statements of SQLAlchemy Core for SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Table, bindparam, literal_column, null
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement, ColumnElement

_DIALECTS: dict[str, Dialect] = {  # their makers have no types
    "sqlite": sqlite.dialect(),
    "postgresql": postgresql.dialect(paramstyle="format")}  # type: ignore[no-untyped-call]


class Insertion(NamedTuple):
    """New rows of a table: a statement, or for who has other means what it does."""

    text: str
    table: str
    columns: Sequence[str]  # that are bound, and after them those that are the same in all rows
    fixed: Sequence[int | str | None]


class Compiler:
    """Makes texts in one database's dialect."""

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect

    def _text(self, statement: ClauseElement) -> str:
        return str(statement.compile(dialect=_DIALECTS[self._dialect]))

    def _insertion(self, table: Table, **fixed: int | str | None) -> Insertion:
        bound = [column.name for column in table.c if column.name not in fixed]
        statement = self._fixed(table, **fixed) if fixed else self._insert(table)
        return Insertion(self._text(statement), table.name, [*bound, *fixed], [*fixed.values()])

    def _insert(self, table: Table) -> sqlite.Insert:
        # Both have the same clauses; a type for both there is none. Inline: else one whose key is a
        # literal returns it, and Python 3.13 writes no second row of such a statement.
        return sqlite.insert(table).inline() if self._dialect == "sqlite" else (
            postgresql.insert(table).inline())  # type: ignore[return-value]  # see above

    def _fixed(self, table: Table, **fixed: int | str | None) -> sqlite.Insert:
        """An insert of rows that have the same in these columns; the others are bound."""
        return self._insert(table).values({column.name: bindparam(f"{column.name}_")
                                           if column.name not in fixed
                                           else _literal(fixed[column.name])
                                           for column in table.c})

    def _upsert(self, table: Table, set_: tuple[str, ...] = (), add: tuple[str, ...] = ()
                ) -> ClauseElement:
        insert = self._insert(table)
        return insert.on_conflict_do_update(
            index_elements=[*table.primary_key.columns.keys()],
            set_={name: insert.excluded[name] for name in set_} | {
                name: table.c[name] + insert.excluded[name] for name in add})


def _literal(value: int | str | None) -> ColumnElement[Any]:
    return null() if value is None else literal_column(
        f"'{value}'" if isinstance(value, str) else str(value))
