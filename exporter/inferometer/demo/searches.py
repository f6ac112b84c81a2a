"""Searches of the demo's applications: documents for a question, and their better order.

Names of searches are those of docs/gen-ai/gen-ai-spans.md of
open-telemetry/semantic-conventions-genai, those of rerankings OpenInference's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from inferometer.demo.handbook import PAGES, Handbook
from inferometer.demo.telemetry import CLIENT, INTERNAL, NANO, SpanPlace, attributes, new_id, step

EMPTY_SHARE = 0.04  # of searches
SEARCH_SECONDS, RERANK_SECONDS = 0.045, 0.03  # of a typical one
SWAPS = 0, 3  # of neighbours, by which a reranking changes an order


@dataclass(frozen=True)
class Index:
    """What an application searches: how many documents it asks for, and what reranks them."""

    name: str
    system: str
    documents: int
    handbook: Handbook
    reranker: str = ""  # none


def found_pages(index: Index, dice: Random) -> Sequence[int]:
    """The pages that a search comes back with; now and then there are none."""
    if dice.random() < EMPTY_SHARE:
        return ()
    return dice.sample(range(PAGES), dice.randint(2, index.documents))


def searched(index: Index, pages: Sequence[int], place: SpanPlace, end: int, dice: Random
             ) -> Iterator[Mapping[str, Any]]:
    """The spans of a search that found these and of a reranking, of which the last ends then."""
    took = int(RERANK_SECONDS * dice.lognormvariate(0, 0.3) * NANO) if index.reranker else 0
    before = [f"page-{number}" for number in pages]
    if before and index.reranker:
        yield _reranked(index, place, (end - took, end), before, dice)
    search = int(SEARCH_SECONDS * dice.lognormvariate(0, 0.5) * NANO)
    documents = json.dumps([{"id": name, "content": index.handbook.page(number)}
                            for name, number in zip(before, pages, strict=True)])
    yield step("retrieval", {
        "gen_ai.data_source.id": index.name, "db.system.name": index.system,
        "gen_ai.retrieval.documents": documents}, "", place, new_id(dice, 8),
        (end - took - search, end - took), CLIENT)


def _reranked(index: Index, place: SpanPlace, times: tuple[int, int], before: list[str],
              dice: Random) -> Mapping[str, Any]:
    after = list(before)
    for _ in range(dice.randint(*SWAPS)):
        first = dice.randrange(len(after) - 1)
        after[first:first + 2] = reversed(after[first:first + 2])
    begin, end = times
    orders = {"input": before, "output": after}
    return {
        "traceId": place.trace_id, "parentSpanId": place.parent_id, "spanId": new_id(dice, 8),
        "name": f"rerank {index.reranker}", "kind": INTERNAL,
        "startTimeUnixNano": str(begin), "endTimeUnixNano": str(end), "status": {},
        "attributes": attributes({
            "openinference.span.kind": "RERANKER", "reranker.model_name": index.reranker,
            **{f"reranker.{name}_documents.{number}.document.id": document
               for name, order in orders.items() for number, document in enumerate(order)}})}
