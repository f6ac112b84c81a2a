"""What becomes of an attribute by its name, where a destination gets no content.

What stays is listed, not what goes: an attribute that nobody knows may hold what was said. The
flavours' tables come first, then names of OpenTelemetry's conventions and of senders that no
field is read from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum, auto
from functools import lru_cache

from inferometer.spans.flavours import content_names, kind_names, origins
from inferometer.spans.vocabulary import fits


class Fate(Enum):
    """What becomes of an attribute."""

    STAYS = auto()  # where it is plain: a number, a short text, or a list of them
    HOST = auto()  # an address of the web, of which the query and the password go
    CUT = auto()  # a document, of which what a table reads in it stays
    NUMBER = auto()  # stays where it is one number, or a yes or no
    GOES = auto()


# Fields whose attributes are prose, or are read out of prose.
_PROSE = {"error", "failed"}
_READ_FROM_PROSE = {"llamaindex.step.input_summary"}
_USER_FIELDS = {"user", "conversation"}
# Fields that stay within a document, besides the counts and times.
_DOCUMENT_TEXTS = frozenset(("request_model", "response_model", "response_id", "finish_reason",
                             "service_tier", "first_token"))

# Source: the registry of opentelemetry.io/docs/specs/semconv, and captured spans.
_PREFIXES = (
    "cloud.", "code.", "container.", "deployment.", "device.", "faas.", "host.", "k8s.",
    "network.", "os.", "otel.", "peer.", "process.", "server.", "service.", "telemetry.",
    "thread.", "tls.", "user.", "enduser.", "user_agent.", "_dd.p.", "vllm.process_",
)
_NOT_OF_PREFIXES = ("process.command", "process.environment", "process.working_directory",
                    "container.command", "otel.status_description", "code.stacktrace")
_NAMES = """
    error.type error.code exception.type exception.escaped event.name event_name index role
    http.method http.request.method http.route http.scheme http.flavor http.host http.user_agent
    http.useragent http.status_code http.response.status_code
    url.scheme url.domain url.port url.template client.address client.port client.socket.address
    net.host.name net.host.port net.peer.name net.peer.port net.peer.ip net.transport
    net.protocol.name net.protocol.version source.address destination.address
    rpc.system rpc.system.name rpc.service rpc.method rpc.grpc.status_code
    rpc.response.status_code jsonrpc.protocol.version jsonrpc.request.id
    messaging.system messaging.operation messaging.operation.name messaging.operation.type
    messaging.message.type messaging.message.id
    db.system db.system.name db.operation db.operation.name db.name db.namespace
    db.collection.name db.response.status_code session.id
    gen_ai.token.type gen_ai.output.type gen_ai.agent.id gen_ai.agent.version
    gen_ai.agent.call.id gen_ai.data_source.id gen_ai.workflow.name gen_ai.tool.type
    gen_ai.tool.status gen_ai.task.id gen_ai.task.name gen_ai.task.parent.id gen_ai.task.status
    gen_ai.evaluation.name gen_ai.evaluation.score.label gen_ai.evaluation.score.value
    gen_ai.evaluation.evaluator.id gen_ai.evaluation.evaluator.version
    gen_ai.event.start_time gen_ai.event.end_time gen_ai.request.encoding_formats
    gen_ai.openai.response.system_fingerprint gen_ai.openai.request.service_tier
    gen_ai.application_name gen_ai.application.name gen_ai.environment gen_ai.serialized.name
    openai.api.type openai.request.service_tier openai.response.system_fingerprint
    openai.request.endpoint openai.request.method openai.request.provider
    aws.bedrock.guardrail.id aws.bedrock.knowledge_base.id aws.request_id
    azure.resource_provider.namespace
    mcp.protocol.version mcp.session.id mcp.sdk.version mcp.server.name mcp.server.version
    mcp.system mcp.transport.type mcp.operation.name mcp.method
    fastmcp.component.key fastmcp.component.type fastmcp.provider.type fastmcp.server.name
    input.mime_type output.mime_type llm.request.model_name llm.response.model_name
    graph.node.parent_id graph.node.name reranker.top_k
    traceloop.entity.path traceloop.entity.version
    ai.response.timestamp
    langfuse.version langfuse.release langfuse.environment langfuse.trace.name
    langfuse.observation.level
    langsmith.trace.session_name langsmith.metadata.ls_provider langsmith.metadata.ls_model_name
    langsmith.metadata.ls_model_type langsmith.metadata.ls_integration
    langsmith.metadata.ls_method langsmith.metadata.ls_agent_type
    mlflow.traceRequestId mlflow.spanFunctionName mlflow.experimentId mlflow.source.type
    haystack.component.type haystack.component.fully_qualified_type
    haystack.pipeline.execution_mode
    llamaindex.run_id llamaindex.step.input_event class_name id_ span_id timestamp
    litellm.call_id litellm.model_group litellm.provider.model model_name
    crew_id crew_key task_id task_key agno.agent.id agno.run.id
    event_loop.cycle_id event_loop.parent_cycle_id
    gcp.vertex.agent.event_id gcp.vertex.agent.invocation_id
    logfire.span_type logfire.pending_parent_id
    _dd.llmobs.model_name _dd.llmobs.model_provider _dd.llmobs.span_kind _dd.svc_src
    llmobs_trace_id llmobs_parent_id runtime-id component language span.kind
    openinference.project.name model_id vllm.instrumenting_module_name
