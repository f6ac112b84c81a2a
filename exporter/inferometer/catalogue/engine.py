"""Inference engines, as their own pages tell of them."""

from __future__ import annotations

from itertools import chain

from inferometer.catalogue.model import OTHER, TARGETS, Label, Metric, Range

ENGINE_NAMES = (
    "vllm", "tgi", "sglang", "llama_cpp", "tensorrt_llm", "triton", "lmdeploy", "nim", "kserve",
    "dynamo", "dynamo_worker", "sglang_router", "aphrodite", "vllm_omni", "ollama", "tei",
    "production_stack", "vllm_router", "litellm", "endpoint_picker", "unknown",
)
# They stand in front of engines, whose own pages count the same requests and tokens once more:
# no sum may hold both.
ROUTERS = (
    "dynamo", "sglang_router", "production_stack", "vllm_router", "litellm", "endpoint_picker",
)
# How requests end, and why: what no table has here yet does not occur on our pages.
_REASONS = {
    "success": ("stop", "length", "repetition", "finished"),
    "error": ("engine_error", "generation", "incomplete", "timeout", "unavailable", "http_5xx"),
    "rejected": ("queue_requests", "queue_tokens", "queue_timeout", "overloaded", "http_429",
                 "http_503"),
    "invalid": ("validation", "template", "not_found", "http_4xx"),
    "abort": ("abort", "cancelled", "dropped"),
}
OUTCOMES = tuple(_REASONS)
REASONS = tuple(dict.fromkeys((*chain.from_iterable(_REASONS.values()), OTHER)))
ENDINGS = tuple((outcome, reason) for outcome, reasons in _REASONS.items()
                for reason in (*reasons, OTHER))

TARGET = Label("target", "One engine endpoint: its configured name, or host:port.", budget=TARGETS)
ENGINE = Label("engine", "The engine's kind, as its page shows it.", values=ENGINE_NAMES)
MODEL = Label("model", "The served model's name.", budget=400, folds=True)
RANK = Label("rank", "Data-parallel rank, where there are several.", budget=64,
             optional=True, folds=True)
OUTCOME = Label("outcome", "How the request ended.", values=OUTCOMES)
REASON = Label("reason", "Why, in the engine's terms.", values=REASONS)
CODE_CLASS = Label("code_class", "HTTP status class.", values=("2xx", "3xx", "4xx", "5xx"))
SOURCE = Label("source", "Where the signal comes from.",
               values=("native", "derived", "withheld", "unavailable"))
VERSION = Label("version", "The software's own version.", budget=200, folds=True)
POSITION = Label("position", "Place of the token in its draft, the first is 0.",
                 values=(*map(str, range(8)), OTHER))
TIER = Label("tier", "Where the KV cache was: in the GPU, its host's memory or disk, with another "
             "engine of the same cache, or in a store of its own.",
             values=("device", "host", "disk", "peer", "external"))
MOVEMENT = Label("movement", "To and from a slower tier (store, load), between it and one slower "
                 "still (demote, promote), to and from another engine (send, receive).",
                 values=("store", "load", "demote", "promote", "send", "receive"))
ADAPTER = Label("adapter", "The LoRA adapter's name.", budget=20, folds=True)
ADAPTER_STATE = Label("state", "What its requests do.", values=("running", "waiting"))
WAITING_FOR = Label(
    "reason", "What the request waits for.",
    values=("capacity", "deferred", "grammar", "bootstrap", "prealloc", "transfer", "inflight",
            "handle", "queue", "other"))
SLEEP = Label("state", "Whether the engine works or sleeps, and what it gave up for that.",
              values=("awake", "weights_offloaded", "discard_all"))
FLOW = Label("direction", "As the GPU sees its memory.", values=("read", "write"))

SELDOM = 200  # seats of a family that few engines tell

_SERVER = (TARGET, ENGINE, MODEL)
_RANKED = (TARGET, ENGINE, MODEL, RANK)


def _server(name: str, kind: str, text: str, *labels: Label, otel: str = "",
            keys: tuple[Label, ...] = _RANKED, unread: str = "",
            pairs: tuple[tuple[str, str], ...] = (), seats: int = 400,
            within: Range | None = None) -> Metric:
    bounds = 40 if kind == "histogram" else 0
    return Metric(name, kind, text, (*keys, *labels), seats, bounds, otel, unread=unread,
                  pairs=pairs, stated_range=within)


