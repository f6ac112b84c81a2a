"""What each service takes, as its documentation has it: where, with which headers, in which form.

Written down apart from the presets, which are held against it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.receivers import vote_demands

PROTOBUF, JSON = "application/x-protobuf", "application/json"
BOTH = (PROTOBUF, JSON)
TRACES, LOGS, METRICS, FEEDBACK = "traces", "logs", "metrics", "feedback"


@dataclass(frozen=True)
class Demand:
    """What one service takes; whatever else comes is refused with the status it answers."""

    paths: Mapping[str, str]  # the signal of each
    headers: Mapping[str, Callable[[str], bool]] = field(default_factory=dict)
    types: tuple[str, ...] = BOTH
    unauthorized: int = 401
    votes: Callable[[Any], str] = lambda _: "no votes are taken"  # why a body of one is refused


def _all(base: str = "", *signals: str) -> dict[str, str]:
    return {f"{base}/v1/{signal}": signal for signal in signals or (TRACES, LOGS, METRICS)}


def _like(pattern: str) -> Callable[[str], bool]:
    return lambda value: re.fullmatch(pattern, value) is not None


def _basic(pattern: str) -> Callable[[str], bool]:
    """Of HTTP Basic, whose user and password are like this."""
    def checked(value: str) -> bool:
        scheme, _, packed = value.partition(" ")
        try:
            plain = base64.b64decode(packed, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
        return scheme == "Basic" and re.fullmatch(pattern, plain) is not None
    return checked


_NAME = r"\w[\w -]*"
# A key of each that is made up, in the form that the service's own have.
KEYS = {
    "langsmith": "lsv2_pt_0123456789abcdef", "honeycomb": "hcaik_0123456789abcdefghij",
    "datadog": "0123456789abcdef0123456789abcdef", "langfuse": "pk-lf-0123:sk-lf-4567",
    "grafana-cloud": "123456:glc_eyJvIjoiMSJ9", "elasticsearch": "VnVhQ2ZHY0JDZGJrUW0tZTVhT3g=",
    "phoenix": "phx-0123456789",
}
DEMANDS: Mapping[str, Demand] = {
    "otlp": Demand(_all()),
    "langsmith": Demand(
        {**_all("/otel", TRACES), "/api/v1/feedback": FEEDBACK},
        {"x-api-key": _like("lsv2_(pt|sk)_[0-9a-f]+"), "langsmith-project": _like(_NAME)},
        votes=vote_demands.langsmith),
    "phoenix": Demand(
        {**_all("", TRACES), "/v1/span_annotations?sync=false": FEEDBACK},
        {"authorization": _like("Bearer .+"), "x-project-name": _like(_NAME)},
        (PROTOBUF,), votes=vote_demands.phoenix),
    "honeycomb": Demand(
        _all(), {"x-honeycomb-team": _like("[0-9A-Za-z_]{22,64}"),
                 "x-honeycomb-dataset": _like(_NAME)}),
    "datadog": Demand(
        {**_all("", TRACES), "/api/intake/llm-obs/v2/eval-metric": FEEDBACK},
        {"dd-api-key": _like("[0-9a-f]{32}"), "dd-otlp-source": _like("llmobs")}, (PROTOBUF,), 403,
        vote_demands.datadog),
    "datadog-agent": Demand(_all(), types=(PROTOBUF,)),
    "langfuse": Demand(
        {**_all("/api/public/otel", TRACES), "/api/public/scores": FEEDBACK},
        {"authorization": _basic("pk-lf-.+:sk-lf-.+"), "x-langfuse-ingestion-version": _like("4")},
        votes=vote_demands.langfuse),
    "grafana-cloud": Demand(_all("/otlp"), {"authorization": _basic("[0-9]+:glc_.+")}),
    "elasticsearch": Demand(_all("/_otlp"), {"authorization": _like("ApiKey [0-9A-Za-z+/=]+")},
                            (PROTOBUF,)),
    "mlflow": Demand(_all("", TRACES), {"x-mlflow-experiment-id": _like("[0-9]+")}, (PROTOBUF,),
                     422),
}
# The path that comes before /v1/… in each one's address.
BASES = {name: next(iter(demand.paths)).partition("/v1/")[0] for name, demand in DEMANDS.items()}
# Headers that a user sets besides the key.
OWN = {"langsmith": {"langsmith-project": "demo"}, "phoenix": {"x-project-name": "demo"},
       "honeycomb": {"x-honeycomb-dataset": "demo"}, "mlflow": {"x-mlflow-experiment-id": "0"}}
