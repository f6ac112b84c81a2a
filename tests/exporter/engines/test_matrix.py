"""The documents have as many engines and the same support matrices as the tables.

`make golden` writes them anew.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.build.writers import scaling_table
from inferometer import catalogue as c
from inferometer.engines.matrix import claims, number_of_engines, support_matrix
from inferometer.engines.tables import TABLES, sglang, tgi, vllm

ROOT = Path(__file__).parents[3]
ENGINES = [engine for engine in TABLES if engine.name not in c.ROUTERS]
FRONTS = [engine for engine in TABLES if engine.name in c.ROUTERS]
SELDOM = [metric.signal for metric in c.SELDOM_METRICS]
USUAL = [signal for signal in c.SIGNALS if signal not in SELDOM]
MADE = {  # by file, and by the comment before them; another one ends them
    "README.md": {"number of engines": str(number_of_engines(TABLES))},
    "docs/engines.md": {
        "signals of engines": "\n" + support_matrix(ENGINES, USUAL),
        "signals of features": "\n" + support_matrix(ENGINES, SELDOM),
        "signals of fronts": "\n" + support_matrix(FRONTS),
    },
    "docs/scaling.md": {
        "triggers": "\n" + scaling_table.triggers(),
        "triggers by engine": "\n" + scaling_table.by_engine(ENGINES),
    },
}


def cells(matrix: str) -> dict[str, list[str]]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in matrix.splitlines()]
    return {row[0]: row[1:] for row in rows}


def filled(text: str, name: str, content: str) -> str:
    """The text with this content in the one place of this name."""
    between = re.compile(rf"(?<=<!-- {name}; `make golden` -->).+?(?=<!-- /made -->)", re.DOTALL)
    assert len(between.findall(text)) == 1, f"no place for the {name}"
    return between.sub(lambda _: content, text)


@pytest.mark.parametrize("document", MADE)
def test_the_documents_have_what_the_tables_have(document: str) -> None:
    file = ROOT / document
    text = file.read_text()
    made = text
    for name, content in MADE[document].items():
        made = filled(made, name, content)
    if os.environ.get("GOLDEN") == "record":
        file.write_text(text := made)
    assert text == made, f"{document} says other than the tables; run: make golden"


def test_the_matrix_has_every_signal_and_every_engine() -> None:
    matrix = cells(support_matrix(TABLES))
    assert {f"`{signal}`" for signal in c.SIGNALS} < set(matrix)
    assert {*USUAL, *SELDOM} == {*c.SIGNALS}
    assert {name.strip("`") for name in matrix["`engine`"]} == {engine.name for engine in TABLES}
    assert matrix[""] == list(dict.fromkeys(engine.title for engine in TABLES))


def test_a_cell_says_how_a_signal_is_had_and_whether_it_was_seen() -> None:
    matrix = cells(support_matrix((vllm.ENGINE, tgi.ENGINE)))
    assert matrix["`output_tokens`"] == ["yes", "derived"]
    assert matrix["`time_to_first_token`"] == ["yes", ""]
    assert matrix["`lora_adapter_info`"] == ["derived\\*", ""]
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
