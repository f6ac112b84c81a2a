"""TensorRT-LLM: trtllm-serve with `return_perf_metrics`, and Dynamo's worker of it.

From tensorrt_llm/metrics/collector.py and perf_utils.py: five families without a prefix in 1.1,
and the `trtllm_` set since, whose gauges need `enable_iter_perf_stats` and move only when a request
ends: nothing tells whether it makes progress. Requests that fail are in no count.
"""

import re
from dataclasses import replace

from inferometer import catalogue as c
from inferometer.engines.sources import Product, Series
from inferometer.engines.table import Engine, Fact, Request, exactly

REASON = "finished_reason"
UNPREFIXED = (
    "request_success_total", "e2e_request_latency_seconds", "time_to_first_token_seconds",
    "time_per_output_token_seconds", "request_queue_time_seconds",
)

ENGINE = Engine(
    name="tensorrt_llm",
    title="TensorRT-LLM",
    evidence="captured",
    prefix="trtllm_",
    spelling=re.compile(r"trtllm[:_]"),
    paths=("/prometheus/metrics",),  # its /metrics is JSON, and hands each statistic out once
    models=("model_name", "model"),
    nameless=frozenset({"undefined"}),  # what 1.1 and 1.2 call every model
    copies=frozenset({"pid"}),
    signals={
        c.SERVER_TTFT: (Series("trtllm_time_to_first_token_seconds"),),
        c.SERVER_TPOT: (Series("trtllm_time_per_output_token_seconds"),),
        c.SERVER_DURATION: (Series("trtllm_e2e_request_latency_seconds"),),
        c.SERVER_QUEUE: (Series("trtllm_request_queue_time_seconds"),),
        c.SERVER_PREFILL: (Series("trtllm_request_prefill_time_seconds"),),
        c.SERVER_DECODE: (Series("trtllm_request_decode_time_seconds"),),
        c.SERVER_INPUT: (Series("trtllm_prompt_tokens_total"),),
        c.SERVER_INPUT_CACHED: (Series("trtllm_prompt_cached_tokens_total"),),
        c.SERVER_OUTPUT: (Series("trtllm_generation_tokens_total"),),
        c.SERVER_RUNNING: (Series("trtllm_num_requests_running"),),
        c.SERVER_WAITING: (Series("trtllm_num_requests_waiting"),),
        c.SERVER_KV_USAGE: (Series("trtllm_kv_cache_utilization", combine=max, most=1.0),),
        c.SERVER_KV_CAPACITY: (
            Product(Series("trtllm_kv_cache_max_blocks", combine=max),
                    Series("trtllm_kv_cache_tokens_per_block", combine=max)),
        ),
        # Reused and missed blocks are counted too, but whole blocks only, and not as tokens.
        c.SERVER_PREFIX_QUERIES: (Series("trtllm_prompt_tokens_total", derived=True),),
        c.SERVER_PREFIX_HITS: (Series("trtllm_prompt_cached_tokens_total", derived=True),),
        c.SERVER_DRAFT: (Series("trtllm_spec_decode_num_draft_tokens_total"),),
        c.SERVER_ACCEPTED: (Series("trtllm_spec_decode_num_accepted_tokens_total"),),
        c.SERVER_MAX_LENGTH: (
            Series("trtllm_model_config_info", label="max_model_len", combine=max),
        ),
    },
    requests=(
        Request(
            Series("trtllm_request_success_total",
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
        Request(Series("trtllm_request_success_total", where={REASON: ("timeout",)}),
                otherwise=("error", "timeout")),
        Request(Series("trtllm_request_error_total", where={"http_code": ("400", "422")}),
                otherwise=("invalid", "http_4xx")),
    ),
    facts=(
        Fact("/version", {"version": ("version",)}),
        Fact("/v1/models", {"model": ("data", 0, "id")}),
    ),
    unused=(
        r"request_(?:success|error)_total|request_inference_time_seconds"
        r"|num_(?:requests_completed_total|(?:context|generation|paused|scheduled)_requests)"
        r"|num_(?:active|aborted)_requests(?:_total)?|server_queue_length"
        r"|max_(?:num_active_requests|batch_size_(?:static|runtime)|num_tokens_runtime)"
        r"|(?:gpu|cpu|pinned)_memory_usage_bytes|iteration_latency_seconds|total_context_tokens"
        r"|avg_decoded_tokens_per_iter|scheduled_batch_size|kv_(?:cache|event|transfer)_.*|ep_.*"
        r"|prompt_(?:cached_tokens(?:_per_request)?|cache_hit_tokens_total)|request_type_.*"
        r"|spec_decode_(?:(?:drafted|accepted)_tokens_total|acceptance_length|draft_overhead)"
        r"|(?:prefill|generation)_perplexity|prefill_(?:batch_.*|num_context_requests)"
        r"|(?:model|parallel|speculative|kv_cache|cache)_config_info"
    ),
    unseen=frozenset({
        "requests_error", "requests_invalid", "request_prefill", "request_decode",
        "input_tokens", "input_tokens_cached", "output_tokens", "requests_running",
        "requests_waiting", "kv_cache_usage", "kv_cache_capacity_tokens",
        "prefix_cache_query_tokens", "prefix_cache_hit_tokens", "spec_decode_draft_tokens",
        "spec_decode_accepted_tokens", "max_model_length_tokens",
    }),
)
FORMER = replace(ENGINE, spelling=exactly(UNPREFIXED), marks=frozenset(UNPREFIXED))
