"""What a gateway made of a scenario, beside what was true of it and what its spans hold of that."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tests.e2e.evidence import TOKEN_KINDS, SpanEvidence, apart, by_scope
from tests.e2e.seen import Seen

ENGINE_SPAN = "llm_request"  # an engine's own view of a call: it never counts
OUTCOMES = ("success", "error", "rejected", "invalid", "abort")
EQUAL, UNKNOWN, SEEN = "equal", "unknown", "seen"
MISSED, ABOVE, WRONG = "MISSED", "ABOVE", "WRONG"
BAD = (MISSED, ABOVE, WRONG)
_CAPACITY = re.compile(r"\b429\b|rate.?limit|throttl|too many requests", re.I)
_ANSWERS = {200: "success", 429: "rejected"}


@dataclass(frozen=True)
class Judgement:
    """One figure: what was seen, what is true, and how much of that the spans hold."""

    figure: str
    seen: object
    true: object
    least: object
    verdict: str
    spans: Sequence[str] = ()  # names of some that hold it


def judged(seen: Seen, true: Mapping[str, Any], spans: Sequence[SpanEvidence]
           ) -> Iterator[Judgement]:
    """All figures of a scenario."""
    calls: Sequence[Mapping[str, Any]] = true.get("calls", ())
    spans = [span for span in spans if span.name != ENGINE_SPAN]
    yield from _requests(seen, true, calls, spans)
    for kind in TOKEN_KINDS:
        yield _tokens(kind, seen, true, calls, spans)
    yield _usage_missing(seen, true)
    yield _first_tokens(seen, calls, spans)
    yield from _tools(seen, true, spans)
    yield from _documents(seen, true, spans)


def completed(scenario: Mapping[str, Any]) -> Mapping[str, Any]:
    """A scenario's truth with all that is read of it; a call's tokens may be unknown."""
    calls = [{"op": "", "model": "", "status": 200, **call} for call in scenario.get("calls") or ()]
    tokens = {kind: (scenario.get("tokens") or {}).get(kind) or 0 for kind in TOKEN_KINDS}
    good = [call for call in calls if call["status"] == 200]
    if len(good) == 1:
        good[0].setdefault("tokens", tokens)
    for call in calls:
        if call["status"] != 200:
            call.setdefault("tokens", dict.fromkeys(TOKEN_KINDS, 0))
    return {
        "model_calls": len(calls), "model_calls_ok": len(good),
        **{name: scenario.get(name) or () for name in ("tools_run", "retrievals", "reranks")},
        **{name: scenario[name] for name in ("model_calls", "model_calls_ok")
           if name in scenario},
        "tokens": tokens, "calls": calls}


def judged_sums(seen: Sequence[Seen], truth: Sequence[Mapping[str, Any]],
                totals: Mapping[str, Any]) -> Iterator[Judgement]:
    """What is seen in all, also of traces of no scenario; and whether the truth agrees with itself.
    """
    calls = [call for scenario in truth for call in scenario.get("calls", ())]
    requests = sum(scenario["model_calls"] for scenario in truth)
    yield _number("requests", sum(one.requests for one in seen), requests, 0, ())
    yield _agreement("true requests", requests, len(calls) or requests,
                     totals.get("model_calls", requests))
    for kind in TOKEN_KINDS:
        true = sum(scenario["tokens"].get(kind, 0) for scenario in truth)
        yield _number(f"tokens {kind}", sum(one.tokens[kind] for one in seen), true, 0, ())
        of_calls = _values(kind, calls)
        yield _agreement(f"true tokens {kind}", true,
                         true if of_calls is None else sum(of_calls),
                         totals.get("tokens", {}).get(kind, true))


def _agreement(figure: str, *numbers: int) -> Judgement:
    alike = len({*numbers}) == 1
    return Judgement(figure, numbers[0], numbers, "", EQUAL if alike else WRONG)


def _requests(seen: Seen, true: Mapping[str, Any], calls: Sequence[Mapping[str, Any]],
              spans: Sequence[SpanEvidence]) -> Iterator[Judgement]:
    good = [call for call in calls if call["status"] == 200]
    likely = [span for span in spans if span.is_call and any(
        span.has_model(call["model"]) for call in calls)]
    by_model = sum(min(number, apart([span for span in likely
                                      if span.has_model(model) and not span.failed]))
                   for model, number in Counter(call["model"] for call in good).items())
    texts = {text for span in likely for text in span.texts()}
    by_id = len(texts & {call["response_id"] for call in good if call.get("response_id")})
    least_good = max(by_model, by_id)
    failing = [span for span in likely if span.failed]
    least_failed = min(_failed_runs(calls), apart(failing))
    names = _names(likely)
    yield _number("requests", seen.requests, true["model_calls"], least_good + least_failed, names)
    # In several services each counts its own: a proxy's callers, and the proxy.
    shares = max(1, len([number for number in seen.by_service.values() if number]))
    yield _number("succeeded", seen.outcomes["success"] // shares, true["model_calls_ok"],
                  least_good, names)
    hinted = any(_CAPACITY.search(text) for span in failing for text in span.texts()) or any(
        leaf.value == 429 for span in failing for leaf in span.leaves)
    answers = Counter(_answer(call["status"]) for call in calls if call["status"] != 200)
    failed = +Counter({name: seen.outcomes[name] for name in OUTCOMES if name != "success"})
    right = all(number <= shares * answers[name] for name, number in failed.items())
    if not right and not hinted and failed.total() <= shares * answers.total():
        right = True  # nothing says why it failed
    yield Judgement("failed by outcome", dict(failed), dict(answers), least_failed,
                    EQUAL if failed == answers else
                    UNKNOWN if right and failed.total() >= least_failed else WRONG,
                    _names(failing))


def _answer(status: int) -> str:
    return _ANSWERS.get(status, "invalid" if status < 500 else "error")


def _failed_runs(calls: Sequence[Mapping[str, Any]]) -> int:
    """How many calls failed for good: tries of one call, one after another, are one."""
    kinds = [(call["op"], call["model"], call["status"] == 200) for call in calls]
    runs = [kind for kind, _ in groupby(kinds)]
    return sum(not good and not (i + 1 < len(runs) and runs[i + 1] == (operation, model, True))
               for i, (operation, model, good) in enumerate(runs))


def _tokens(kind: str, seen: Seen, true: Mapping[str, Any], calls: Sequence[Mapping[str, Any]],
            spans: Sequence[SpanEvidence]) -> Judgement:
    number, total = seen.tokens[kind], true["tokens"][kind]
    values = _values(kind, calls)
    if values is None or not calls:
        holders = _of_calls_in_all(kind, total, spans)
        return _number(f"tokens {kind}", number, total, total if holders else 0, _names(holders))
    least, holders = _least(kind, values, calls, spans)
    sums = {0}
    for value in values:
        sums |= {value + one for one in sums}
    judgement = _number(f"tokens {kind}", number, total, least, _names(holders))
    if sum(values) != total or (judgement.verdict == UNKNOWN and number not in sums):
        return Judgement(judgement.figure, number, total, least, WRONG, judgement.spans)
    return judgement


def _values(kind: str, calls: Sequence[Mapping[str, Any]]) -> Sequence[int] | None:
    """Tokens of each call; None where some call's are not known."""
    if not all("tokens" in call for call in calls):
        return None
    return [call["tokens"].get(kind) or 0 for call in calls]


