"""What there is to say of captured bodies, in chapters, up to what counts in the end.

No chapter has a value of an attribute, but names: of models, providers, services, tools, errors.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from inferometer.chapters import Cells, Chapter
from inferometer.facts import Fact
from inferometer.outside import cut
from inferometer.spans.decoded import JSON
from inferometer.spans.explain.capture import METRICS, CapturedBody
from inferometer.spans.explain.joins import Join, SettledTrace, settle_trace
from inferometer.spans.explain.sources import (
    NO_TABLE,
    SpanSources,
    chosen_by,
    read_span,
)
from inferometer.spans.log_events import facts_of_log
from inferometer.spans.reader import Wishes

LONGEST_NAME = 60  # characters of a name from outside
NO_FLAVOUR = "no table knows it"
NEW_TABLE = ("if it calls models, add a table (CONTRIBUTING.md, \"an instrumentation\"), or "
             "report it with a capture")
_NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)")  # of one message, or document, among several
_HINTS = {"bad_id": ": ids are 32 and 16 digits in hex; protobuf's own JSON has them in base64",
          "too_large": ": a span of more than 4 MiB, or of too many values"}


@dataclass(slots=True)
class Explanation:
    """All bodies together, as one gateway would have them."""

    bodies: Sequence[CapturedBody]
    spans: list[SpanSources] = field(default_factory=list)  # each once
    repeated: int = 0  # spans that came again
    traces: list[SettledTrace] = field(default_factory=list)
    orphans: int = 0  # spans whose parent is in no body

    @property
    def steps(self) -> int:
        """Spans, and records of logs, that are steps."""
        return sum(len(trace.facts) for trace in self.traces)


def explain_bodies(bodies: Sequence[CapturedBody], wishes: Wishes) -> Explanation:
    """Read the bodies as a gateway does, span by span, and settle each trace."""
    explanation = Explanation(bodies)
    seen: set[tuple[bytes, bytes]] = set()
    facts: dict[bytes, list[Fact]] = defaultdict(list)
    parents: dict[bytes, dict[bytes, bytes]] = defaultdict(dict)
    for captured in (captured for body in bodies for captured in body.spans):
        span = captured.span
        sources = read_span(captured, wishes)
        if sources.fact is not None:
            facts[span.trace_id].append(sources.fact)
        parents[span.trace_id][span.span_id] = span.parent_id
        if (span.trace_id, span.span_id) in seen:
            explanation.repeated += 1
            continue
        seen.add((span.trace_id, span.span_id))
        explanation.spans.append(sources)
    for record in (record for body in bodies for record in body.logs):
        evaluation = facts_of_log(record, wishes)
        if evaluation is not None:
            facts[evaluation.trace_id].append(evaluation)
    explanation.traces = [settle_trace(trace_id, steps, parents[trace_id])
                          for trace_id, steps in facts.items()]
    explanation.orphans = sum(bool(parent) and (trace_id, parent) not in seen
                              for trace_id, links in parents.items()
                              for parent in links.values())
    return explanation


def chapters(explanation: Explanation) -> Iterator[Chapter]:
    """What the bodies are, how each span was read, and which spans are one."""
    spans = explanation.spans
    yield Chapter("bodies", ("name", "value"), tuple(_bodies(explanation)))
    yield Chapter("Instrumentation scopes, and the tables that read them",
                  ("scope", "version", "spans", "table", "chosen by"), tuple(_scopes(spans)), True)
    yield Chapter("Fields, and where they came from", ("scope", "step", "field", "from", "spans"),
                  tuple(_counted((_scope(one), one.kind, name, source)
                                 for one in spans for name, source in one.fields.items())), True)
    yield Chapter("Attributes and events that are not used, and why",
                  ("scope", "attribute", "why", "spans"),
                  tuple(_counted(row for one in spans for row in _unused(one))), True)
    yield Chapter("Spans that are no step of an LLM application, and why",
                  ("scope", "span", "why", "spans"),
                  tuple(_counted((_scope(one), cut(one.captured.span.name, LONGEST_NAME), one.why)
                                 for one in spans if one.why)), True)
    yield Chapter("Spans that are one call or step, and why",
                  ("trace", "counts as", "is", "span", "scope", "why"),
                  tuple(_joined(trace.trace_id, join) for trace in explanation.traces
                        for join in trace.joins), True)


def _bodies(explanation: Explanation) -> Iterator[Cells]:
    alike: dict[tuple[str, str, str], list[CapturedBody]] = defaultdict(list)
    for body in explanation.bodies:
        alike[body.origin, body.signal, body.encoding].append(body)
    for (origin, signal, encoding), bodies in alike.items():
        logs = sum(len(body.logs) for body in bodies)
        items = f"{logs} records" if logs else f"{sum(len(body.spans) for body in bodies)} spans"
        dropped = ": a gateway counts it and drops it" if signal == METRICS else ""
        several = f"{len(bodies)} bodies of " if len(bodies) > 1 else ""
        yield "body", (f"{cut(origin, LONGEST_NAME * 2)}: {several}{signal} in "
                       f"{'JSON' if encoding == JSON else encoding}, {items}{dropped}")
    traces = {one.captured.span.trace_id for one in explanation.spans}
    yield "spans", f"{len(explanation.spans)} in {len(traces)} traces"
    yield "steps", (f"{explanation.steps}: calls, runs, tools, searches, and what is about them"
                    if explanation.steps else "none: nothing here is counted")
    if explanation.repeated:
        yield "sent again", f"{explanation.repeated} spans of the same ids, which count once"
    rejected: Counter[str] = Counter()
    for body in explanation.bodies:
        rejected.update(body.rejected)
    for reason, count in sorted(rejected.items()):
        yield "not taken", f"{count} spans: {reason}{_HINTS.get(reason, '')}"


def _scope(sources: SpanSources) -> str:
    return cut(sources.captured.span.scope.name, LONGEST_NAME) or "(no name)"


def _scopes(spans: Sequence[SpanSources]) -> Iterator[Cells]:
    rows: Counter[Cells] = Counter()
    for one in spans:
        table = one.flavour.name if one.flavour else NO_FLAVOUR
        by = chosen_by(one.captured) if one.flavour else NEW_TABLE
        rows[_scope(one), cut(one.captured.span.scope.version, 20), table, by] += 1
    for (scope, version, table, by), count in sorted(rows.items()):
        yield scope, version, str(count), table, by


def _unused(sources: SpanSources) -> Iterable[Cells]:
    """Each name once a span; those of a span that is no step have their reason in that."""
    if sources.fact is None and sources.flavour is not None:
        return ()
    return {(_scope(sources), cut(_NUMBER.sub("*", key), LONGEST_NAME), why)
            for key, why in sources.unused.items()}


def _counted(rows: Iterable[Cells]) -> Iterator[Cells]:
    """Each row once, in order, with how many spans have it."""
    counts = Counter(rows)
    return ((*row, str(count)) for row, count in sorted(counts.items()))


def _joined(trace_id: bytes, join: Join) -> Cells:
    return (short(trace_id), short(join.outer) if join.outer else "nothing", join.kind,
            short(join.fact.span_id), cut(join.fact.scope, LONGEST_NAME), join.why)


def short(identity: bytes) -> str:
    """An id as it is shown: enough to find it, and no more."""
    return identity.hex()[:8]


def unread(explanation: Explanation) -> Mapping[str, int]:
    """Spans of scopes that no table knows, by scope."""
    return Counter(_scope(one) for one in explanation.spans if one.why == NO_TABLE)