def _seldom(name: str, kind: str, text: str, *labels: Label) -> Metric:
    return _server(name, kind, text, *labels, seats=SELDOM)


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
                          "Requests that ended, by how and why.", OUTCOME, REASON,
                          pairs=ENDINGS)
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
SERVER_INPUT_LENGTH = _server("llm_server_request_input_tokens", "histogram",
                              "Prompt tokens of one request.")
SERVER_OUTPUT_LENGTH = _server("llm_server_request_output_tokens", "histogram",
                               "Tokens generated for one request.")
SERVER_STEP_TOKENS = _seldom("llm_server_step_tokens", "histogram",
                             "Tokens that one step of the engine works on.")
SERVER_INPUT = _server("llm_server_input_tokens_total", "counter",
                       "Prompt tokens, cached ones included.")
SERVER_INPUT_CACHED = _server("llm_server_input_tokens_cached_total", "counter",
                              "Prompt tokens that came from a cache.")
SERVER_OUTPUT = _server("llm_server_output_tokens_total", "counter", "Tokens generated.")
SERVER_RUNNING = _server("llm_server_requests_running", "gauge", "Requests being worked on.")
SERVER_WAITING = _server("llm_server_requests_waiting", "gauge", "Requests waiting their turn.")
SERVER_WAITING_WHY = _seldom(
    "llm_server_requests_waiting_by_reason", "gauge",
    "Requests waiting their turn, by what for; their sum is llm_server_requests_waiting where the "
    "engine tells both.", WAITING_FOR)
SERVER_KV_USAGE = _server("llm_server_kv_cache_usage_ratio", "gauge",
                          "Share of the KV cache in use.")
SERVER_KV_CAPACITY = _server("llm_server_kv_cache_capacity_tokens", "gauge",
                             "Tokens that fit into the KV cache.")
SERVER_PREFIX_QUERIES = _server("llm_server_prefix_cache_query_tokens_total", "counter",
                                "Tokens looked up in the prefix cache.")
SERVER_PREFIX_HITS = _server("llm_server_prefix_cache_hit_tokens_total", "counter",
                             "Tokens found in the prefix cache.")
SERVER_EXTERNAL_QUERIES = _seldom(
    "llm_server_external_cache_query_tokens_total", "counter",
    "Tokens looked up in a cache outside the engine, which others may share.")
SERVER_EXTERNAL_HITS = _seldom("llm_server_external_cache_hit_tokens_total", "counter",
                               "Tokens found in a cache outside the engine.")
SERVER_TIER_HITS = _seldom("llm_server_cache_tier_hit_tokens_total", "counter",
                           "Prompt tokens that came from a cache, by where it was.", TIER)
SERVER_MM_QUERIES = _seldom("llm_server_multimodal_cache_queries_total", "counter",
                            "Images and other items looked up in the cache of processed ones.")
SERVER_MM_HITS = _seldom("llm_server_multimodal_cache_hits_total", "counter",
                         "Images and other items found in the cache of processed ones.")
SERVER_KV_OFFLOAD_USAGE = _seldom("llm_server_kv_offload_usage_ratio", "gauge",
                                  "Share in use of the memory that the KV cache is offloaded to.")
SERVER_KV_MOVED_BYTES = _seldom("llm_server_kv_moved_bytes_total", "counter",
                                "Bytes of KV cache that were moved.", MOVEMENT)
SERVER_KV_MOVED_SECONDS = _seldom("llm_server_kv_moved_seconds_total", "counter",
                                  "Seconds that moving KV cache took, of all movements added up.",
                                  MOVEMENT)
SERVER_KV_MOVE_FAILURES = _seldom("llm_server_kv_move_failures_total", "counter",
                                  "Movements of KV cache that failed.", MOVEMENT)
SERVER_PREEMPTIONS = _server("llm_server_preemptions_total", "counter",
                             "Requests put back into the queue for want of KV cache.")
SERVER_DRAFT = _server("llm_server_spec_decode_draft_tokens_total", "counter",
                       "Tokens proposed by speculative decoding.")
SERVER_ACCEPTED = _server("llm_server_spec_decode_accepted_tokens_total", "counter",
                          "Proposed tokens that were accepted.")
SERVER_DRAFTS = _seldom("llm_server_spec_decode_drafts_total", "counter",
                        "Drafts made by speculative decoding; a step with one yields, on average, "
                        "1 + accepted tokens / drafts.")