def _of_calls_in_all(kind: str, total: int, spans: Sequence[SpanEvidence]
                     ) -> Sequence[SpanEvidence]:
    """The spans of one scope that surely are of different calls, if they come to this sum."""
    for of_scope in by_scope([span for span in spans if span.is_call and span.tokens[kind]]):
        sums = {0.0}
        for span in of_scope:
            sums = {number + one for one in sums for number in span.tokens[kind]
                    if number + one <= total}
        if total in sums:
            return of_scope
    return ()


def _least(kind: str, values: Sequence[int], calls: Sequence[Mapping[str, Any]],
           spans: Sequence[SpanEvidence]) -> tuple[int, Sequence[SpanEvidence]]:
    """How many of these tokens some span holds: call by call, or in a sum over several."""
    holders: list[SpanEvidence] = []
    room: dict[int, int] = {}
    for value in {*values} - {0}:
        of_value = [span for span in spans if value in span.tokens[kind] or (
            kind == "input" and value in span.tokens["total"] and any(
                call["op"] == "embeddings" and call["tokens"].get(kind) == value
                for call in calls))]
        holders += of_value
        room[value] = apart(of_value)
    least = sum(min(number, room.get(value, 0)) * value
                for value, number in Counter(values).items())
    for begin in range(len(values)):
        for end in range(begin + 2, len(values) + 1):
            total = sum(values[begin:end])
            if total > least and values[begin] and values[end - 1] and (
                    of_sum := [span for span in spans if total in span.tokens[kind]]):
                least, holders = total, of_sum
    return least, holders


