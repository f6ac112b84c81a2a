"""Which bodies services take as votes, by their own pages: why one is refused, or nothing.

Written down apart from what makes them. A field that a page does not name is refused.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

Check = Callable[[Any], bool]


def _text(pattern: str = ".+") -> Check:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value, re.S) is not None


def _one_of(*values: object) -> Check:
    return lambda value: value in values


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _time(value: Any) -> bool:
    """An ISO 8601 time with its offset."""
    return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None


def _uuid(value: Any) -> bool:
    return isinstance(value, str) and str(uuid.UUID(value)) == value


def _object(value: Any) -> bool:
    return isinstance(value, dict)


_SPAN, _TRACE, _DECIMAL = _text("[0-9a-f]{16}"), _text("[0-9a-f]{32}"), _text("[0-9]{1,20}")


def _why(fields: Any, checks: Mapping[str, Check], needed: tuple[str, ...]) -> str:
    """Why the object is refused: fields that are missing, unknown, or of another form."""
    if not isinstance(fields, dict):
        return "no object"
    for name in needed:
        if name not in fields:
            return f"{name} is missing"
    for name, value in fields.items():
        try:
            if name not in checks or not checks[name](value):
                return f"{name}: {value!r}"
        except (ValueError, TypeError, AttributeError):
            return f"{name}: {value!r}"
    return ""


def phoenix(body: Any) -> str:
    """AnnotateSpansRequestBody of its OpenAPI, `/openapi.json` of Phoenix 20.26.1."""
    if set(body) != {"data"} or not isinstance(body["data"], list) or not body["data"]:
        return "no list of annotations"
    for one in body["data"]:
        why = _why(one, {
            "span_id": _SPAN, "name": lambda name: _text()(name) and name != "note",
            "annotator_kind": _one_of("LLM", "CODE", "HUMAN"), "result": _object,
            "metadata": _object, "identifier": _text()}, ("span_id", "name", "annotator_kind"))
        why = why or _why(one.get("result"), {
            "label": _text(), "score": _number, "explanation": _text()}, ())
        if why or not one["result"]:
            return why or "neither label nor score nor explanation"
    return ""


def langfuse(body: Any) -> str:
    """CreateScoreRequest of its OpenAPI, with which a score is 0 or 1 where it is a boolean."""
    why = _why(body, {
        "id": _text(), "traceId": _TRACE, "observationId": _SPAN, "sessionId": _text(),
        "name": _text(), "value": lambda value: _number(value) or _text()(value),
        "comment": _text(), "metadata": _object, "environment": _text("[a-z0-9_-]+"),
        "dataType": _one_of("NUMERIC", "CATEGORICAL", "BOOLEAN", "TEXT"), "timestamp": _time},
        ("name", "value", "traceId"))
    if why:
        return why
    fits: dict[str, Check] = {"BOOLEAN": _one_of(0, 1), "CATEGORICAL": _text(),
                              "TEXT": _text(".{1,500}")}
    kind = body.get("dataType", "NUMERIC")
    return "" if fits.get(kind, _number)(body["value"]) else f"value is no {kind}"


def langsmith(body: Any) -> str:
    """FeedbackCreateSchema of its OpenAPI."""
    why = _why(body, {
        "id": _uuid, "key": _text(".{1,180}"), "run_id": _uuid, "trace_id": _uuid,
        "session_id": _uuid, "start_time": _time, "created_at": _time, "modified_at": _time,
        "score": lambda score: _number(score) or isinstance(score, bool),
        "value": lambda value: _number(value) or isinstance(value, str | bool | dict),
        "comment": _text(), "correction": _object, "feedback_source": _object}, ("key", "run_id"))
    return why or _why(body.get("feedback_source", {}), {
        "type": _one_of("app", "api", "model", "auto_eval"), "metadata": _object}, ())


def datadog(body: Any) -> str:
    """A feedback event of its Evaluations API, of a span that came over OTLP."""
    if body.get("data", {}).get("type") != "evaluation_metric":
        return "data.type"
    metrics = body["data"].get("attributes", {}).get("metrics")
    if not isinstance(metrics, list) or not metrics:
        return "no metrics"
    for one in metrics:
        why = _why(one, {
            "event_kind": _one_of("feedback"), "span_id": _DECIMAL, "session_id": _text(),
            "trace_id": lambda text: _TRACE(text) or _DECIMAL(text), "feedback_join_key": _text(),
            "ml_app": _text(".{1,193}"), "timestamp_ms": lambda time: isinstance(time, int),
            "metric_type": _one_of("categorical"), "categorical_value": _text(),
            "label": _text("[A-Za-z][A-Za-z0-9_]{0,199}"), "assessment": _one_of("pass", "fail"),
            "reasoning": _text(), "submitter": lambda person: _text()(person.get("id")),
            "tags": lambda tags: "source:otel" in tags},
            ("event_kind", "submitter", "ml_app", "timestamp_ms", "metric_type",
             "categorical_value", "label", "tags"))
        targets = {"span_id", "trace_id", "session_id", "feedback_join_key"} & set(one)
        if why or len(targets) != 1:
            return why or "not exactly one target"
    return ""
