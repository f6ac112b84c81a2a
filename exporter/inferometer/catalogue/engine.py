"""Inference engines, as their own pages tell of them."""

from __future__ import annotations

from inferometer.catalogue.model import OTHER, TARGETS, Label, Metric

ENGINE_NAMES = (
    "vllm", "tgi", "sglang", "llama_cpp", "tensorrt_llm", "triton", "lmdeploy", "nim", "kserve",
    "dynamo", "dynamo_worker", "sglang_router", "unknown",
)
# They stand in front of engines, whose own pages count the same requests and tokens once more:
# no sum may hold both.
ROUTERS = ("dynamo", "sglang_router")
OUTCOMES = ("success", "error", "rejected", "invalid", "abort")
REASONS = (
    "stop", "length", "repetition", "finished",
    "engine_error", "generation", "incomplete", "timeout", "unavailable", "http_5xx",
    "queue_requests", "queue_tokens", "queue_timeout", "overloaded", "http_429", "http_503",
    "validation", "template", "not_found", "http_4xx",
    "abort", "cancelled", "dropped",
    OTHER,
)

TARGET = Label("target", "One engine endpoint: its configured name, or host:port.", budget=TARGETS)
ENGINE = Label("engine", "The engine's kind, as its page shows it.", values=ENGINE_NAMES)
MODEL = Label("model", "The served model's name.", budget=400, folds=True)
RANK = Label("rank", "Data-parallel rank, where there are several.", budget=64,
             optional=True, folds=True)
OUTCOME = Label("outcome", "How the request ended.", values=OUTCOMES)
REASON = Label("reason", "Why, in the engine's terms.", values=REASONS)
CODE_CLASS = Label("code_class", "HTTP status class.", values=("2xx", "3xx", "4xx", "5xx"))
SOURCE = Label("source", "Where the signal comes from.",
               values=("native", "derived", "unavailable"))
VERSION = Label("version", "The software's own version.", budget=200, folds=True)

_SERVER = (TARGET, ENGINE, MODEL)
_RANKED = (TARGET, ENGINE, MODEL, RANK)


def _server(name: str, kind: str, text: str, *labels: Label, otel: str = "",
            keys: tuple[Label, ...] = _RANKED, unread: str = "") -> Metric:
    bounds = 40 if kind == "histogram" else 0
    return Metric(name, kind, text, (*keys, *labels), 400, bounds, otel, unread=unread)


SERVER_UP = _server("llm_server_up", "gauge",
                    "1 if the engine's page was read in this scrape, else 0.", keys=_SERVER)
SERVER_INFO = _server("llm_server_info", "gauge", "What the engine is; always 1.", VERSION,
                      keys=_SERVER)
SERVER_START = _server("llm_server_start_time_seconds", "gauge",
                       "When the engine's process started.", keys=_SERVER)
SERVER_LAST_SCRAPE = _server("llm_server_last_scrape_timestamp_seconds", "gauge",
                             "When the engine's page was last read.", keys=_SERVER)
SERVER_LAST_PROGRESS = _server(
    "llm_server_last_progress_timestamp_seconds", "gauge",
    "When a live token counter of the engine was last seen to move, or first seen at all.",
    keys=_SERVER,
)
SERVER_REQUESTS = _server("llm_server_requests_total", "counter",
                          "Requests that ended, by how and why.", OUTCOME, REASON)
SERVER_HTTP = _server("llm_server_http_responses_total", "counter",
                      "HTTP responses of inference endpoints.", CODE_CLASS, keys=_SERVER,
                      unread="Requests are judged by their outcome, for which engines have finer "
                             "sources.")
SERVER_TTFT = _server("llm_server_time_to_first_token_seconds", "histogram",
                      "From arrival to the first output token.",
                      otel="gen_ai.server.time_to_first_token")
SERVER_TPOT = _server("llm_server_time_per_output_token_seconds", "histogram",
                      "Decode time per output token after the first, one value per request.",
                      otel="gen_ai.server.time_per_output_token")
SERVER_ITL = _server("llm_server_inter_token_latency_seconds", "histogram",
                     "Time between outputs of a request, one value per token or step.")
