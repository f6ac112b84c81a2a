"""Metrics about calls to models, by their names in OpenTelemetry's conventions, old and new.

Sources: open-telemetry/semantic-conventions 1.28 to 1.41, gen-ai-metrics.md; semantic-conventions-
genai 0.1.0, client-inference.md and gen-ai-token-metrics.md. Envoy AI Gateway has `server` metrics
for the calls that it passes on, in internal/metrics/genai.go; Kong's are in ai-otel-metrics.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

SECONDS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0, "": 1e9}  # nanoseconds, by UCUM's unit
TIMES = frozenset(("duration", "first_token", "per_token"))  # quantities that have a unit of time


class Measure(NamedTuple):
    """What a metric measures: a counter of the ledger, in each of a number of calls.

    Of several metrics that one sender has for one quantity that of the least rank is counted.
    """

    quantity: str  # empty where an attribute says it
    rank: int = 0
    operation: str = ""  # of a metric that is about one alone


MEASURES: Mapping[str, Measure] = {
    "gen_ai.client.inference.duration": Measure("duration"),
    "gen_ai.client.embeddings.duration": Measure("duration", operation="embeddings"),
    "gen_ai.client.operation.duration": Measure("duration", 1),
    "gen_ai.server.request.duration": Measure("duration", 2),
    "gen_ai.client.inference.time_to_first_chunk": Measure("first_token"),
    "gen_ai.client.operation.time_to_first_chunk": Measure("first_token", 1),
    "gen_ai.server.time_to_first_token": Measure("first_token", 2),
    "gen_ai.server.time_per_output_token": Measure("per_token"),
    "gen_ai.client.inference.usage.input_tokens": Measure("input"),
    "gen_ai.client.inference.usage.output_tokens": Measure("output"),
    "gen_ai.client.inference.usage.cache_read.input_tokens": Measure("cached"),
    "gen_ai.client.inference.usage.cache_write.input_tokens": Measure("cache_write"),
    "gen_ai.client.inference.usage.reasoning.output_tokens": Measure("reasoning"),
    "gen_ai.client.token.usage": Measure("", 1),
}
# Of `gen_ai.client.token.usage`, by `gen_ai.token.type`. Not `total`: it is the others again.
TOKEN_TYPES: Mapping[str, str] = {
    "input": "input", "prompt": "input",
    "output": "output", "completion": "output",
    "cached_input": "cached", "cache_read": "cached", "input_cached": "cached",
    "cache_read_input": "cached", "input_cache_read": "cached",
    "cache_creation_input": "cache_write", "cache_creation": "cache_write",
    "cache_write": "cache_write", "input_cache_creation": "cache_write",
    "reasoning": "reasoning", "output_reasoning": "reasoning",
}
# Attributes of points, the first that is there.
PROVIDER = ("gen_ai.provider.name", "gen_ai.system")
MODEL = ("gen_ai.response.model", "gen_ai.request.model")
OPERATION = "gen_ai.operation.name"
TOKEN_TYPE = "gen_ai.token.type"
ERROR = "error.type"
UNKNOWN = "unknown"  # what Envoy AI Gateway writes for a model before one is there
