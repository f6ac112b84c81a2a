"""What statements must not have, whichever Python and database they are for."""

from __future__ import annotations

import pytest

from inferometer.ledger.compiling import Insertion
from inferometer.ledger.statements import Statements


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_what_inserts_many_rows_returns_none_as_python_3_13_would_stop_at_the_first(
        dialect: str) -> None:
    statements = Statements(dialect)
    texts = [value.text if isinstance(value, Insertion) else value
             for value in (*vars(statements).values(), *vars(statements.ranking).values())
             if isinstance(value, str | Insertion)]
    insertions = [text for text in texts if text.startswith("INSERT")]
    assert len(insertions) > 15
    assert [text for text in insertions if "RETURNING" in text] == []
