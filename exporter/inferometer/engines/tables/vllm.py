"""vLLM: V1 names, and every older one.

From vLLM's vllm/v1/metrics/loggers.py (0.8 to 0.33) and vllm/engine/metrics.py (V0). Triton's
backend and NVIDIA Dynamo pass these names through, the former with `model` for `model_name`.
"""

import re
from collections.abc import Callable

from inferometer import catalogue as c
from inferometer.engines.sources import Product, Series
from inferometer.engines.table import Engine, Fact, Http, Request, Source


def capacity(combine: Callable[[list[float]], float]) -> tuple[Source, ...]:
    """Tokens that fit into the KV cache, of several series that say so put together."""
    info = "vllm:cache_config_info"
    return (
        Series(info, label="kv_cache_size_tokens", combine=combine),
        Product(Series(info, label="num_gpu_blocks", combine=combine),
                Series(info, label="block_size", combine=max)),
    )


ENGINE = Engine(
    name="vllm",
    title="vLLM",
    evidence="run",
    prefix="vllm:",
    spelling=re.compile(r"vllm[:_]"),
    models=("model_name", "model"),
    rank="engine",
    signals={
        c.SERVER_TTFT: (Series("vllm:time_to_first_token_seconds"),),
        c.SERVER_TPOT: (Series("vllm:request_time_per_output_token_seconds"),),
        # One value per step; until 0.11 under a name that promises one per request.
        c.SERVER_ITL: (
            Series("vllm:inter_token_latency_seconds"),
            Series("vllm:time_per_output_token_seconds"),
        ),
        c.SERVER_DURATION: (Series("vllm:e2e_request_latency_seconds"),),
        c.SERVER_QUEUE: (
            Series("vllm:request_queue_time_seconds"),
            Series("vllm:time_in_queue_requests"),
        ),
        c.SERVER_PREFILL: (Series("vllm:request_prefill_time_seconds"),),
        c.SERVER_DECODE: (Series("vllm:request_decode_time_seconds"),),
        c.SERVER_INPUT: (Series("vllm:prompt_tokens_total"),),
        c.SERVER_INPUT_CACHED: (Series("vllm:prompt_tokens_cached_total"),),
        c.SERVER_OUTPUT: (Series("vllm:generation_tokens_total"),),
        c.SERVER_RUNNING: (Series("vllm:num_requests_running"),),
        c.SERVER_WAITING: (Series("vllm:num_requests_waiting"),),
        c.SERVER_KV_USAGE: (
            Series("vllm:kv_cache_usage_perc", combine=max, most=1.0),
            Series("vllm:gpu_cache_usage_perc", combine=max, most=1.0),
        ),
        c.SERVER_KV_CAPACITY: capacity(max),
        # The gpu_prefix_cache_* pair of 0.8 counts blocks, not tokens: not taken.
        c.SERVER_PREFIX_QUERIES: (Series("vllm:prefix_cache_queries_total"),),
        c.SERVER_PREFIX_HITS: (Series("vllm:prefix_cache_hits_total"),),
        c.SERVER_PREEMPTIONS: (Series("vllm:num_preemptions_total"),),
        c.SERVER_DRAFT: (Series("vllm:spec_decode_num_draft_tokens_total"),),
        c.SERVER_ACCEPTED: (Series("vllm:spec_decode_num_accepted_tokens_total"),),
        c.SERVER_START: (Series("process_start_time_seconds"),),
    },
    requests=(
        Request(
            Series("vllm:request_success_total"),
            label="finished_reason",
            meaning={
                "stop": ("success", "stop"),
                "length": ("success", "length"),
                "repetition": ("success", "repetition"),
                "abort": ("abort", "abort"),
                "error": ("error", "engine_error"),
            },
            otherwise=("success", "finished"),
        ),
        Request(
            Series("vllm:admission_rejections_total"),
            label="reason",
            meaning={
                "max_num_queued_reqs": ("rejected", "queue_requests"),
                "max_num_queued_tokens": ("rejected", "queue_tokens"),
            },
            otherwise=("rejected", "overloaded"),
        ),
    ),
    # Refused requests never reach the engine's own count: only HTTP knows them.
    http=Http(
        "http_requests_total",
        code="status",
        handler="handler",
        endings=(("invalid", "http_4xx"), ("error", "http_5xx")),
        explained={"http_5xx": ("error", "rejected")},  # a full queue answers 503
    ),
    progress=(Series("vllm:generation_tokens_total"), Series("vllm:prompt_tokens_total")),
    facts=(
        Fact("/version", {"version": ("version",)}),
        Fact("/v1/models", {"model": ("data", 0, "id"),
                            "max_model_length": ("data", 0, "max_model_len")}),
    ),
    unused=(
        r"num_requests_(?:waiting_by_reason|kv_fetch_by_stage|swapped)|watermark_requests.*"
        r"|engine_sleep_state|(?:external_prefix|mm)_cache_(?:queries|hits)_total"
        r"|gpu_prefix_cache_(?:queries|hits)_total|[cg]pu_prefix_cache_hit_rate"
        r"|cpu_cache_usage_perc|prompt_tokens_(?:cached_)?by_source_total|corrupted_requests_total"
        r"|request_(?:num_preemptions|prompt_tokens|generation_tokens|max_num_generation_tokens"
        r"|params_max_tokens|params_n|prefill_kv_computed_tokens|inference_time_seconds"
        r"|params_best_of)"
        r"|iteration_tokens_total|lora_requests_info|(?:estimated|diffusion|kv_block)_.*"
        r"|spec_decode_(?:num_drafts|num_accepted_tokens_per_pos|num_emitted_tokens)_total"
        r"|spec_decode_(?:draft_acceptance_rate|efficiency)|model_(?:forward|execute)_time_.*"
        r"|tokens_total|avg_(?:prompt|generation)_throughput_toks_per_s"
        r"|(?:nixl|mooncake|hf3fs|hisparse|umbp|simple_kv_offload)_.*"
    ),
    unseen=frozenset({"spec_decode_draft_tokens", "spec_decode_accepted_tokens"}),
)
