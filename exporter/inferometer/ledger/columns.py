"""Figures of facts as the ledger's columns have them: whole, and None for what cannot be."""

from __future__ import annotations

from inferometer.facts import EngineCall, Fact, Outcome, Retrieval, Usage
from inferometer.ledger.counting import BILLION

MOST_TOKENS = 2**40  # of one call: more cannot be
MOST_DOCUMENTS = 2**31  # of one search
MOST_SECONDS = 1e9
MOST_NANOSECONDS = 10**18
Count = int | None


def phases(engine: EngineCall) -> tuple[Count, Count, Count]:
    """Queue, prefill and decode as an engine has them, in nanoseconds."""
    return (nanoseconds_of(engine.queue), nanoseconds_of(engine.prefill),
            nanoseconds_of(engine.decode))


def tokens_of(usage: Usage) -> tuple[Count, Count, Count, Count, Count]:
    """Input, cached, cache-written, output and reasoning tokens."""
    counts = usage.input, usage.cached, usage.cache_write, usage.output, usage.reasoning
    for count in counts:
        if count is not None and not 0 <= count <= MOST_TOKENS:
            first, second, third, fourth, fifth = map(_possible, counts)
            return first, second, third, fourth, fifth
    return counts


def _possible(tokens: Count) -> Count:
    return tokens if tokens is not None and 0 <= tokens <= MOST_TOKENS else None


def duration_of(fact: Fact) -> Count:
    """How long a step took, in nanoseconds."""
    took = fact.end - fact.start
    return took if fact.start and 0 <= took <= MOST_NANOSECONDS else None


def nanoseconds_of(seconds: float | None) -> Count:
    """Seconds in nanoseconds."""
    # What is no number is not between two, either.
    return None if seconds is None or not 0 <= seconds <= MOST_SECONDS else round(seconds * 1e9)


def documents_of(retrieval: Retrieval) -> Count:
    """How many documents came back. A search that failed was not in vain: it is not known."""
    documents = retrieval.documents
    if documents is None or not 0 <= documents <= MOST_DOCUMENTS:
        return None
    return documents if documents or retrieval.outcome is Outcome.SUCCESS else None


def billionths_of(ratio: float | None) -> Count:
    """A ratio of 0 to 1 in billionths."""
    return None if ratio is None or not 0 <= ratio <= 1 else round(ratio * BILLION)
