"""A settled call as one line of JSON: which fields a line has, and what each is made of.

Names are those of ECS where it has one, else OpenTelemetry's, and `llm.` before what is ours. A
line has what is known: what is not is left out. Nothing of what was said is ever in one, and users
and conversations are in it as the ledger has them, by their hashes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from inferometer import __version__
from inferometer.facts import ModelCall
from inferometer.pricing import NANO

ECS, OTEL, OURS = "ECS", "OpenTelemetry", "Inferometer"  # whose name a field has
ECS_VERSION = "9.2.0"
DATASET = "llm.request"
LONGEST = 1024  # characters of a text: more are not indexed as a keyword
# How a call ended, in the words of event.outcome and log.level. Who left did not see how it went.
_OUTCOMES = {"success": "success", "abort": "unknown"}
_LEVELS = {"success": "info", "abort": "warn", "invalid": "warn"}
_MILLISECOND = 10**6  # nanoseconds
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode  # ASCII


class SettledCall(NamedTuple):
    """A call that counts, as the ledger has it: what its spans say, and what it came to.

    `call` has the texts of all its spans. `user` and `conversation` are hashes. Times but those of
    the call are nanoseconds; tokens are as OpenTelemetry counts them; None is not known.
    """

    call: ModelCall
    arrived: int  # Unix nanoseconds of the gateway's clock
    user: str | None
    conversation: str | None
    outcome: str
    error_type: str
    calls: int  # requests that it stands for; 0: it restates the tokens of calls nobody sent
    billed: int  # whether tokens and cost count here, and not with the service that it came from
    usage: str  # known, missing or estimated
    input: int | None
    cached: int | None
    cache_write: int | None
    output: int | None
    reasoning: int | None
    duration: int | None
    first_token: int | None
    queue: int | None
    prefill: int | None
    decode: int | None
    priced: str  # who says what it costs
    cost: int | None  # nano-USD
    over_cost: int
    within_limits: int

    @property
    def is_charged(self) -> bool:
        """Whether its tokens add to sums: those of another line are the same ones else."""
        return bool(self.billed) and self.usage == "known"


class LineField(NamedTuple):
    """A field of a line: its dotted name, its type in Elasticsearch, and what makes its value."""

    name: str
    type: str
    origin: str  # ECS, OTEL or OURS
    about: str
    value: Callable[[SettledCall], object]  # None, "" or []: the line has no such field


def _timestamp(nanoseconds: int) -> str:
    """RFC 3339 to the millisecond, which all shippers read."""
    moment = datetime.fromtimestamp(nanoseconds // 10**9, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds // _MILLISECOND % 1000:03}Z"


def _moment(nanoseconds: int) -> str:
    """The same of a sender's clock; nothing where that cannot be, or no date has it."""
    return _timestamp(nanoseconds) if 0 < nanoseconds < 2**63 else ""


def _ended(one: SettledCall) -> str:
    return _moment(one.call.end) or _timestamp(one.arrived)


def _milliseconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / _MILLISECOND


def _message(one: SettledCall) -> str:
    call = one.call
    took = "" if one.duration is None else f" in {one.duration / 10**9:.3f} s"
    return f"{' '.join(filter(None, (call.operation or 'call', call.model)))}: {one.outcome}{took}"


def event_id_of(one: SettledCall) -> str:
    """The identity of a call: what is counted once has one line by it."""
    return f"{one.call.trace_id.hex()}-{one.call.span_id.hex()}"


def _tokens(name: str) -> Callable[[SettledCall], object]:
    return lambda one: getattr(one, name) if one.is_charged else None


def _text(name: str) -> Callable[[SettledCall], object]:
    """A text of the call's spans."""
    return lambda one: getattr(one.call, name)


