"""Puts what was found by meaning in the order of its words: BM25."""

from __future__ import annotations

from collections.abc import Sequence

import bm25s
from opentelemetry import trace

from .passages import Passage
from .retrieval import Hit

MODEL = "bm25"


class Reranker:
    """BM25 over all passages, asked about those that were found."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._numbers = {passage.id: number for number, passage in enumerate(passages)}
        self._bm25 = bm25s.BM25()
        self._bm25.index(_words([f"{passage.page} {passage.heading} {passage.text}"
                                 for passage in passages]), show_progress=False)
        self._tracer = trace.get_tracer(__name__)

    def order(self, question: str, hits: Sequence[Hit], most: int) -> list[Hit]:
        """The best of these, best first; those that no word tells apart stay in their order."""
        with self._tracer.start_as_current_span(f"rerank {MODEL}") as span:
            words = bm25s.tokenize(question, stopwords="en", return_ids=False,
                                   show_progress=False)[0]
            scores = self._bm25.get_scores(words)
            ordered = sorted(hits, key=lambda hit: -scores[self._numbers[hit.passage.id]])[:most]
            # No convention has rerankings; docs/telemetry.md has the last two.
            span.set_attributes({
                "gen_ai.operation.name": "rerank", "gen_ai.request.model": MODEL,
                "inferometer.rerank.before": [hit.passage.id for hit in hits],
                "inferometer.rerank.after": [hit.passage.id for hit in ordered]})
        return ordered


def _words(texts: Sequence[str]) -> bm25s.tokenization.Tokenized:
    return bm25s.tokenize(list(texts), stopwords="en", show_progress=False)
