"""Calls as applications made them, and what else happened in them: counted from their spans."""

from __future__ import annotations

from itertools import chain

from inferometer.catalogue.engine import MODEL, OUTCOME
from inferometer.catalogue.model import Label, Metric

# How a call ends, and why. An outcome has no other error types than these.
CLIENT_ERRORS = {
    "success": ("",),
    "error": ("", "overloaded", "timeout", "connection", "server", "truncated", "tool", "other"),
    "rejected": ("rate_limit", "overloaded", "other"),
    "invalid": ("authentication", "permission", "not_found", "bad_request", "context_length",
                "other"),
    "abort": ("", "cancelled", "abandoned", "other"),
}
CLIENT_ENDINGS = tuple((outcome, error_type) for outcome, types in CLIENT_ERRORS.items()
                       for error_type in types)
_ERROR_TYPES = tuple(dict.fromkeys(chain.from_iterable(CLIENT_ERRORS.values())))
# Every default limit and every usual aim is among them: below one is within it, for certain.
DURATION_BOUNDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0,
                   600.0)
FIRST_TOKEN_BOUNDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0)
PER_TOKEN_BOUNDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.0)
PER_RUN_BOUNDS = (0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)  # calls
OTHER_SYSTEM = "other"  # that was searched: one without a name of ours, or several
RETRIEVAL_SYSTEMS = (
    "astra", "azure_ai_search", "cassandra", "chroma", "clickhouse", "couchbase", "elasticsearch",
    "faiss", "in_memory", "lancedb", "marqo", "milvus", "mongodb", "neo4j", "opensearch",
    "pinecone", "postgresql", "qdrant", "redis", "typesense", "vespa", "weaviate", OTHER_SYSTEM,
    "unknown")
RETRIEVAL_BOUNDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
RETRIEVED_BOUNDS = (0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)  # documents
RERANK_BOUNDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)  # 0 is the same order, 1 the reverse
# Methods of MCP by OpenTelemetry's conventions, and those of MCP's own newer versions.
MCP_METHODS = frozenset((
    "completion/complete", "elicitation/create", "initialize", "logging/setLevel",
    "notifications/cancelled", "notifications/elicitation/complete", "notifications/initialized",
    "notifications/message", "notifications/progress", "notifications/prompts/list_changed",
    "notifications/resources/list_changed", "notifications/resources/updated",
    "notifications/roots/list_changed", "notifications/subscriptions/acknowledged",
    "notifications/tasks/status", "notifications/tools/list_changed", "ping", "prompts/get",
    "prompts/list", "resources/list", "resources/read", "resources/subscribe",
    "resources/templates/list", "resources/unsubscribe", "roots/list", "sampling/createMessage",
    "server/discover", "subscriptions/listen", "tasks/cancel", "tasks/get", "tasks/list",
    "tasks/result", "tools/call", "tools/list"))
OTHER_METHOD = "other"
# Calls of one service in a trace: each bound is at least 2 times the one before.
LONG_TRACES = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)

# Where the time of a call went, in its order.
PARTS_OF_CALLS = ("gateway", "queue", "prefill", "decode", "remainder")

CLIENT_SEATS = 200  # of calls: tuples of the four labels, with the one for what is folded
STEP_SEATS = 100  # of each kind of step: tools, operations over MCP, agents, retrievals
PROVIDER = Label("provider", "Who was asked, as OpenTelemetry names providers.", budget=200,
                 folds=True)
OPERATION = Label("operation", "What was asked for, as OpenTelemetry names operations.",
                  budget=200, folds=True)
SERVICE_NAME = Label("service_name", "The application, by its service.name.", budget=200,
                     folds=True)
ERROR_TYPE = Label("error_type", "Why it failed.", values=_ERROR_TYPES)
TOOL = Label("tool", "The tool's name.", budget=100, folds=True)
METHOD = Label("method", "What was asked over MCP, as MCP names its methods; `other` is none of "
               "them.", budget=len(MCP_METHODS) + 1, folds=True)
AGENT = Label("agent", "The agent's name.", budget=100, folds=True)
PART = Label("part", "Where its time went: a gateway is any service that passes calls on to "
             "models; the remainder is none of the others, as network and the application itself.",
             values=PARTS_OF_CALLS)
CALLS = Label("calls", "How many calls a trace has come to.",
              values=tuple(map(str, LONG_TRACES)))