SERVER_DURATION = _server("llm_server_request_duration_seconds", "histogram",
                          "From arrival to the last token.",
                          otel="gen_ai.server.request.duration")
SERVER_QUEUE = _server("llm_server_request_queue_seconds", "histogram",
                       "From arrival to being scheduled.")
SERVER_PREFILL = _server("llm_server_request_prefill_seconds", "histogram",
                         "From being scheduled to the first token.")
SERVER_DECODE = _server("llm_server_request_decode_seconds", "histogram",
                        "From the first token to the last.")
SERVER_INPUT = _server("llm_server_input_tokens_total", "counter",
                       "Prompt tokens, cached ones included.")
SERVER_INPUT_CACHED = _server("llm_server_input_tokens_cached_total", "counter",
                              "Prompt tokens that came from a cache.")
SERVER_OUTPUT = _server("llm_server_output_tokens_total", "counter", "Tokens generated.")
SERVER_RUNNING = _server("llm_server_requests_running", "gauge", "Requests being worked on.")
SERVER_WAITING = _server("llm_server_requests_waiting", "gauge", "Requests waiting their turn.")
SERVER_KV_USAGE = _server("llm_server_kv_cache_usage_ratio", "gauge",
                          "Share of the KV cache in use.")
SERVER_KV_CAPACITY = _server("llm_server_kv_cache_capacity_tokens", "gauge",
                             "Tokens that fit into the KV cache.")
SERVER_PREFIX_QUERIES = _server("llm_server_prefix_cache_query_tokens_total", "counter",
                                "Tokens looked up in the prefix cache.")
SERVER_PREFIX_HITS = _server("llm_server_prefix_cache_hit_tokens_total", "counter",
                             "Tokens found in the prefix cache.")
SERVER_PREEMPTIONS = _server("llm_server_preemptions_total", "counter",
                             "Requests put back into the queue for want of KV cache.")
SERVER_DRAFT = _server("llm_server_spec_decode_draft_tokens_total", "counter",
                       "Tokens proposed by speculative decoding.")
SERVER_ACCEPTED = _server("llm_server_spec_decode_accepted_tokens_total", "counter",
                          "Proposed tokens that were accepted.")
SERVER_MAX_LENGTH = _server("llm_server_max_model_length_tokens", "gauge",
                            "Longest sequence the engine takes, prompt and output.")

# What an engine's table says in signals, in the order they are shown.
SIGNAL_METRICS = (
    SERVER_HTTP, SERVER_TTFT, SERVER_TPOT, SERVER_ITL, SERVER_DURATION, SERVER_QUEUE,
    SERVER_PREFILL, SERVER_DECODE, SERVER_INPUT, SERVER_INPUT_CACHED, SERVER_OUTPUT,
    SERVER_RUNNING, SERVER_WAITING, SERVER_KV_USAGE, SERVER_KV_CAPACITY, SERVER_PREFIX_QUERIES,
    SERVER_PREFIX_HITS, SERVER_PREEMPTIONS, SERVER_DRAFT, SERVER_ACCEPTED, SERVER_MAX_LENGTH,
    SERVER_START, SERVER_LAST_PROGRESS,
)
SIGNALS = (
    *(f"requests_{outcome}" for outcome in OUTCOMES),
    *(metric.signal for metric in SIGNAL_METRICS),
)
SERVER_SIGNAL = Metric(
    "llm_server_signal_info", "gauge",
    "Where each signal of the engine comes from, if it comes at all; always 1.",
    (*_SERVER, Label("signal", "What is measured.", values=SIGNALS), SOURCE), 200,
)
UNKNOWN_FAMILIES = Metric("inferometer_unknown_families", "gauge",
                          "Families of the engine's own prefix that its table does not know.",
                          (TARGET, ENGINE), TARGETS)

ENGINE_METRICS = (
    SERVER_UP, SERVER_INFO, SERVER_LAST_SCRAPE, SERVER_REQUESTS, *SIGNAL_METRICS, SERVER_SIGNAL,
    UNKNOWN_FAMILIES,
)