def _usage_missing(seen: Seen, true: Mapping[str, Any]) -> Judgement:
    """A call that was counted and whose tokens are not must be counted as such."""
    lacks = (seen.outcomes["success"] >= true["model_calls_ok"]
             and seen.tokens["input"] < true["tokens"].get("input", 0))
    return Judgement("usage missing", seen.missing, "", int(lacks),
                     MISSED if lacks and not seen.missing else EQUAL)


def _first_tokens(seen: Seen, calls: Sequence[Mapping[str, Any]],
                  spans: Sequence[SpanEvidence]) -> Judgement:
    times = [float(call["ttft"]) for call in calls if call.get("ttft")]
    holders = [span for span in spans if any(span.first_token(time) for time in {*times})]
    judgement = _number("first tokens", seen.first_tokens, len(times),
                        min(len(times), apart(holders)), _names(holders))
    if times and seen.first_tokens and (
            seen.first_token_seconds / seen.first_tokens < 0.8 * min(times)):
        return Judgement("first tokens", seen.first_token_seconds, times, judgement.least, WRONG)
    return judgement


def _tools(seen: Seen, true: Mapping[str, Any], spans: Sequence[SpanEvidence]
           ) -> Iterator[Judgement]:
    tools = Counter(true.get("tools_run", ()))
    for tool in sorted({*tools, *seen.tools}):
        holders = [span for span in spans if span.runs_tool(tool) and not span.is_call]
        yield _number(f"tool {tool}", seen.tools[tool], tools[tool],
                      min(tools[tool], apart(holders)), _names(holders))


def _documents(seen: Seen, true: Mapping[str, Any], spans: Sequence[SpanEvidence]
               ) -> Iterator[Judgement]:
    documents = Counter(true.get("retrievals", ()))
    searches = [span for span in spans if span.is_search()]
    yield _number("retrievals", seen.retrievals.total(), documents.total(),
                  min(documents.total(), apart(searches)), _names(searches))
    for result, sizes in (("hit", [size for size in documents if size]), ("empty", [0])):
        number = sum(documents[size] for size in sizes)
        holders = [span for span in searches if span.documents() & {*sizes}]
        yield _number(f"retrievals {result}", seen.retrievals[result], number,
                      min(number, apart(holders)), _names(holders))
    yield _number("documents", seen.documents, sum(size * number for size, number
                                                   in documents.items()), 0, ())
    reranks = [span for span in spans if span.is_rerank()]
    yield _number("reranks", seen.reranks, len(true.get("reranks", ())),
                  min(len(true.get("reranks", ())), apart(reranks)), _names(reranks))


def _number(figure: str, seen: int, true: int, least: int, spans: Sequence[str]) -> Judgement:
    verdict = (ABOVE if seen > true else EQUAL if seen == true else
               MISSED if seen < least else UNKNOWN)
    return Judgement(figure, seen, true, least, verdict, spans)


def _names(spans: Sequence[SpanEvidence]) -> Sequence[str]:
    return list(dict.fromkeys(f"{span.entry.scope_name}: {span.name}" for span in spans))[:4]