RESULT_OF_RETRIEVAL = Label(
    "result", "Whether documents came back; unknown where the sender does not tell.",
    values=("hit", "empty", "unknown"))
SYSTEM = Label(
    "system", "What was searched, as its sender or its own client names it; `other` has another "
    "name, or is several, and of `unknown` nobody says.", budget=len(RETRIEVAL_SYSTEMS),
    folds=True)
TOP_CHANGED = Label(
    "top_changed", "Whether another document came first than before; unknown where the sender "
    "does not tell.", values=("true", "false", "unknown"))
CLIENT_SOURCE = Label("source", "Which telemetry of a service its calls are counted by.",
                      values=("spans", "metrics"))
_SOURCE_UNREAD = "It is asked where a service's figures are fewer than another's."
_CLIENT = (PROVIDER, MODEL, OPERATION, SERVICE_NAME)


def _client(name: str, text: str, *labels: Label, otel: str = "",
            pairs: tuple[tuple[str, str], ...] = (), unread: str = "") -> Metric:
    return Metric(f"llm_client_{name}", "counter", text, (*_CLIENT, *labels), CLIENT_SEATS,
                  otel=otel, pairs=pairs, unread=unread)


def _times(name: str, text: str, bounds: tuple[float, ...], otel: str = "") -> Metric:
    return Metric(f"llm_client_{name}_seconds", "histogram", text, _CLIENT, CLIENT_SEATS,
                  len(bounds), otel)


def _per_run(name: str, text: str, otel: str) -> Metric:
    return Metric(f"llm_agent_{name}_per_run", "histogram", text, (SERVICE_NAME, AGENT), STEP_SEATS,
                  len(PER_RUN_BOUNDS), otel)


def _search(name: str, text: str, bounds: tuple[float, ...], *labels: Label) -> Metric:
    return Metric(f"rag_{name}", "histogram", text, (SERVICE_NAME, *labels), STEP_SEATS,
                  len(bounds))


def _step(name: str, text: str, *labels: Label, unread: str = "") -> Metric:
    return Metric(name, "counter", text, (SERVICE_NAME, *labels), STEP_SEATS, unread=unread)


CLIENT_INFO = Metric(
    "llm_client_info", "gauge", "How a service's calls are counted; always 1. By the metrics of a "
    "service that sends no spans there is no cost, and nothing is known of single calls.",
    (SERVICE_NAME, CLIENT_SOURCE), CLIENT_SEATS, unread=_SOURCE_UNREAD)
CLIENT_REQUESTS = _client("requests_total", "Calls to models that ended, by how and why; a call "
                          "that several spans tell of is one.", OUTCOME, ERROR_TYPE,
                          pairs=CLIENT_ENDINGS)
CLIENT_INPUT = _client("input_tokens_total", "Tokens of prompts, cached ones included.",
                       otel="gen_ai.client.inference.usage.input_tokens")
CLIENT_INPUT_CACHED = _client("input_tokens_cached_total",
                              "Tokens of prompts that came from a cache of the provider.",
                              otel="gen_ai.client.inference.usage.cache_read.input_tokens")
CLIENT_INPUT_WRITTEN = _client("input_tokens_cache_written_total",
                               "Tokens of prompts that were written to a cache of the provider.",
                               otel="gen_ai.client.inference.usage.cache_write.input_tokens",
                               unread="What it costs is in the cost of calls.")
CLIENT_OUTPUT = _client("output_tokens_total", "Tokens generated, reasoning ones included.",
                        otel="gen_ai.client.inference.usage.output_tokens")
CLIENT_OUTPUT_REASONING = _client("output_tokens_reasoning_total", "Tokens generated to reason.",
                                  otel="gen_ai.client.inference.usage.reasoning.output_tokens",
                                  unread="It is asked when answers grow dear.")
CLIENT_USAGE_MISSING = _client("usage_missing_total",
                               "Calls that got an answer whose tokens no span tells, or only as "
                               "an estimate: the token counters lack them.")
CLIENT_COST = _client("cost_usd_total", "What calls cost by their prices, 0 where the model is "
                      "self-hosted; what is spent is in llm_cost_usd_total.")
CLIENT_PRICE_UNKNOWN = _client("price_unknown_total", "Calls whose tokens are known and whose "
                               "price is not: the cost lacks them.")
