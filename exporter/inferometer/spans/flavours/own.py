"""Attributes of our own, for what no convention has: the order of documents around a reranking.

docs/telemetry.md has them, with a few lines of Python that set them. A span with either is a
reranking, whoever made it.
"""

from __future__ import annotations

from inferometer.spans.flavours.genai import GENAI
from inferometer.spans.flavours.reading import Documents, listing
from inferometer.spans.flavours.table import RERANK
from inferometer.spans.span import Span

# The documents that were given, and those that came back, each in their order, the best first: a
# list of their ids, or of what else tells one from the other, or such a list as a JSON text.
RERANK_BEFORE, RERANK_AFTER = "inferometer.rerank.before", "inferometer.rerank.after"


def _reranked(span: Span) -> tuple[Documents, Documents]:
    return (listing(span.attributes.get(RERANK_BEFORE)),
            listing(span.attributes.get(RERANK_AFTER)))


OWN = GENAI.but(
    "Inferometer",
    scopes=("inferometer",),
    marks=(RERANK_BEFORE, RERANK_AFTER),
    odd=lambda span: RERANK if span.attributes.keys() & {RERANK_BEFORE, RERANK_AFTER} else None,
    reranked=_reranked,
    long=(RERANK_BEFORE, RERANK_AFTER),
)
