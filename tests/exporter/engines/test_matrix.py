"""The README has as many engines and the same support matrix as the tables.

`make golden` writes both anew.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from inferometer import catalogue as c
from inferometer.engines.matrix import claims, number_of_engines, support_matrix
from inferometer.engines.tables import TABLES, sglang, tgi, vllm

README = Path(__file__).parents[3] / "README.md"
MADE = {  # by the comment before them; another one ends them
    "number of engines": str(number_of_engines(TABLES)),
    "signals of engines": "\n" + support_matrix(TABLES),
}


def cells(matrix: str) -> dict[str, list[str]]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in matrix.splitlines()]
    return {row[0]: row[1:] for row in rows}


@pytest.mark.parametrize("name", MADE)
def test_the_readme_has_what_the_tables_have(name: str) -> None:
    text = README.read_text()
    between = re.compile(rf"(?<=<!-- {name}; `make golden` -->).*?(?=<!-- /made -->)", re.DOTALL)
    if os.environ.get("GOLDEN") == "record":
        README.write_text(text := between.sub(lambda _: MADE[name], text))
    assert between.findall(text) == [MADE[name]], (
        f"the README's {name} is another than in the tables; run: make golden")


def test_the_matrix_has_every_signal_and_every_engine() -> None:
    matrix = cells(support_matrix(TABLES))
    assert {f"`{signal}`" for signal in c.SIGNALS} < set(matrix)
    assert {name.strip("`") for name in matrix["`engine`"]} == {engine.name for engine in TABLES}
    assert matrix[""] == list(dict.fromkeys(engine.title for engine in TABLES))


def test_a_cell_says_how_a_signal_is_had_and_whether_it_was_seen() -> None:
    matrix = cells(support_matrix((vllm.ENGINE, tgi.ENGINE)))
    assert matrix["`output_tokens`"] == ["yes", "derived"]
    assert matrix["`time_to_first_token`"] == ["yes", ""]
    assert matrix["`spec_decode_draft_tokens`"] == ["yes\\*", ""]
    assert matrix["`max_model_length_tokens`"] == ["yes", "yes"]  # said beside the page
    documented = cells(support_matrix((replace(vllm.ENGINE, evidence="documented"),)))
    assert documented["`output_tokens`"] == ["yes\\*"]


def test_outcomes_and_progress_are_claimed_as_they_are_read() -> None:
    claimed = claims(vllm.ENGINE)
    assert claimed["requests_success"] == "native"
    assert claimed["requests_error"] == "derived"  # completed from HTTP
    assert claimed["last_progress_timestamp"] == "derived"
    assert claims(sglang.ENGINE)["requests_success"] == "derived"  # all less the aborted
    assert claims(tgi.ENGINE)["last_progress_timestamp"] == "unavailable"
