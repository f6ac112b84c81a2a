"""What was answered beside what was counted: equal where a span has it, and never above."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.e2e.senders.kinds import Kind
from tests.e2e.senders.playing import Span, by_scene
from tests.e2e.senders.provider import Call
from tests.exporter.support import Page

TOKENS = {"input": "llm_client_input_tokens_total",
          "cached": "llm_client_input_tokens_cached_total",
          "cache_write": "llm_client_input_tokens_cache_written_total",
          "output": "llm_client_output_tokens_total",
          "reasoning": "llm_client_output_tokens_reasoning_total"}
MISSING = "llm_client_usage_missing_total"


@dataclass
class Comparison:
    """Of one sender."""

    sender: str
    sent: int  # calls that were answered
    counted: int = 0
    tokens: int = 0  # input and output that were answered
    counted_tokens: int = 0
    unseen: list[str] = field(default_factory=list)  # "SCENE FIGURE" that no span has
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        verdict = f"NOT EQUAL: {'; '.join(self.wrong)}" if self.wrong else "equal"
        unseen = f"; in no span: {', '.join(self.unseen)}" if self.unseen else ""
        return (f"{self.sender}: sent {self.sent}, counted {self.counted}, tokens sent "
                f"{self.tokens}, counted {self.counted_tokens}, {verdict}{unseen}")


def compare(kind: Kind, calls: Sequence[Call], spans: Sequence[Span], page: Page) -> Comparison:
    """Hold what the page has of a sender against the calls that the provider answered it."""
    service = kind.service
    compared = Comparison(
        kind.name, len(calls),
        counted=int(sum(page.values("llm_client_requests_total", service_name=service))),
        tokens=sum(call.tokens.get(token, 0) for call in calls for token in ("input", "output")),
        counted_tokens=int(sum(sum(page.values(TOKENS[token], service_name=service))
                               for token in ("input", "output"))))
    spans_of = by_scene(spans)
    for name in dict.fromkeys(call.scene for call in calls):
        same = [call for call in calls if call.scene == name]
        _compare_scene(compared, same, spans_of.get(name, ()), page, service)
    if compared.unseen != [*kind.lacks]:  # what spans lack is not to become more unnoticed
        compared.wrong.append(f"spans are said to lack {', '.join(kind.lacks) or 'nothing'}")
    models = {call.model for call in calls}
    compared.wrong += [
        f"{series.labels['model']!r} was never asked for" for series in page.find(
            "llm_client_requests_total", service_name=service)
        if series.value and series.labels["model"] not in models]
    return compared


def _compare_scene(compared: Comparison, calls: Sequence[Call], spans: Sequence[Span],
                   page: Page, service: str) -> None:
    """One scene of a service, which has a model of its own."""
    labels = {"service_name": service, "model": calls[0].model}
    name = calls[0].scene
    counted = Counter({(series.labels["outcome"], series.labels["error_type"]): int(series.value)
                       for series in page.find("llm_client_requests_total", **labels)
                       if series.value})
    answered = Counter((call.outcome, call.error_type) for call in calls)
    if not spans:
        compared.unseen.append(f"{name} call")
        answered.clear()
    if counted != answered:
        compared.wrong.append(f"{name} is {_text(counted)} for {_text(answered)}")
    for kind, number, line in _figures(calls, spans):
        value = int(sum(page.values(TOKENS[kind], **labels)))
        if number and spans and not line:
            compared.unseen.append(f"{name} {kind}")
        if value > number or (line and value != number):
            compared.wrong.append(f"{name} {kind} is {value} for {number}")
    bare = sum(call.outcome == "success" and not call.tokens for call in calls)
    missing = int(sum(page.values(MISSING, **labels)))
    if spans and bare and missing != bare:
        compared.wrong.append(f"{name} lacks usage {missing} times for {bare}")


def _figures(calls: Sequence[Call], spans: Sequence[Span]) -> Iterator[tuple[str, int, str]]:
    """Kind of token, the sum of it, and a line of a span that has the number of one call."""
    for kind in TOKENS:
        number = calls[0].tokens.get(kind, 0)
        pattern = re.compile(rf"(?<![\w.]){number}(?![\w.])")
        line = next((span.line for span in spans if pattern.search(span.line)), "")
        yield kind, sum(call.tokens.get(kind, 0) for call in calls), line if number else ""


def _text(endings: Mapping[tuple[str, str], int]) -> str:
    return ", ".join(f"{count} {outcome} {error}".strip()
                     for (outcome, error), count in sorted(endings.items())) or "nothing"
