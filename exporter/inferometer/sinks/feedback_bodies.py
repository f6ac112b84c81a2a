"""A vote as each service takes it: pure functions, one a service, and their table.

Sources: the pages that feedback_places names; of runs of LangSmith `langsmith_run_id_from_otel_
span_id` of its SDK 0.15.1, which says how the service makes a run's id of a span's.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from inferometer.facts import THUMBS_UP
from inferometer.sinks.encoding import CONTENT_TYPES, body_of
from inferometer.sinks.feedback_vote import OutgoingVote
from inferometer.spans.decoded import JSON

EVENT = "gen_ai.evaluation.result"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/inferometer/vote")
_NO_SERVICE = "unknown_service"  # as OpenTelemetry's resources name it
_RUN_BYTES = 16  # of a run's id, where a span's stands at the end

Encoded = tuple[str, bytes]  # a content type, and a body in it


class NoPlaceError(ValueError):
    """The service has no place for such a vote."""


def phoenix(vote: OutgoingVote) -> Any:
    """An annotation of the call's span; the same identifier writes over the one before."""
    return {"data": [{
        "span_id": _span_of(vote).hex(), "name": vote.matter, "annotator_kind": "HUMAN",
        "identifier": vote.key,
        "result": _present(label=vote.kind, score=vote.score, explanation=vote.explanation),
        "metadata": _present(id=vote.id, user=vote.user, response_id=vote.response_id,
                             request_id=vote.request_id)}]}


def langfuse(vote: OutgoingVote) -> Any:
    """A score of the observation; the same id and time write over the one before."""
    judged = vote.score is not None
    return _present(
        id=vote.key, timestamp=_iso(vote.called), traceId=vote.trace_id.hex(),
        observationId=vote.span_id.hex(), name=vote.matter,
        value=int(vote.score) if vote.score is not None else vote.kind,
        dataType="BOOLEAN" if judged else "CATEGORICAL", comment=vote.explanation,
        metadata=_present(id=vote.id, user=vote.user))


def langsmith(vote: OutgoingVote) -> Any:
    """Feedback on the run that the call's span is there."""
    return _present(
        id=str(uuid.uuid5(_NAMESPACE, vote.key)),
        run_id=str(uuid.UUID(bytes=_span_of(vote).rjust(_RUN_BYTES, b"\0"))),
        start_time=_iso(vote.called), key=vote.matter, score=vote.score, value=vote.kind,
        comment=vote.explanation,
        feedback_source={"type": "api", "metadata": _present(vote_id=vote.id, user=vote.user)})


def datadog(vote: OutgoingVote) -> Any:
    """A feedback event, whose ids are decimal; who is not to be named is told apart by the key."""
    place = {"span_id": str(int.from_bytes(vote.span_id))} if vote.span_id else {
        "trace_id": vote.trace_id.hex()}
    assessment = "" if vote.score is None else "pass" if vote.kind == THUMBS_UP else "fail"
    return {"data": {"type": "evaluation_metric", "attributes": {"metrics": [{
        **place, **_present(assessment=assessment, reasoning=vote.explanation),
        "event_kind": "feedback", "ml_app": vote.service_name or _NO_SERVICE,
        "timestamp_ms": vote.cast // 10**6,
        "metric_type": "categorical", "label": vote.matter, "categorical_value": vote.kind,
        "submitter": {"id": vote.user or vote.key, "type": "user"}, "tags": ["source:otel"]}]}}}


def log(vote: OutgoingVote) -> ExportLogsServiceRequest:
    """The event that OpenTelemetry has for it, a log record of the call's span."""
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    _put(resource.resource, "service.name", vote.service_name)
    scope = resource.scope_logs.add()
    scope.scope.name = "inferometer.feedback"
    record = scope.log_records.add()
    record.time_unix_nano = record.observed_time_unix_nano = vote.cast
    record.trace_id, record.span_id, record.event_name = vote.trace_id, vote.span_id, EVENT
    for name, value in (
            ("gen_ai.evaluation.name", vote.matter), ("gen_ai.evaluation.score.label", vote.kind),
            ("gen_ai.evaluation.explanation", vote.explanation),
            ("gen_ai.response.id", vote.response_id), ("user.id", vote.user),
            ("log.record.uid", vote.id)):
        _put(record, name, value)
    if vote.score is not None:
        record.attributes.add(key="gen_ai.evaluation.score.value").value.double_value = vote.score
    return request


def _in_json(make: Callable[[OutgoingVote], Any]) -> Callable[[OutgoingVote, str], Encoded]:
    def encoded(vote: OutgoingVote, _: str) -> Encoded:
        return CONTENT_TYPES[JSON], json.dumps(make(vote), separators=(",", ":")).encode()
    return encoded


def _logged(vote: OutgoingVote, encoding: str) -> Encoded:
    return CONTENT_TYPES[encoding], body_of(log(vote), encoding)


# Of each form what makes it; the second argument is the encoding that the destination takes.
BODIES: Mapping[str, Callable[[OutgoingVote, str], Encoded]] = MappingProxyType({
    "log": _logged, "phoenix": _in_json(phoenix), "langfuse": _in_json(langfuse),
    "langsmith": _in_json(langsmith), "datadog": _in_json(datadog)})


def _span_of(vote: OutgoingVote) -> bytes:
    if not vote.span_id:
        raise NoPlaceError("no span is known that the vote is about")
    return vote.span_id


def _present(**fields: Any) -> dict[str, Any]:
    """The fields that have a value; 0 is one."""
    return {name: value for name, value in fields.items() if value not in ("", None, {})}


def _put(holder: Any, name: str, value: str) -> None:
    if value:
        holder.attributes.add(key=name).value.string_value = value


def _iso(nanoseconds: int) -> str:
    """A time as ISO 8601 has it; empty for none."""
    if not nanoseconds:
        return ""
    return datetime.fromtimestamp(nanoseconds // 1000 / 1e6, UTC).isoformat(
        timespec="microseconds").replace("+00:00", "Z")
