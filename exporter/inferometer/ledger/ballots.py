"""Votes in the ledger: cast once, the last one of a person holds, and each is joined with its call.

A vote comes before its call or after it. What it names (a trace, a span, a response, a request) is
looked for among the calls that are counted, as numbers made with our key; until it is there the
vote waits. What counters grow by is written with it, in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from inferometer.ledger.conversations import end
from inferometer.ledger.counting import CountedRow, CounterKey
from inferometer.ledger.database import Database
from inferometer.ledger.keys import IN_TRACE_BITS
from inferometer.ledger.seats import SeatTable
from inferometer.ledger.store import Forms
from inferometer.ledger.vote_statements import SUBJECTS_AT_ONCE, statements_of
from inferometer.ledger.vote_subjects import CallSubject
from inferometer.sinks.feedback import UNMATCHED, VOTED, VOTES_KIND
from inferometer.votes import (
    CHANGED,
    CONVERSATION_END,
    THUMBS,
    Casting,
    JoinedVote,
    Vote,
    VoteOutcome,
)

SECOND = 10**9
WAIT = 7 * 24 * 3600 * SECOND  # for a call to come, and for a vote on it
AT_ONCE = 1000  # rows that are deleted
NO_SEAT = 0  # of a counter that has no labels
_LAST = 2**IN_TRACE_BITS - 1
Joined = Callable[[Sequence[JoinedVote]], None]


class Ballots:
    """Votes that come, wait and are joined. Only the ledger's own thread uses it."""

    def __init__(self, database: Database, forms: Forms, joined: Joined | None = None) -> None:
        self._database, self._forms, self._joined = database, forms, joined
        self._statements = statements_of(database.dialect)

    def any_vote(self) -> bool:
        """Whether a vote has ever come, of which one is still kept."""
        return self._exists(self._statements.any_vote)

    def cast(self, castings: Iterable[tuple[Casting, int]], seats: SeatTable
             ) -> dict[CounterKey, int]:
        """Write votes, each with its arrival; in the transaction of what counters grow by."""
        subjects: set[int] = set()
        for casting, arrived in castings:
            outcome = self._cast(casting, arrived, subjects)
            if casting.outcome != VoteOutcome.TAKEN:  # else it was, and is written once more
                casting.outcome = outcome
        return self.join(subjects, seats) if subjects else {}

    def join(self, subjects: Collection[int] | None, seats: SeatTable) -> dict[CounterKey, int]:
        """Join votes that wait for one of these subjects, or for any; likewise."""
        connection, statements = self._database.connection, self._statements
        grown: dict[CounterKey, int] = {}
        joined: dict[str, bool] = {}  # votes, and whether they hold
        for vote, seq, arrived, seat, model, service, counts_as, final, _ in self._joinable(
                subjects):
            if vote in joined:  # by what it names first
                continue
            joined[vote] = bool(final)
            connection.execute(statements.join_vote, (seq, arrived, seat, vote))
            connection.execute(statements.delete_waiting, (vote,))
            if counts_as == CONVERSATION_END:
                self._end_conversation(seq)
            if counts_as:
                number = seats.id_of((VOTES_KIND, "", model, "", service, ""))
                key = seats.shown(number), VOTED, counts_as
                grown[key] = grown.get(key, 0) + 1
        if self._joined is not None:
            self._joined([*self._described(vote for vote, holds in joined.items() if holds)])
        return grown

    def waits(self) -> bool:
        """Whether any vote waits for its call."""
        return self._exists(self._statements.any_waiting)

    def expire(self, now: int) -> dict[CounterKey, int]:
        """Give up on votes whose call did not come in time; they stay in the ledger."""
        connection, statements = self._database.connection, self._statements
        overdue = connection.execute(statements.overdue, (now - WAIT, AT_ONCE, 0)).fetchall()
        for (vote,) in overdue:
            connection.execute(statements.delete_waiting, (vote,))
        return {(NO_SEAT, UNMATCHED, ""): len(overdue)} if overdue else {}

    def purge(self, now: int, retention: int) -> bool:
        """Delete some of what is kept for long enough; whether there may be more.

        `retention`: nanoseconds, for votes.
        """
        before = now - WAIT, now // SECOND, now - retention
        connection, deleted = self._database.connection, False
        for statement, moment in zip(self._statements.delete_old, before, strict=True):
            deleted |= connection.execute(statement, (moment, AT_ONCE, 0)).rowcount == AT_ONCE
        return deleted

    def _cast(self, casting: Casting, arrived: int, subjects: set[int]) -> VoteOutcome:
        connection, statements = self._database.connection, self._statements
        keys, vote = self._database.keys, casting.vote
        subject = keys.subject_number(vote.subject)
        kept = connection.execute(statements.find_vote, (vote.id,)).fetchone()
        if kept is not None:
            return (VoteOutcome.REPEATED if tuple(kept) == (vote.kind, subject)
                    else VoteOutcome.CONFLICT)
        if casting.nonce is not None and not self._burn(casting):
            return VoteOutcome.BURNT
        user = keys.veil(vote.user) if vote.user else None
        ballot = keys.vote_digest(vote.subject, user or "", vote.group)
        before = connection.execute(statements.find_final, (ballot,)).fetchone()
        connection.execute(statements.supersede, (ballot,))
        connection.execute(statements.insert_vote, (
            vote.id, arrived, vote.kind, _counts_as(vote, before[0] if before else ""), ballot, 1,
            subject, user, _clean(vote.explanation) or None, None, None, None, int(vote.logged)))
        self._await(vote, subject, arrived, subjects)
        return VoteOutcome.TAKEN

    def _burn(self, casting: Casting) -> bool:
        """Whether the capability was not used before; from now on it is."""
        assert casting.nonce is not None
        nonce = self._database.keys.vote_digest(casting.nonce.nonce)
        return self._database.connection.execute(
            self._statements.insert_nonce, (nonce, casting.nonce.expires)).rowcount == 1

    def _await(self, vote: Vote, subject: int, arrived: int, subjects: set[int]) -> None:
        """Have it wait for what it names, and then for what that is in.

        A span is in its trace; a response or a request is of the span beside it, if there is one.
        """
        connection, keys = self._database.connection, self._database.keys
        names = [(subject, 0)]
        is_span = vote.subject.startswith("span:")
        if is_span and vote.trace_id:
            names.append((keys.subject_number(f"trace:{vote.trace_id.hex()}"), 1))
        elif vote.span_id and not is_span:
            names.append((keys.subject_number(f"span:{vote.span_id.hex()}"), 1))
        connection.executemany(self._statements.insert_waiting, [
            (name, vote.id, rank, arrived) for name, rank in names])
        subjects.update(name for name, _ in names)
        if vote.trace_id and (is_span or vote.subject.startswith("trace:")):
            self._look_at_trace(vote.trace_id)

    def _look_at_trace(self, trace_id: bytes) -> None:
        """Note the trace's call, where it was counted before anybody looked for subjects."""
        connection = self._database.connection
        subject = self._database.keys.subject_number(f"trace:{trace_id.hex()}")
        first = self._database.keys.trace_digest(trace_id)
        calls = [CountedRow(*row) for row in connection.execute(
            self._database.statements.calls_of_trace, (first, first + _LAST)).fetchall()]
        if calls:
            row = max(calls, key=lambda row: (row.output is not None, row.seq))
            connection.execute(self._statements.put_subject, CallSubject(
                subject, row.seq, row.seat, row.arrived, 0))

    def _end_conversation(self, call: int) -> None:
        """That of the trace which the call, by its number, is in."""
        connection, first = self._database.connection, call & ~_LAST
        for (conversation,) in connection.execute(
                self._statements.conversations_of_trace, (first, first + _LAST)).fetchall():
            end(connection, self._database.statements, conversation)

    def _joinable(self, subjects: Collection[int] | None) -> Iterator[Any]:
        connection, statements = self._database.connection, self._statements
        if subjects is None:
            yield from connection.execute(statements.all_joinable).fetchall()
            return
        rows: list[Any] = []
        ordered = sorted(subjects)
        for begin in range(0, len(ordered), SUBJECTS_AT_ONCE):
            some = ordered[begin:begin + SUBJECTS_AT_ONCE]
            some += some[:1] * (SUBJECTS_AT_ONCE - len(some))
            rows += connection.execute(statements.joinable, some).fetchall()
        yield from sorted(rows, key=itemgetter(-1))  # by rank

    def _described(self, votes: Iterable[str]) -> Iterator[JoinedVote]:
        for vote in votes:
            row = self._database.connection.execute(
                self._statements.joined_vote, (vote,)).fetchone()
            if row is not None:  # else retention has deleted the call
                id_, ballot, kind, explanation, user, arrived, logged, *fact = row
                call = self._forms.kept(fact).fact
                yield JoinedVote(
                    id_, bytes(ballot), kind, bytes(call.trace_id), bytes(call.span_id),
                    getattr(call, "response_id", ""), getattr(call, "request_id", ""),
                    explanation or "", user or "", arrived, call.service_name, call.start,
                    bool(logged))

    def _exists(self, statement: str) -> bool:
        return self._database.connection.execute(statement, (1, 0)).fetchone() is not None


def _counts_as(vote: Vote, before: str) -> str:
    """What counters have it as. `before`: the kind of the vote that held, if one did."""
    if not before or vote.kind not in THUMBS:
        return vote.kind
    return "" if before == vote.kind else CHANGED


def _clean(text: str) -> str:
    """What every database takes."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
