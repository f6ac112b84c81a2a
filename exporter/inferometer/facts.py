"""What happened: frozen records of the steps of LLM applications, whoever instrumented them.

A span is at most one fact. `spans/` makes facts of spans and says which of them are one call; the
ledger keeps them; sinks and quality read them. A fact holds what its own span says and nothing
else: absent is None, and 0 is a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from inferometer.record import record


class Outcome(StrEnum):
    """How a step ended; the five of engines, and unknown where its span is silent."""

    SUCCESS = "success"
    ERROR = "error"  # the server's fault
    REJECTED = "rejected"  # for want of capacity
    INVALID = "invalid"  # the caller's fault
    ABORT = "abort"  # the caller left

    __hash__ = str.__hash__  # Enum's own is a call of Python, and keys of counters have one


class ErrorType(StrEnum):
    """Why a step failed: closed, whatever the name a library gives to it."""

    NONE = ""
    RATE_LIMIT = "rate_limit"
    OVERLOADED = "overloaded"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    SERVER = "server"
    TRUNCATED = "truncated"  # a stream that ended without a reason
    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    NOT_FOUND = "not_found"
    BAD_REQUEST = "bad_request"
    CONTEXT_LENGTH = "context_length"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"
    TOOL = "tool"
    OTHER = "other"

    __hash__ = str.__hash__  # as Outcome's


@record
class Usage:
    """Tokens of one or more calls, as OpenTelemetry counts them. None is not told."""

    input: int | None = None  # cached and cache-written ones included
    cached: int | None = None
    cache_write: int | None = None
    output: int | None = None  # reasoning ones included
    reasoning: int | None = None
    estimated: bool = False  # by the sender's own tokenizer: nobody was billed by it

    def __bool__(self) -> bool:
        return self.input is not None or self.output is not None


@record
class Fact:
    """What every fact has of its span."""

    trace_id: bytes  # 16 bytes
    span_id: bytes  # 8 bytes, unique in its trace
    parent_id: bytes = b""  # 8 bytes, empty for a root
    service_name: str = ""
    scope: str = ""  # the instrumentation's name
    name: str = ""  # the span's
    start: int = 0  # Unix nanoseconds of the sender's clock; both 0 where they cannot be
    end: int = 0
    outcome: Outcome = Outcome.SUCCESS
    error_type: ErrorType = ErrorType.NONE
    conversation: str = ""
    user: str = ""
    content: Mapping[str, str] = field(default_factory=dict)  # only where it was asked for

    @property
    def seconds(self) -> float | None:
        """How long the step took; None where its times cannot be."""
        return (self.end - self.start) / 1e9 if self.start else None


@record
class ModelCall(Fact):
    """One call to a model as one instrumentation saw it."""

    operation: str = ""  # chat, text_completion, embeddings, … as OpenTelemetry has them
    provider: str = ""
    request_model: str = ""
    response_model: str = ""
    usage: Usage = Usage()
    streamed: bool | None = None
    time_to_first_token: float | None = None  # seconds, of a streamed call only
    finish_reason: str = ""
    refused: bool = False
    tries: int | None = None  # requests that the SDK sent for it, where its spans tell them
    response_id: str = ""
    request_id: str = ""
    prompt_name: str = ""
    prompt_version: str = ""
    server_address: str = ""
    service_tier: str = ""  # as the provider answered: default, priority, flex, batch, …
    # What was made of the answer's text, by `quality`, where the sender sent any.
    is_read: bool = False  # whether there was any
    refusal: str = ""  # who says that it is one: provider, field, phrase; empty where nobody does
    json_valid: bool | None = None  # None: JSON was not asked for, or it is not known
    schema_valid: bool | None = None  # the same of a schema; of JSON alone
    good_tools: tuple[str, ...] = ()  # whose arguments can be read and fit what was declared
    bad_tools: tuple[str, ...] = ()  # and those whose do not
    checks: str = ""  # a mark for each of evaluations.CHECKS
    given: str = ""  # what of its prompt was there to look into: see evaluations.PROMPT
    cited: int = 0  # the highest number of a document that it cites, where the prompt numbers none
    # What the answer states and its prompt lacks, all readings of each with a / between; kept as
    # keyed digests.
    mentions: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        """What answered, else what was asked for."""
        return self.response_model or self.request_model


@record
class EngineCall(Fact):
    """A call as the engine itself saw it: it fills queue, prefill and decode, never counts."""

    response_id: str = ""
    usage: Usage = Usage()
    time_to_first_token: float | None = None
    queue: float | None = None  # seconds
    prefill: float | None = None
    decode: float | None = None


@record
class AgentRun(Fact):
    """An agent, chain, workflow or root: what it says of tokens restates its children."""

    agent: str = ""
    kind: str = "agent"  # agent, workflow, chain
    usage: Usage = Usage()
    provider: str = ""
    model: str = ""


MCP = "mcp"  # the Model Context Protocol


@record
class ToolCall(Fact):
    """A tool that the application ran for a model."""

    tool: str = ""
    call_id: str = ""
    protocol: str = ""  # MCP, or empty


@record
class McpOperation(Fact):
    """What one side asked of the other over MCP, or let it know."""

    method: str = ""  # as MCP names it: initialize, tools/list, resources/read, …
    target: str = ""  # the tool or the prompt that it is about


@record
class Retrieval(Fact):
    """A search for documents; 0 is an empty answer, None a sender that does not say."""

    documents: int | None = None
    system: str = ""  # that was searched, one of RETRIEVAL_SYSTEMS; empty where nobody says
    mentions: tuple[str, ...] = ()  # what the documents state; kept as keyed digests


@record
class Rerank(Fact):
    """Documents put in another order. A sender that names no documents leaves all but the model
    unknown.
    """

    model: str = ""
    documents: int | None = None  # that were given
    disagreement: float | None = None  # 0, the same order, to 1, the reverse
    top_changed: bool | None = None


@record
class Evaluation(Fact):
    """What somebody or something says of an answer."""

    evaluation: str = ""
    label: str = ""
    score: float | None = None
    explanation: str = ""
    response_id: str = ""


@record
class Feedback(Fact):
    """What a person says of an answer: thumbs_up, thumbs_down, regenerate, copy, …"""

    kind: str = ""
    response_id: str = ""
    request_id: str = ""
    explanation: str = ""
    id: str = ""  # the sender's own, of this vote: the same again is the same vote
