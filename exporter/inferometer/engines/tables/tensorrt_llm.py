"""TensorRT-LLM: trtllm-serve with `return_perf_metrics`, and Dynamo's worker of it.

From tensorrt_llm/metrics/collector.py and perf_utils.py: five families without a prefix in 1.1,
and the `trtllm_` set since, whose gauges need `enable_iter_perf_stats` and move only when a request
ends: nothing tells whether it makes progress. Requests that fail are in no count.
"""

from dataclasses import replace

from inferometer import catalogue as c
from inferometer.engines.sources import Product, Selector
from inferometer.engines.spelling import Spelling, exactly
from inferometer.engines.table import Engine, InfoDocument, RequestCounter

REASON = "finished_reason"
UNPREFIXED = (
    "request_success_total", "e2e_request_latency_seconds", "time_to_first_token_seconds",
    "time_per_output_token_seconds", "request_queue_time_seconds",
)

ENGINE = Engine(
    name="tensorrt_llm",
    title="TensorRT-LLM",
    evidence="captured",
    spelling=Spelling(
        "trtllm_", r"trtllm[:_]", models=("model_name", "model"),
        nameless=frozenset({"undefined"}),  # what 1.1 and 1.2 call every model
        copies=frozenset({"pid"}),
    ),
    paths=("/prometheus/metrics",),  # its /metrics is JSON, and hands each statistic out once
    signals={
        c.SERVER_TTFT: (Selector("trtllm_time_to_first_token_seconds"),),
        c.SERVER_TPOT: (Selector("trtllm_time_per_output_token_seconds"),),
        c.SERVER_DURATION: (Selector("trtllm_e2e_request_latency_seconds"),),
        c.SERVER_QUEUE: (Selector("trtllm_request_queue_time_seconds"),),
        c.SERVER_PREFILL: (Selector("trtllm_request_prefill_time_seconds"),),
        c.SERVER_DECODE: (Selector("trtllm_request_decode_time_seconds"),),
        c.SERVER_INPUT: (Selector("trtllm_prompt_tokens_total"),),
        c.SERVER_INPUT_CACHED: (Selector("trtllm_prompt_cached_tokens_total"),),
        c.SERVER_OUTPUT: (Selector("trtllm_generation_tokens_total"),),
        c.SERVER_RUNNING: (Selector("trtllm_num_requests_running"),),
        c.SERVER_WAITING: (Selector("trtllm_num_requests_waiting"),),
        c.SERVER_KV_USAGE: (Selector("trtllm_kv_cache_utilization", combine=max, most=1.0),),
        c.SERVER_KV_CAPACITY: (
            Product(Selector("trtllm_kv_cache_max_blocks", combine=max),
                    Selector("trtllm_kv_cache_tokens_per_block", combine=max)),
        ),
        # Reused and missed blocks are counted too, but whole blocks only, and not as tokens.
        c.SERVER_PREFIX_QUERIES: (Selector("trtllm_prompt_tokens_total", derived=True),),
        c.SERVER_PREFIX_HITS: (Selector("trtllm_prompt_cached_tokens_total", derived=True),),
        c.SERVER_DRAFT: (Selector("trtllm_spec_decode_num_draft_tokens_total"),),
        c.SERVER_ACCEPTED: (Selector("trtllm_spec_decode_num_accepted_tokens_total"),),
        c.SERVER_MAX_LENGTH: (
            Selector("trtllm_model_config_info", label="max_model_len", combine=max),
        ),
    },
    requests=(
        RequestCounter(
            Selector("trtllm_request_success_total",
                     where={REASON: ("stop", "length", "cancelled")}),
            label=REASON,
            meaning={
                "stop": ("success", "stop"),
                "length": ("success", "length"),
                "cancelled": ("abort", "cancelled"),  # of clients that stream none is counted
            },
            otherwise=("success", "finished"),
        ),
        # Neither is at 0 before its first: other errors and refusals are not counted at all.
        RequestCounter(Selector("trtllm_request_success_total", where={REASON: ("timeout",)}),
                       otherwise=("error", "timeout")),
        RequestCounter(Selector("trtllm_request_error_total", where={"http_code": ("400", "422")}),
                       otherwise=("invalid", "http_4xx")),
    ),
    documents=(
        InfoDocument("/version", {"version": ("version",)}),
        InfoDocument("/v1/models", {"model": ("data", 0, "id")}),
    ),
    unused=(
        "request_success_total", "request_error_total", "request_type_*",
        "request_inference_time_seconds", "num_requests_completed_total",
        "num_context_requests", "num_generation_requests", "num_paused_requests",
        "num_scheduled_requests", "num_active_requests", "num_active_requests_total",
        "num_aborted_requests", "num_aborted_requests_total", "max_num_active_requests",
        "server_queue_length", "iteration_latency_seconds", "avg_decoded_tokens_per_iter",
        "max_batch_size_static", "max_batch_size_runtime", "max_num_tokens_runtime",
        "scheduled_batch_size", "total_context_tokens",
        "gpu_memory_usage_bytes", "cpu_memory_usage_bytes", "pinned_memory_usage_bytes",
        "kv_cache_*", "kv_event_*", "kv_transfer_*", "ep_*",
        "prompt_cached_tokens", "prompt_cached_tokens_per_request",
        "prompt_cache_hit_tokens_total",
        "spec_decode_drafted_tokens_total", "spec_decode_accepted_tokens_total",
        "spec_decode_acceptance_length", "spec_decode_draft_overhead",
        "prefill_perplexity", "generation_perplexity",
        "prefill_batch_*", "prefill_num_context_requests",
        "model_config_info", "parallel_config_info", "speculative_config_info",
        "cache_config_info",
    ),
    unseen=frozenset({
        "requests_error", "requests_invalid", "request_prefill", "request_decode",
        "input_tokens", "input_tokens_cached", "output_tokens", "requests_running",
        "requests_waiting", "kv_cache_usage", "kv_cache_capacity_tokens",
        "prefix_cache_query_tokens", "prefix_cache_hit_tokens", "spec_decode_draft_tokens",
        "spec_decode_accepted_tokens", "max_model_length_tokens",
    }),
)
FORMER = replace(
    ENGINE,
    spelling=replace(ENGINE.spelling, pattern=exactly(UNPREFIXED)),
    marks=frozenset(UNPREFIXED),
)
