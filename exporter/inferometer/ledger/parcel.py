"""What one body brings, and the rows that it becomes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from inferometer.facts import Fact, Feedback, ModelCall, Retrieval
from inferometer.ledger.keys import KeyRing
from inferometer.ledger.mentions import sealed
from inferometer.ledger.traces import Kept
from inferometer.points import MetricPoint
from inferometer.receipt import Receipt
from inferometer.sinks.outbox import SentBody
from inferometer.votes import Casting, vote_of

FactRow = tuple[int, int, *tuple[object, ...]]  # its number, its digest, and the rest
Packers = Mapping[type[Fact], tuple[int, Callable[[Fact], str]]]  # the form, and what packs


class Parcel(NamedTuple):
    """What one body had, and when it arrived: facts, with packed parent links of all its spans, or
    data points, or votes.
    """

    facts: Sequence[Fact]
    links: Mapping[bytes, bytes]  # by trace id: traces.LINK bytes for each of its spans
    arrived: int  # Unix nanoseconds
    done: Receipt
    body: SentBody | None = None  # as it came, where it is to be forwarded
    points: Sequence[MetricPoint] = ()
    votes: Sequence[Casting] = ()


def votes_of(group: Sequence[Parcel]) -> list[tuple[Casting, int]]:
    """The votes of a group, those that came as facts included, each with its arrival."""
    return [(casting, parcel.arrived) for parcel in group for casting in (
        *parcel.votes, *(Casting(vote_of(fact)) for fact in parcel.facts
                         if type(fact) is Feedback))]


class FactRows(NamedTuple):
    """Rows of facts as their statements bind them, and the facts with their numbers."""

    named: list[FactRow]  # of a user or a conversation
    nameless: list[FactRow]
    contents: list[tuple[int, str]]
    kept: list[Kept]
    digests: dict[bytes, int]  # of their traces


def rows_of(group: Sequence[Parcel], seq: int, keys: KeyRing, packers: Packers,
            content_ratio: float = 1.0) -> FactRows:
    """The rows of a group, numbered from `seq` on; of so many traces what was said, too."""
    trace_digest, span_digest, veil = keys.trace_digest, keys.span_digest, keys.veil
    named, nameless, contents, kept, digests = made = FactRows([], [], [], [], {})
    for parcel in group:
        arrived = parcel.arrived
        for fact in parcel.facts:
            trace_id, user, conversation = fact.trace_id, fact.user, fact.conversation
            digest = digests.get(trace_id)
            if digest is None:
                digest = digests[trace_id] = trace_digest(trace_id)
            digest += span_digest(trace_id, fact.span_id)
            form, pack_fact = packers[type(fact)]
            if isinstance(fact, ModelCall | Retrieval) and fact.mentions:
                fact = sealed(fact, keys)
            if user or conversation:
                named.append((
                    seq, digest, arrived, trace_id, fact.span_id, fact.parent_id, form,
                    veil(user) if user else None, veil(conversation) if conversation else None,
                    pack_fact(fact)))
            else:
                nameless.append((seq, digest, arrived, trace_id, fact.span_id, fact.parent_id,
                                 form, pack_fact(fact)))
            if fact.content:
                # What a judge is asked quotes content that is kept, and forgotten, elsewhere.
                if keys.samples(trace_id, content_ratio) and not keys.is_judge_trace(trace_id):
                    contents.append((seq, json.dumps(dict(fact.content))))
                fact = replace(fact, content={})
            kept.append(Kept(fact, seq, arrived))
            seq += 1
    return made
