"""The document has the same names as the tables; `make golden` writes it anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from inferometer.spans.flavours import FLAVOURS, vocabulary
from inferometer.spans.flavours.mapping import mapping
from inferometer.spans.flavours.table import Flavour
from tests.exporter.engines.test_matrix import filled

DOCUMENT = Path(__file__).parents[3] / "docs" / "telemetry.md"


def test_the_document_has_what_the_tables_have() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    made = filled(text, "names of instrumentations", "\n" + mapping(FLAVOURS))
    if os.environ.get("GOLDEN") == "record":
        DOCUMENT.write_text(text := made, encoding="utf-8")
    assert text == made, "docs/telemetry.md says other than the tables; run: make golden"


@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
def test_every_name_of_a_table_is_read_from_a_span(flavour: Flavour) -> None:
    words = vocabulary(content=False)
    names = {*flavour.marks, *(step.attribute for step in flavour.steps), *flavour.long}
    for sources in flavour.fields.values():
        names |= {source if isinstance(source, str) else source.attribute for source in sources
                  if isinstance(source, str) or not source.event}
    assert [name for name in sorted(names) if not words.reads(name.replace("*", "word"))] == []
    assert [name for name in flavour.first_token_events if not words.reads_event(name)] == []


def test_no_two_tables_claim_one_scope_or_mark() -> None:
    claims = [claim for flavour in FLAVOURS for claim in (*flavour.scopes, *flavour.marks)]
    assert len(claims) == len(set(claims))
    assert len({flavour.name for flavour in FLAVOURS}) == len(FLAVOURS)
