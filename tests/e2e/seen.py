"""What a gateway says of a scenario: on /metrics, and in its ledger beside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.exporter.support import Page

_COUNTERS = {"input": "llm_client_input_tokens_total",
             "cached": "llm_client_input_tokens_cached_total",
             "cache_write": "llm_client_input_tokens_cache_written_total",
             "output": "llm_client_output_tokens_total",
             "reasoning": "llm_client_output_tokens_reasoning_total"}
_TTFT = "llm_client_time_to_first_token_seconds"


@dataclass
class Seen:
    """What /metrics says of one scenario."""

    outcomes: Counter[str] = field(default_factory=Counter)
    by_service: Counter[str] = field(default_factory=Counter)  # requests
    tokens: Counter[str] = field(default_factory=Counter)
    missing: int = 0  # calls whose usage is not known
    first_tokens: int = 0
    first_token_seconds: float = 0.0  # their sum
    tools: Counter[str] = field(default_factory=Counter)
    retrievals: Counter[str] = field(default_factory=Counter)  # by result
    reranks: int = 0
    documents: int = 0  # from the ledger: /metrics does not say

    @property
    def requests(self) -> int:
        """Of the service with most: a proxy counts what its callers count, too."""
        return max(self.by_service.values(), default=0)


def seen_by(page: Page, services: Sequence[str], top: Mapping[str, Mapping[str, Any]]) -> Seen:
    """What the page and the ledger say of these applications. Raises AssertionError where the
    two differ.
    """
    seen = Seen()
    for service in services:
        def values(name: str, by: str, service: str = service) -> Counter[str]:
            counts: Counter[str] = Counter()
            for series in page.find(name, service_name=service):
                counts[series.labels.get(by, "")] += int(series.value)
            return +counts

        outcomes = values("llm_client_requests_total", "outcome")
        seen.outcomes += outcomes
        seen.by_service[service] = outcomes.total()
        tokens = Counter({kind: values(name, "").total() for kind, name in _COUNTERS.items()})
        seen.tokens += tokens
        seen.missing += values("llm_client_usage_missing_total", "").total()
        seen.first_tokens += values(f"{_TTFT}_count", "").total()
        seen.first_token_seconds += sum(page.values(f"{_TTFT}_sum", service_name=service))
        seen.tools += values("llm_tool_calls_total", "tool")
        seen.retrievals += values("rag_retrievals_total", "result")
        seen.reranks += values("rag_reranks_total", "").total()
        row = top.get(service, {})
        seen.documents += int(row.get("documents", 0))
        for name, number in (*tokens.items(), *outcomes.items(), ("requests", outcomes.total()),
                             ("tool_calls", values("llm_tool_calls_total", "tool").total())):
            assert row.get(name, 0) == number, (
                f"{service}: {name} is {number} on /metrics, {row.get(name)} in the ledger")
    return seen
