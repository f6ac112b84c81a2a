"""vLLM: V1 names, and every older one.

From vLLM's vllm/v1/metrics/loggers.py (0.8 to 0.33) and vllm/engine/metrics.py (V0). Triton's
backend and NVIDIA Dynamo pass these names through, the former with `model` for `model_name`.
"""

from collections.abc import Callable

from inferometer import catalogue as c
from inferometer.engines.sources import Product, Selector, Source
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, Http, InfoDocument, RequestCounter


def capacity(combine: Callable[[list[float]], float]) -> tuple[Source, ...]:
    """Tokens that fit into the KV cache; `combine` makes one number of several series."""
    info = "vllm:cache_config_info"
    return (
        Selector(info, label="kv_cache_size_tokens", combine=combine),
        Product(Selector(info, label="num_gpu_blocks", combine=combine),
                Selector(info, label="block_size", combine=max)),
    )


ENGINE = Engine(
    name="vllm",
    title="vLLM",
    evidence="run",
    spelling=Spelling("vllm:", r"vllm[:_]", models=("model_name", "model"), rank="engine"),
    signals={
        c.SERVER_TTFT: (Selector("vllm:time_to_first_token_seconds"),),
        c.SERVER_TPOT: (Selector("vllm:request_time_per_output_token_seconds"),),
        # One value per step; until 0.11 under a name that promises one per request.
        c.SERVER_ITL: (
            Selector("vllm:inter_token_latency_seconds"),
            Selector("vllm:time_per_output_token_seconds"),
        ),
        c.SERVER_DURATION: (Selector("vllm:e2e_request_latency_seconds"),),
        c.SERVER_QUEUE: (
            Selector("vllm:request_queue_time_seconds"),
            Selector("vllm:time_in_queue_requests"),
        ),
        c.SERVER_PREFILL: (Selector("vllm:request_prefill_time_seconds"),),
        c.SERVER_DECODE: (Selector("vllm:request_decode_time_seconds"),),
        c.SERVER_INPUT: (Selector("vllm:prompt_tokens_total"),),
        c.SERVER_INPUT_CACHED: (Selector("vllm:prompt_tokens_cached_total"),),
        c.SERVER_OUTPUT: (Selector("vllm:generation_tokens_total"),),
        c.SERVER_RUNNING: (Selector("vllm:num_requests_running"),),
        c.SERVER_WAITING: (Selector("vllm:num_requests_waiting"),),
        c.SERVER_KV_USAGE: (
            Selector("vllm:kv_cache_usage_perc", combine=max, most=1.0),
            Selector("vllm:gpu_cache_usage_perc", combine=max, most=1.0),
        ),
        c.SERVER_KV_CAPACITY: capacity(max),
        # The gpu_prefix_cache_* pair of 0.8 counts blocks, not tokens: not taken.
        c.SERVER_PREFIX_QUERIES: (Selector("vllm:prefix_cache_queries_total"),),
        c.SERVER_PREFIX_HITS: (Selector("vllm:prefix_cache_hits_total"),),
        c.SERVER_PREEMPTIONS: (Selector("vllm:num_preemptions_total"),),
        c.SERVER_DRAFT: (Selector("vllm:spec_decode_num_draft_tokens_total"),),
        c.SERVER_ACCEPTED: (Selector("vllm:spec_decode_num_accepted_tokens_total"),),
        c.SERVER_START: (Selector("process_start_time_seconds"),),
    },
    requests=(
        RequestCounter(
            Selector("vllm:request_success_total"),
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
        RequestCounter(
            Selector("vllm:admission_rejections_total"),
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
    progress=(Selector("vllm:generation_tokens_total"), Selector("vllm:prompt_tokens_total")),
    documents=(
        InfoDocument("/version", {"version": ("version",)}),
        InfoDocument("/v1/models", {"model": ("data", 0, "id"),
                                    "max_model_length": ("data", 0, "max_model_len")}),
    ),
    unused=(
        "num_requests_waiting_by_reason", "num_requests_kv_fetch_by_stage", "num_requests_swapped",
        "watermark_requests*", "engine_sleep_state", "corrupted_requests_total",
        "external_prefix_cache_queries_total", "external_prefix_cache_hits_total",
        "mm_cache_queries_total", "mm_cache_hits_total",
        "gpu_prefix_cache_queries_total", "gpu_prefix_cache_hits_total",
        "gpu_prefix_cache_hit_rate", "cpu_prefix_cache_hit_rate", "cpu_cache_usage_perc",
        "prompt_tokens_by_source_total", "prompt_tokens_cached_by_source_total",
        "request_num_preemptions", "request_prompt_tokens", "request_generation_tokens",
        "request_max_num_generation_tokens", "request_prefill_kv_computed_tokens",
        "request_inference_time_seconds",
        "request_params_max_tokens", "request_params_n", "request_params_best_of",
        "iteration_tokens_total", "tokens_total", "lora_requests_info",
        "avg_prompt_throughput_toks_per_s", "avg_generation_throughput_toks_per_s",
        "model_forward_time_*", "model_execute_time_*", "estimated_*", "diffusion_*",
        "spec_decode_num_drafts_total", "spec_decode_num_accepted_tokens_per_pos_total",
        "spec_decode_num_emitted_tokens_total", "spec_decode_draft_acceptance_rate",
        "spec_decode_efficiency",
        "kv_block_*", "nixl_*", "mooncake_*", "hf3fs_*", "hisparse_*", "umbp_*",
        "simple_kv_offload_*",
    ),
    unseen=frozenset({"spec_decode_draft_tokens", "spec_decode_accepted_tokens"}),
)