"""
_ADDRESSES = ("http.url", "http.target", "url.full", "url.path", "url.original")
_IDENTITIES = ("client.address", "client.socket.address", "client.port", "net.peer.ip",
               "source.address", "mcp.session.id", "process.owner")
_OF_USERS = ("user.", "enduser.")
# Where what was said is a number, as a tool's answer may be.
_CONTENT_END = re.compile(
    r"(^|[._])(args|arguments?|answer|body|choices?|completions?|contents?|data|documents?"
    r"|embeddings?|inputs?|instructions?|messages?|outputs?|parameters|params|payload|prompts?"
    r"|quer(y|ies)|responses?|results?|texts?|values?|variables?|vectors?)([._]\d+)*$", re.I)
_USER_WORD = re.compile(
    r"(^|[._-])(end_?)?(user|session|conversation|thread|customer|account|e_?mail|mail|phone"
    r"|login|username|ip)(_?(id|key|name|hash|address))?($|[._-])", re.I)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
# How attributes begin that are about a call rather than about who sends it.
_OF_CALLS = ("gen_ai.", "llm.", "ai.", "langfuse.", "langsmith.", "traceloop.", "mlflow.",
             "input.", "output.", "haystack.", "mcp.", "tool.", "metadata.", "retrieval.",
             "embedding.", "reranker.", "message.", "event.body", "lk.", "crew_", "task_")


def _documents() -> dict[str, tuple[tuple[bool, tuple[str, ...]], ...]]:
    """By attribute, what a table reads within its document: whether a text stays, and where.

    Of a document that may be anybody's answer no text stays that a single key leads to.
    """
    read: dict[str, dict[tuple[bool, tuple[str, ...]], None]] = {}
    for field, origin in origins():
        if origin.path and not origin.event and field not in _USER_FIELDS | _PROSE:
            text = field in _DOCUMENT_TEXTS and (
                len(origin.path) > 1 or origin.attribute not in _content)
            read.setdefault(origin.attribute, {})[text, origin.path] = None
    return {attribute: tuple(places) for attribute, places in read.items()}


def _split(names: Iterable[str]) -> tuple[frozenset[str], tuple[tuple[str, str], ...]]:
    """Names that stand for themselves, and the heads and tails of those with a star."""
    names = set(names)
    patterns = tuple((head, tail) for head, star, tail in (
        name.partition("*") for name in names) if star)
    return frozenset(name for name in names if "*" not in name), patterns


_content = content_names()
DOCUMENTS = _documents()
_stay, _stay_patterns = _split((kind_names() | set(_NAMES.split()) | {
    origin.attribute for field, origin in origins()
    if not origin.path and field not in _PROSE}) - _content - _READ_FROM_PROSE)
_users, _user_patterns = _split(
    {origin.attribute for field, origin in origins()
     if field in _USER_FIELDS and not origin.path} | {*_IDENTITIES})
_document_names, _document_patterns = _split(DOCUMENTS)


@lru_cache(maxsize=8192)  # keys come from outside
def fate(key: str, users: bool) -> Fate:
    """Of an attribute of a span, event, link or record; `users`: those who called go too."""
    if users and _identifies(key):
        return Fate.GOES
    if document_name(key):
        return Fate.CUT
    if key in _content:
        return Fate.GOES
    if key in _ADDRESSES:
        return Fate.GOES if users else Fate.HOST
    if key in _stay or _fits(key, _stay_patterns) or (
            key.startswith(_PREFIXES) and not key.startswith(_NOT_OF_PREFIXES)):
        return Fate.STAYS
    if _CONTENT_END.search(key) or (users and _USER_WORD.search(_CAMEL.sub("_", key))):
        return Fate.GOES
    return Fate.NUMBER


@lru_cache(maxsize=8192)
def fate_of_resource(key: str, users: bool) -> Fate:
    """Of an attribute that is about who sends: what is unknown stays where it is plain."""
    of_span = fate(key, users)
    if of_span is not Fate.NUMBER or key.startswith(_OF_CALLS) \
            or key.startswith(_NOT_OF_PREFIXES):
        return of_span
    return Fate.STAYS


def document_name(key: str) -> str:
    """The name under which DOCUMENTS has the attribute; empty where it does not."""
    if key in _document_names:
        return key
    return next((f"{head}*{tail}" for head, tail in _document_patterns if fits(key, head, tail)),
                "")


def _identifies(key: str) -> bool:
    return key in _users or key.startswith(_OF_USERS) or _fits(key, _user_patterns)


def _fits(key: str, patterns: tuple[tuple[str, str], ...]) -> bool:
    return any(fits(key, head, tail) for head, tail in patterns)