FIELDS: tuple[LineField, ...] = (
    LineField("@timestamp", "date", ECS, "When the call ended, by the sender's clock; when it "
              "arrived, where that cannot be.", _ended),
    LineField("ecs.version", "keyword", ECS, f"`{ECS_VERSION}`.", lambda _: ECS_VERSION),
    LineField("log.level", "keyword", ECS, "`info` for a success, `warn` for `invalid` and "
              "`abort`, else `error`.", lambda one: _LEVELS.get(one.outcome, "error")),
    LineField("message", "match_only_text", ECS, "Operation, model, outcome and duration in a "
              "sentence.", _message),
    LineField("event.id", "keyword", ECS, "The call's identity: its trace id and span id, joined. "
              "A line that is written again has the same.", event_id_of),
    LineField("event.kind", "keyword", ECS, "`event`.", lambda _: "event"),
    LineField("event.category", "keyword", ECS, "`web`.", lambda _: ["web"]),
    LineField("event.type", "keyword", ECS, "`access`, and `error` for what failed.",
              lambda one: ["access", "error"] if _outcome(one) == "failure" else ["access"]),
    LineField("event.dataset", "keyword", ECS, f"`{DATASET}`.", lambda _: DATASET),
    LineField("event.outcome", "keyword", ECS, "`success`; `unknown` where the caller left; else "
              "`failure`.", lambda one: _outcome(one)),
    LineField("event.duration", "long", ECS, "Nanoseconds.", lambda one: one.duration),
    LineField("event.start", "date", ECS, "When the call began, by the sender's clock.",
              lambda one: _moment(one.call.start)),
    LineField("event.created", "date", ECS, "When it arrived, by the gateway's clock, by which "
              "hours, days and budgets go.", lambda one: _timestamp(one.arrived)),
    LineField("error.type", "keyword", ECS, "Why it failed, as the label `error_type` has it.",
              lambda one: one.error_type),
    LineField("trace.id", "keyword", ECS, "32 hexadecimal digits.",
              lambda one: one.call.trace_id.hex()),
    LineField("span.id", "keyword", ECS, "16 hexadecimal digits.",
              lambda one: one.call.span_id.hex()),
    LineField("http.request.id", "keyword", ECS, "The request's id that the application set "
              "(`intake.request_id_attributes`).", _text("request_id")),
    LineField("service.name", "keyword", ECS, "The application.", _text("service_name")),
    LineField("server.address", "keyword", ECS, "Where the call went.", _text("server_address")),
    LineField("user.hash", "keyword", ECS, "The user's hash, which `inferometer ledger who` makes "
              "of the name.", lambda one: one.user),
    LineField("observer.product", "keyword", ECS, "`inferometer`.", lambda _: "inferometer"),
    LineField("observer.version", "keyword", ECS, "Its version.", lambda _: __version__),
    LineField("gen_ai.operation.name", "keyword", OTEL, "`chat`, `embeddings`, ...",
              _text("operation")),
    LineField("gen_ai.provider.name", "keyword", OTEL, "The provider.", _text("provider")),
    LineField("gen_ai.request.model", "keyword", OTEL, "The model that was asked for.",
              _text("request_model")),
    LineField("gen_ai.response.model", "keyword", OTEL, "The model that answered.",
              _text("response_model")),
    LineField("gen_ai.response.id", "keyword", OTEL, "The provider's id of the response.",
              _text("response_id")),
    LineField("gen_ai.response.finish_reasons", "keyword", OTEL, "Why the model stopped.",
              lambda one: [one.call.finish_reason] if one.call.finish_reason else []),
    LineField("gen_ai.usage.input_tokens", "long", OTEL, "Tokens of the prompt, cached ones "
              "included. Of all tokens: only where they count here (`llm.billed`) and are known.",
              _tokens("input")),
    LineField("gen_ai.usage.cache_read.input_tokens", "long", OTEL, "Those from a cache.",
              _tokens("cached")),
    LineField("gen_ai.usage.cache_write.input_tokens", "long", OTEL, "Those into a cache.",
              _tokens("cache_write")),
    LineField("gen_ai.usage.output_tokens", "long", OTEL, "Tokens generated, those to reason "
              "included.", _tokens("output")),
    LineField("gen_ai.usage.reasoning.output_tokens", "long", OTEL, "Those to reason.",
              _tokens("reasoning")),
    LineField("gen_ai.conversation.id", "keyword", OTEL, "The conversation's hash.",
              lambda one: one.conversation),
    LineField("gen_ai.prompt.name", "keyword", OTEL, "The prompt's name.", _text("prompt_name")),
    LineField("gen_ai.prompt.version", "keyword", OTEL, "And its version.",
              _text("prompt_version")),
    LineField("llm.outcome", "keyword", OURS, "`success`, `error`, `rejected`, `invalid` or "
              "`abort`, as metrics count it.", lambda one: one.outcome),
    LineField("llm.calls", "long", OURS, "Requests that the line stands for; 0 where it restates "
              "tokens of calls that nobody sent.", lambda one: one.calls),
    LineField("llm.billed", "boolean", OURS, "Whether tokens and cost count here; `false` where "
              "another service passed the call on, whose line has them.",
              lambda one: bool(one.billed)),
    LineField("llm.usage.state", "keyword", OURS, "`known`, `missing` or `estimated`.",
              lambda one: one.usage),
    LineField("llm.cost.usd", "double", OURS, "What it cost; left out where nobody knows.",
              lambda one: None if one.cost is None else one.cost / NANO),
    LineField("llm.cost.source", "keyword", OURS, "Who says so: `hosted`, `self_hosted`, or "
              "`unknown`.", lambda one: one.priced),
    LineField("llm.cost.over_limit", "boolean", OURS, "Whether that is more than "
              "`limits.call_cost_usd`; of a priced call.",
              lambda one: bool(one.over_cost) if one.priced else None),
    LineField("llm.within_limits", "boolean", OURS, "Whether it succeeded within all limits of "
              "latency.", lambda one: bool(one.within_limits)),
    LineField("llm.ttft_ms", "double", OURS, "Milliseconds to the first token of a stream.",
              lambda one: _milliseconds(one.first_token)),
    LineField("llm.queue_ms", "double", OURS, "In the engine's queue, where its own span came with "
              "the call.", lambda one: _milliseconds(one.queue)),
    LineField("llm.prefill_ms", "double", OURS, "The same of its prefill.",
              lambda one: _milliseconds(one.prefill)),
    LineField("llm.decode_ms", "double", OURS, "The same of its decode.",
              lambda one: _milliseconds(one.decode)),
    LineField("llm.streamed", "boolean", OURS, "Whether the answer was streamed.",
              _text("streamed")),
    LineField("llm.refusal", "boolean", OURS, "Whether the model refused, as its provider says.",
              _text("refused")),
    LineField("llm.tries", "long", OURS, "Requests that the SDK sent for it, where spans tell "
              "them.", _text("tries")),
    LineField("llm.service_tier", "keyword", OURS, "The provider's tier that answered.",
              _text("service_tier")),
)


def _outcome(one: SettledCall) -> str:
    return _OUTCOMES.get(one.outcome, "failure")


def fields_of(one: SettledCall) -> dict[str, object]:
    """The fields of a call's line by their dotted names."""
    fields: dict[str, object] = {}
    for field in FIELDS:
        value = field.value(one)
        if value is None or value == "" or value == []:
            continue
        fields[field.name] = _clean(value)
    return fields


def line_of(one: SettledCall) -> bytes:
    """A call's line: a JSON object in ASCII, its names nested, with a line feed at the end."""
    line: dict[str, object] = {}
    for name, value in fields_of(one).items():
        *above, last = name.split(".")
        place = line
        for part in above:
            place = place.setdefault(part, {})  # type: ignore[assignment]  # no name is another's
        place[last] = value
    return f"{_encode(line)}\n".encode()


def _clean(value: object) -> object:
    """A value whose texts are bounded, and are Unicode."""
    if isinstance(value, str):
        return value[:LONGEST].encode("utf-8", "replace").decode()
    return [_clean(one) for one in value] if isinstance(value, list) else value
