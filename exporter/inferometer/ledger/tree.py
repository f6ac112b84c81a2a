"""One trace of the ledger as a tree of steps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from inferometer.facts import Fact
from inferometer.ledger.counting import CountedRow
from inferometer.ledger.database import Database
from inferometer.ledger.keys import IN_TRACE_BITS
from inferometer.ledger.schema import FactState
from inferometer.ledger.store import Forms
from inferometer.ledger.traces import Kept, parents_in

MOST_SHOWN = 10_000  # steps
PENDING, COUNTED, TWIN, PART, FAILED = "pending", "counted", "twin", "part", "failed"


@dataclass
class Branch:
    """A step, and what is below it."""

    kept: Kept
    kind: str
    state: str  # one of the above: a twin tells of what is counted elsewhere, a part counts nowhere
    row: CountedRow | None
    content: Mapping[str, str]
    below: list[Branch] = field(default_factory=list)

    @property
    def fact(self) -> Fact:
        """What its span said."""
        return self.kept.fact

    def lines(self, depth: int = 0) -> Iterator[tuple[int, Branch]]:
        """The step and all below it, in the order of their start, each with its depth."""
        yield depth, self
        for branch in sorted(self.below, key=lambda one: (one.fact.start, one.kept.seq)):
            yield from branch.lines(depth + 1)


def trace(database: Database, trace_id: bytes) -> list[Branch]:
    """The outermost steps of a trace; none where it is not known."""
    first = database.keys.trace_digest(trace_id)
    span = first, first + 2**IN_TRACE_BITS - 1
    forms = Forms(database, read_only=True)
    branches: dict[bytes, Branch] = {}
    for row in database.connection.execute(
            database.statements.facts_of_trace, (*span, MOST_SHOWN, 0)).fetchall():
        if row[3] == trace_id:
            branches[row[4]] = _branch(database, forms, row)
    parents = {span_id: branch.fact.parent_id for span_id, branch in branches.items()}
    for (packed,) in database.connection.execute(database.statements.links_of_trace, span):
        parents.update(parents_in(packed))
    return _grown(branches, parents)


def _grown(branches: Mapping[bytes, Branch], parents: Mapping[bytes, bytes]) -> list[Branch]:
    roots = []
    for span_id, branch in branches.items():
        seen = {span_id}
        above = parents.get(span_id, b"")
        while above and above not in branches and above not in seen:
            seen.add(above)
            above = parents.get(above, b"")
        if above in branches and not _is_below(branches, parents, above, span_id):
            branches[above].below.append(branch)
        else:
            roots.append(branch)
    return sorted(roots, key=lambda one: (one.fact.start, one.kept.seq))


def _is_below(branches: Mapping[bytes, Branch], parents: Mapping[bytes, bytes], span_id: bytes,
              other: bytes) -> bool:
    """Whether a span stands below another: a circle of parents is to end somewhere."""
    seen: set[bytes] = set()
    while span_id and span_id not in seen:
        if span_id == other:
            return True
        seen.add(span_id)
        span_id = parents.get(span_id, b"")
    return False


def _branch(database: Database, forms: Forms, columns: tuple[object, ...]) -> Branch:
    kept = forms.kept(columns)
    state, counted = columns[7], columns[8]
    rows = [CountedRow(*row) for row in database.connection.execute(
        database.statements.step_of, (kept.seq,))]
    # A tool over MCP has a row as an operation, too, which says no more.
    row = next(iter(sorted(rows, key=lambda one: (one.kind != "call", one.kind == "mcp"))), None)
    content = database.connection.execute(database.statements.content_of, (kept.seq,)).fetchone()
    return Branch(
        kept, type(kept.fact).__name__,
        PENDING if state == FactState.PENDING else FAILED if state == FactState.FAILED else
        COUNTED if row else TWIN if counted is not None else PART,
        row, json.loads(content[0]) if content else {})


