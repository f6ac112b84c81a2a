"""Where services take what people say of an answer, each from its own documentation.

A service has another path for it than for traces, and may have another host.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_READ = "2026-11-30"


class FeedbackPlace(NamedTuple):
    """One service's path for votes, and which body it takes there."""

    form: str  # of feedback_bodies.BODIES
    docs: str
    read: str  # when, as YYYY-MM-DD
    changes: tuple[tuple[str, str], ...]  # of the URL of traces: patterns, and what replaces each

    def url_of(self, url: str) -> str:
        """Where votes are posted, by the base of the URL to which traces are."""
        for pattern, place in self.changes:
            url = re.sub(pattern, place, url, count=1)
        return url


LOG = FeedbackPlace(  # an event beside the logs: for whoever takes these
    "log", "https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/"
    "gen-ai/gen-ai-events.md", _READ, ((r"/*$", "/v1/logs"),))
PHOENIX = FeedbackPlace(
    "phoenix", "https://arize.com/docs/phoenix/tracing/how-to-tracing/feedback-and-annotations/"
    "capture-feedback", _READ, ((r"/*$", "/v1/span_annotations?sync=false"),))
LANGFUSE = FeedbackPlace(
    "langfuse", "https://langfuse.com/docs/evaluation/evaluation-methods/scores-via-sdk", _READ,
    ((r"(/otel)?/*$", "/scores"),))
LANGSMITH = FeedbackPlace(
    "langsmith", "https://docs.langchain.com/langsmith/smith-api/feedback/create-feedback", _READ,
    ((r"(/api/v1)?(/otel)?/*$", "/api/v1/feedback"),))
DATADOG = FeedbackPlace(
    "datadog", "https://docs.datadoghq.com/llm_observability/evaluations/end_user_feedback/",
    _READ, ((r"^(https?://)otlp\.", r"\1api."),
            (r"/*$", "/api/intake/llm-obs/v2/eval-metric")))
