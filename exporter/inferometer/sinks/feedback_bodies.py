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

from inferometer.sinks.encoding import CONTENT_TYPES, body_of
from inferometer.sinks.feedback_vote import matter_of, score_of
from inferometer.spans.decoded import JSON
from inferometer.spans.log_events import EVENT
from inferometer.votes import THUMBS_UP, JoinedVote

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/inferometer/vote")
_NO_SERVICE = "unknown_service"  # as OpenTelemetry's resources name it
_RUN_BYTES = 16  # of a run's id, where a span's stands at the end

Encoded = tuple[str, bytes]  # a content type, and a body in it


class NoPlaceError(ValueError):
    """The service has no place for such a vote."""


def phoenix(vote: JoinedVote) -> Any:
    """An annotation of the call's span; the same identifier writes over the one before."""
    return {"data": [{
        "span_id": _span_of(vote).hex(), "name": matter_of(vote), "annotator_kind": "HUMAN",
        "identifier": vote.ballot.hex(),
        "result": _present(label=vote.kind, score=score_of(vote), explanation=vote.explanation),
        "metadata": _present(id=vote.id, user=vote.user, response_id=vote.response_id,
                             request_id=vote.request_id)}]}


def langfuse(vote: JoinedVote) -> Any:
    """A score of the observation; the same id and time write over the one before."""
    score = score_of(vote)
    return _present(
        id=vote.ballot.hex(), timestamp=_iso(vote.called), traceId=vote.trace_id.hex(),
        observationId=vote.span_id.hex(), name=matter_of(vote),
        value=vote.kind if score is None else int(score),
        dataType="CATEGORICAL" if score is None else "BOOLEAN", comment=vote.explanation,
        metadata=_present(id=vote.id, user=vote.user))


def langsmith(vote: JoinedVote) -> Any:
    """Feedback on the run that the call's span is there."""
    return _present(
        id=str(uuid.uuid5(_NAMESPACE, vote.ballot.hex())),
        run_id=str(uuid.UUID(bytes=_span_of(vote).rjust(_RUN_BYTES, b"\0"))),
        start_time=_iso(vote.called), key=matter_of(vote), score=score_of(vote), value=vote.kind,
        comment=vote.explanation,
        feedback_source={"type": "api", "metadata": _present(vote_id=vote.id, user=vote.user)})


def datadog(vote: JoinedVote) -> Any:
    """A feedback event, whose ids are decimal. Who is not to be named is a ballot."""
    place = {"span_id": str(int.from_bytes(vote.span_id))} if vote.span_id else {
        "trace_id": vote.trace_id.hex()}
    assessment = "" if score_of(vote) is None else "pass" if vote.kind == THUMBS_UP else "fail"
    return {"data": {"type": "evaluation_metric", "attributes": {"metrics": [{
        **place, **_present(assessment=assessment, reasoning=vote.explanation),
        "event_kind": "feedback", "ml_app": vote.service_name or _NO_SERVICE,
        "timestamp_ms": vote.arrived // 10**6,
        "metric_type": "categorical", "label": matter_of(vote), "categorical_value": vote.kind,
        "submitter": {"id": vote.user or vote.ballot.hex(), "type": "user"},
        "tags": ["source:otel"]}]}}}


def log(vote: JoinedVote) -> ExportLogsServiceRequest:
    """The event that OpenTelemetry has for it, a log record of the call's span."""
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    _put(resource.resource, "service.name", vote.service_name)
    scope = resource.scope_logs.add()
    scope.scope.name = "inferometer.feedback"
    record = scope.log_records.add()
    record.time_unix_nano = record.observed_time_unix_nano = vote.arrived
    record.trace_id, record.span_id, record.event_name = vote.trace_id, vote.span_id, EVENT
    for name, value in (
            ("gen_ai.evaluation.name", matter_of(vote)),
            ("gen_ai.evaluation.score.label", vote.kind),
            ("gen_ai.evaluation.explanation", vote.explanation),
            ("gen_ai.response.id", vote.response_id), ("user.id", vote.user),
            ("log.record.uid", vote.id)):
        _put(record, name, value)
    if (score := score_of(vote)) is not None:
        record.attributes.add(key="gen_ai.evaluation.score.value").value.double_value = score
    return request


def _in_json(make: Callable[[JoinedVote], Any]) -> Callable[[JoinedVote, str], Encoded]:
    def encoded(vote: JoinedVote, _: str) -> Encoded:
        return CONTENT_TYPES[JSON], json.dumps(make(vote), separators=(",", ":")).encode()
    return encoded


def _logged(vote: JoinedVote, encoding: str) -> Encoded:
    return CONTENT_TYPES[encoding], body_of(log(vote), encoding)


# Of each form what makes it; the second argument is the encoding that the destination takes.
BODIES: Mapping[str, Callable[[JoinedVote, str], Encoded]] = MappingProxyType({
    "log": _logged, "phoenix": _in_json(phoenix), "langfuse": _in_json(langfuse),
    "langsmith": _in_json(langsmith), "datadog": _in_json(datadog)})


def _span_of(vote: JoinedVote) -> bytes:
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