CLIENT_OVER_COST = _client("requests_over_cost_total",
                           "Calls that each cost more than the limit call_cost.")
CLIENT_WITHIN_LIMITS = _client(
    "requests_within_limits_total", "Calls that succeeded within the limits of duration, time to "
    "first token and time per output token at once, as they were when the call was counted.")
CLIENT_LONG_TRACES = _client("long_traces_total", "Traces in which an application has come to so "
                             "many calls, by the call that made them so many; also while they go "
                             "on.", CALLS)
CLIENT_PART = _client(
    "request_part_seconds_total", "Time of calls that succeeded, by where it went: of those whose "
    "engine's own span came too.", PART)
CLIENT_DECOMPOSED = _client("requests_decomposed_total", "Calls whose time is known by its parts.")
CLIENT_DURATION = _times("request_duration", "How long calls took that succeeded.",
                         DURATION_BOUNDS, "gen_ai.client.inference.duration")
CLIENT_TTFT = _times("time_to_first_token",
                     "From a call's begin to its first output token, where it was streamed.",
                     FIRST_TOKEN_BOUNDS)
CLIENT_TPOT = _times("time_per_output_token",
                     "Time per output token after the first, one value per streamed call.",
                     PER_TOKEN_BOUNDS)
TOOL_CALLS = _step("llm_tool_calls_total", "Tools that applications ran, by how they ended.",
                   TOOL, OUTCOME)
MCP_OPERATIONS = _step(
    "llm_mcp_operations_total", "Requests and notifications over MCP by how they ended, calls of "
    "tools included; what client and server tell of one is one.", METHOD, OUTCOME)
AGENT_RUNS = _step("llm_agent_runs_total", "Runs of agents, chains and workflows, by how they "
                   "ended.", AGENT, OUTCOME)
AGENT_CALLS = _per_run(
    "calls", "Calls to models that an agent's run made or had made, where its spans have any; of "
    "workflows and chains only the outermost are runs.", "gen_ai.invoke_agent.inference_calls")
AGENT_TOOL_CALLS = _per_run(
    "tool_calls", "Tools that ran in an agent's run, counted for the same runs.",
    "gen_ai.invoke_agent.tool_calls")
RETRIEVALS = _step("rag_retrievals_total", "Searches for documents, by whether there were any.",
                   RESULT_OF_RETRIEVAL)
RETRIEVAL_DURATION = _search(
    "retrieval_duration_seconds", "How long searches for documents took that succeeded: the "
    "application's own span of it where there is one, else the database's client's.",
    RETRIEVAL_BOUNDS, SYSTEM)
RETRIEVED_DOCUMENTS = _search(
    "retrieved_documents", "Documents that a search came back with, where the sender tells: 0 is "
    "an empty answer.", RETRIEVED_BOUNDS)
RERANKS = _step("rag_reranks_total", "Times that documents were put in another order, by whether "
                "another one came first.", TOP_CHANGED)
RERANK_DURATION = _search("rerank_duration_seconds", "How long rerankings took that succeeded.",
                          RETRIEVAL_BOUNDS)
RERANK_DISAGREEMENT = _search(
    "rerank_disagreement_ratio", "How far a reranking changed the order: of all pairs of "
    "documents before and after it, the share that stands the other way round; nothing where "
    "fewer than two are in both.", RERANK_BOUNDS)

CLIENT_METRICS = (
    CLIENT_INFO, CLIENT_REQUESTS, CLIENT_INPUT, CLIENT_INPUT_CACHED, CLIENT_INPUT_WRITTEN,
    CLIENT_OUTPUT,
    CLIENT_OUTPUT_REASONING, CLIENT_USAGE_MISSING, CLIENT_COST, CLIENT_PRICE_UNKNOWN,
    CLIENT_OVER_COST, CLIENT_WITHIN_LIMITS, CLIENT_LONG_TRACES, CLIENT_PART, CLIENT_DECOMPOSED,
    CLIENT_DURATION, CLIENT_TTFT, CLIENT_TPOT, TOOL_CALLS, MCP_OPERATIONS, AGENT_RUNS, AGENT_CALLS,
    AGENT_TOOL_CALLS,
    RETRIEVALS, RETRIEVAL_DURATION, RETRIEVED_DOCUMENTS, RERANKS, RERANK_DURATION,
    RERANK_DISAGREEMENT,
)
