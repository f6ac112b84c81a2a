"""A body without what was said, and without who said it, for a destination that may not have them.

What goes: attributes with content and those that nobody knows, bodies of log records, messages of
errors, and fields that are newer than our definitions. What stays: names, ids, times, models,
tokens, numbers and statuses. An attribute that goes is counted in `dropped_attributes_count`, as
OpenTelemetry counts what an SDK left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inferometer.sinks.encoding import (
    LOGS,
    METRICS,
    TRACES,
    body_of,
    encoding_of,
    message_of,
)
from inferometer.sinks.redaction_names import Fate, fate, fate_of_resource
from inferometer.sinks.redaction_values import digest, emptied, is_plain, without_query

NONE, CONTENT, CONTENT_AND_USERS = LEVELS = ("none", "content", "content_and_users")

Fates = Callable[[str, bool], Fate]


def redacted(body: bytes, content_type: str, signal: str, level: str) -> bytes:
    """The body, unpacked, in the encoding it came in. Raises NotOtlpError.

    `signal` is traces, logs or metrics, `level` one of LEVELS; NONE gives the same bytes back.
    """
    if level not in LEVELS:
        raise ValueError(f"{level} is no level of redaction")
    if level == NONE:
        return body
    message = message_of(body, content_type, signal)
    message.DiscardUnknownFields()
    _REDACTORS[signal](message, level == CONTENT_AND_USERS)
    return body_of(message, encoding_of(content_type))


def _redact_traces(message: Any, users: bool) -> None:
    for resource in message.resource_spans:
        _redact_holder(resource.resource, users, fate_of_resource)
        for scope in resource.scope_spans:
            _redact_holder(scope.scope, users, fate)
            for span in scope.spans:
                _redact_holder(span, users, fate)
                for part in (*span.events, *span.links):
                    _redact_holder(part, users, fate)
                span.status.message = ""  # the message of an exception, which may quote a prompt


def _redact_logs(message: Any, users: bool) -> None:
    for resource in message.resource_logs:
        _redact_holder(resource.resource, users, fate_of_resource)
        for scope in resource.scope_logs:
            _redact_holder(scope.scope, users, fate)
            for record in scope.log_records:
                _redact_holder(record, users, fate)
                record.ClearField("body")


def _redact_metrics(message: Any, users: bool) -> None:
    for resource in message.resource_metrics:
        _redact_holder(resource.resource, users, fate_of_resource)
        for scope in resource.scope_metrics:
            _redact_holder(scope.scope, users, fate)
            for metric in scope.metrics:
                _leave_out(metric.metadata, users, fate_of_resource)
                kind = metric.WhichOneof("data")
                for point in getattr(metric, kind).data_points if kind else ():
                    _redact_point(point, users)


def _redact_point(point: Any, users: bool) -> None:
    """Of a point's attributes the values only: without them two points could become one."""
    for pair in point.attributes:
        if not _stays(pair.value, fate_of_resource(pair.key, users), pair.key, users):
            pair.value.string_value = digest(pair.value)
    for exemplar in getattr(point, "exemplars", ()):
        _leave_out(exemplar.filtered_attributes, users, fate)


def _redact_holder(holder: Any, users: bool, fates: Fates) -> None:
    """Of whatever has attributes and counts those that are left out."""
    if holder.attributes and (left_out := _leave_out(holder.attributes, users, fates)):
        holder.dropped_attributes_count = min(holder.dropped_attributes_count + left_out,
                                              2**32 - 1)


def _leave_out(attributes: Any, users: bool, fates: Fates) -> int:
    """Take those out that may not stay, and give their number."""
    kept = [pair for pair in attributes
            if _stays(pair.value, fates(pair.key, users), pair.key, users)]
    left_out = len(attributes) - len(kept)
    if left_out:
        del attributes[:]
        attributes.extend(kept)
    return left_out


def _stays(value: Any, of_name: Fate, key: str, users: bool) -> bool:
    """Whether the attribute does; its value may be cut."""
    kind = value.WhichOneof("value")
    if kind is None:
        return True
    if of_name is Fate.STAYS:
        return is_plain(value, kind, users)
    if of_name is Fate.NUMBER:
        return kind in ("int_value", "double_value", "bool_value")
    if of_name is Fate.HOST:
        return without_query(value, kind)
    return of_name is Fate.CUT and emptied(value, kind, key)


_REDACTORS: dict[str, Callable[[Any, bool], None]] = {
    TRACES: _redact_traces, LOGS: _redact_logs, METRICS: _redact_metrics,
}
