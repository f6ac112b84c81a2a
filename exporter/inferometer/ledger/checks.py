"""Rows of what was made of answers: one for each thing that a call's answer was checked for.

A check is a row like that of a step, of a kind of its own: it succeeded where the answer passed.
A refusal has one, too. So counters and sums of the hour have them as they have steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from inferometer.evaluations import evaluation_of_sender, mark_of
from inferometer.facts import ErrorType, Evaluation, ModelCall
from inferometer.ledger.columns import billionths_of
from inferometer.ledger.counting import CountedRow
from inferometer.ledger.seats import SeatTable
from inferometer.ledger.traces import Kept
from inferometer.sinks.answers import CHECKS, REFUSALS, REFUSED_BY
from inferometer.spans.settlement import CallRow, Settlement

_NO_TOKENS = None, None, None, None, None
_SEEN = REFUSED_BY["field"], REFUSED_BY["phrase"]  # kinds that content alone tells of
# Evaluations of a sender's own that say the same as a check, by the check's kind.
_EVENTS = {
    **dict.fromkeys(("json_valid", "valid_json", "is_json", "json"), "json"),
    **dict.fromkeys(("schema_valid", "valid_schema", "json_schema", "schema"), "schema"),
    **dict.fromkeys(("tool_arguments", "tool_arguments_valid", "valid_tool_arguments"),
                    "tool_arguments"),
}
# Labels as evaluators give them; any other says neither.
_PASSED = frozenset((
    "pass", "passed", "true", "valid", "yes", "ok", "success", "1", "good", "correct", "relevant",
    "factual", "faithful", "grounded", "supported", "safe", "non-toxic"))
_FAILED = frozenset((
    "fail", "failed", "false", "invalid", "no", "error", "0", "bad", "incorrect", "irrelevant",
    "not_relevant", "unrelated", "hallucinated", "unfaithful", "ungrounded", "unsupported",
    "unsafe", "toxic"))


def rows_of_checks(rows: Sequence[CountedRow], calls: Mapping[int, CallRow],
                   settlement: Settlement, facts: Mapping[bytes, Kept], seats: SeatTable
                   ) -> Iterator[CountedRow]:
    """What is counted beside these new rows, of which `calls` are some by their numbers."""
    evaluations = {one.seq: one.fact for one in facts.values() if isinstance(one.fact, Evaluation)
                   } if settlement.evaluations else {}
    for row in rows:
        if row.kind == "call" and row.calls and row.seq in calls:
            yield from _of_call(row, calls[row.seq].call, seats)
        elif row.kind == "evaluation" and row.seq in evaluations:
            yield from _of_event(row, evaluations[row.seq], settlement, seats)


def _of_call(row: CountedRow, call: ModelCall, seats: SeatTable) -> Iterator[CountedRow]:
    if call.is_read:  # so that none is a known 0, where somebody looked
        for kind in _SEEN:
            seats.id_of(_labels(kind, call))
    if call.refusal in REFUSALS:
        yield _row(row, REFUSED_BY[call.refusal], True, _labels(REFUSED_BY[call.refusal], call),
                   seats)
    for kind, tool, passed in _checks(call):
        yield _row(row, kind, passed, _labels(kind, call, tool), seats)


def _checks(call: ModelCall) -> Iterator[tuple[str, str, bool]]:
    """What the answer was checked for: the kind, a tool's name, and whether it passed.

    Of several tools of one answer the first that failed is named, else the first.
    """
    if call.json_valid is not None:
        yield "json", "", call.json_valid
    if call.schema_valid is not None:
        yield "schema", "", call.schema_valid
    if call.bad_tools or call.good_tools:
        yield "tool_arguments", (call.bad_tools or call.good_tools)[0], not call.bad_tools


def _of_event(row: CountedRow, event: Evaluation, settlement: Settlement, seats: SeatTable
              ) -> Iterator[CountedRow]:
    """What a sender itself says of an answer: it counts where no content tells it already."""
    kind, passed = _EVENTS.get(event.evaluation.lower(), ""), _passed(event)
    calls = [one.call for one in settlement.rows]
    if not kind or passed is None or any(
            kind == checked for call in calls for checked, _, _ in _checks(call)):
        return
    yield _row(row, kind, passed, (
        kind, "", _model_about(event, settlement), "", event.service_name, ""), seats)


def evaluated(row: CountedRow, event: Evaluation, settlement: Settlement, seats: SeatTable
              ) -> CountedRow:
    """The row of what an application says of an answer, with what it came to."""
    name = evaluation_of_sender(event.evaluation.strip() or "unnamed")
    failed = event.error_type is not ErrorType.NONE
    return row._replace(
        seat=seats.id_of(("evaluation", "", _model_about(event, settlement), "",
                          event.service_name, name)),
        checks=mark_of(_passed(event)),
        score=None if failed else billionths_of(event.score))


def _model_about(event: Evaluation, settlement: Settlement) -> str:
    """That of the call that it stands below, else that of all calls of its trace, if it is one."""
    calls = [one.call for one in settlement.rows]
    about = [one.call for one in settlement.rows if event.parent_id in one.spans] or calls
    return about[0].model if len({call.model for call in about}) == 1 else ""


def _passed(event: Evaluation) -> bool | None:
    """Whether the answer passed, as the event has it; None where that is not plain."""
    label = event.label.strip().lower()
    if event.error_type is not ErrorType.NONE:
        return None
    if label in _PASSED or label in _FAILED:
        return label in _PASSED
    return {1.0: True, 0.0: False}.get(-1.0 if event.score is None else event.score)


def _labels(kind: str, call: ModelCall, tool: str = "") -> tuple[str, str, str, str, str, str]:
    return kind, "", call.model, "", call.service_name, tool


def _row(row: CountedRow, kind: str, passed: bool, labels: tuple[str, str, str, str, str, str],
         seats: SeatTable) -> CountedRow:
    return CountedRow(row.seq, kind, row.arrived, seats.id_of(labels), row.user, row.conversation,
                      "success" if passed else "error", "", 1, 0, "", *_NO_TOKENS)


assert set(_EVENTS.values()) == set(CHECKS)