SERVER_ACCEPTED_AT = _seldom("llm_server_spec_decode_accepted_at_tokens_total", "counter",
                             "Proposed tokens that were accepted, by their place in the draft.",
                             POSITION)
SERVER_ACCEPT_LENGTH = _seldom(
    "llm_server_spec_decode_accepted_length_tokens", "gauge",
    "Tokens that a step with a draft yielded of late, where the engine has no counters of that.")
SERVER_ACCEPT_RATIO = _seldom(
    "llm_server_spec_decode_accepted_ratio", "gauge",
    "Share of proposed tokens accepted of late, where the engine has no counters of that.")
SERVER_LORA_RUNNING = _seldom("llm_server_lora_adapters_running", "gauge",
                              "LoRA adapters with requests being worked on.")
SERVER_LORA_WAITING = _seldom("llm_server_lora_adapters_waiting", "gauge",
                              "LoRA adapters with requests waiting their turn.")
SERVER_LORA_MAX = _seldom("llm_server_lora_adapters_max", "gauge",
                          "LoRA adapters that one batch takes at most.")
SERVER_LORA_INFO = _seldom("llm_server_lora_adapter_info", "gauge",
                           "A LoRA adapter with requests running or waiting; always 1.",
                           ADAPTER, ADAPTER_STATE)
SERVER_SLEEP = _seldom("llm_server_sleep_state", "gauge",
                       "1 for the state that the engine is in, 0 for the others.", SLEEP)
SERVER_CORRUPTED = _seldom("llm_server_requests_corrupted_total", "counter",
                           "Requests whose logits were not numbers at least once.")
SERVER_MIGRATIONS = _seldom("llm_server_migrations_total", "counter",
                            "Requests moved to another worker after theirs failed.")
SERVER_FLOPS = _seldom("llm_server_estimated_gpu_flops_total", "counter",
                       "Floating-point operations of each GPU, as the engine reckons them.")
SERVER_MEMORY_MOVED = _seldom("llm_server_estimated_gpu_memory_bytes_total", "counter",
                              "Bytes that each GPU read from its memory and wrote to it, as the "
                              "engine reckons them.", FLOW)
SERVER_MAX_LENGTH = _server("llm_server_max_model_length_tokens", "gauge",
                            "Longest sequence the engine takes, prompt and output.",
                            within=Range(least=1.0))

# What an engine's table says in signals, in the order they are shown.
SIGNAL_METRICS = (
    SERVER_HTTP, SERVER_TTFT, SERVER_TPOT, SERVER_ITL, SERVER_DURATION, SERVER_QUEUE,
    SERVER_PREFILL, SERVER_DECODE, SERVER_INPUT_LENGTH, SERVER_OUTPUT_LENGTH, SERVER_STEP_TOKENS,
    SERVER_INPUT, SERVER_INPUT_CACHED, SERVER_OUTPUT, SERVER_RUNNING, SERVER_WAITING,
    SERVER_WAITING_WHY, SERVER_KV_USAGE, SERVER_KV_CAPACITY, SERVER_PREFIX_QUERIES,
    SERVER_PREFIX_HITS, SERVER_EXTERNAL_QUERIES, SERVER_EXTERNAL_HITS, SERVER_TIER_HITS,
    SERVER_MM_QUERIES, SERVER_MM_HITS, SERVER_KV_OFFLOAD_USAGE, SERVER_KV_MOVED_BYTES,
    SERVER_KV_MOVED_SECONDS, SERVER_KV_MOVE_FAILURES, SERVER_PREEMPTIONS, SERVER_DRAFTS,
    SERVER_DRAFT, SERVER_ACCEPTED, SERVER_ACCEPTED_AT, SERVER_ACCEPT_LENGTH, SERVER_ACCEPT_RATIO,
    SERVER_LORA_RUNNING, SERVER_LORA_WAITING, SERVER_LORA_MAX, SERVER_LORA_INFO, SERVER_SLEEP,
    SERVER_CORRUPTED, SERVER_MIGRATIONS, SERVER_FLOPS, SERVER_MEMORY_MOVED, SERVER_MAX_LENGTH,
    SERVER_START, SERVER_LAST_PROGRESS,
)
SIGNALS = (
    *(f"requests_{outcome}" for outcome in OUTCOMES),
    *(metric.signal for metric in SIGNAL_METRICS),
)
SELDOM_METRICS = tuple(metric for metric in SIGNAL_METRICS if metric.seats == SELDOM)
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
