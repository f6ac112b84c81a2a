"""vLLM: V1 names, and every older one.

From vLLM's vllm/v1/metrics/loggers.py (0.8 to 0.33) and vllm/engine/metrics.py (V0). Triton's
backend and NVIDIA Dynamo pass these names through, the former with `model` for `model_name`.
"""

from collections.abc import Callable

from inferometer import catalogue as c
from inferometer.engines.labelled import Adapters, ByLabel, by_position, by_values
from inferometer.engines.sources import Product, Selector, Source, Total
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, Http, InfoDocument, Marks, Mute, RequestCounter
from inferometer.engines.tables import kv_connectors, lmcache

LORA = "vllm:lora_requests_info"
AT = "vllm:spec_decode_num_accepted_tokens_per_pos_total"


def capacity(combine: Callable[[list[float]], float | None]) -> tuple[Source, ...]:
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
    spelling=Spelling("vllm:", r"vllm(?::|_(?!omni[:_]|router_))", models=("model_name", "model"),
                      rank="engine"),
    # Its router and vllm-omni print these names too: of each server behind it, of each stage.
    marks=Marks(not_labels=("server", "stage")),
    mute=Mute(
        ("http_requests_total", "http_request_duration_seconds"),
        "vLLM or another FastAPI server without engine families: is --disable-log-stats set?",
    ),
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
        c.SERVER_INPUT_LENGTH: (Selector("vllm:request_prompt_tokens"),),
        c.SERVER_OUTPUT_LENGTH: (Selector("vllm:request_generation_tokens"),),
        c.SERVER_STEP_TOKENS: (Selector("vllm:iteration_tokens_total"),),
        c.SERVER_INPUT: (Selector("vllm:prompt_tokens_total"),),
        c.SERVER_INPUT_CACHED: (Selector("vllm:prompt_tokens_cached_total"),),
        c.SERVER_OUTPUT: (Selector("vllm:generation_tokens_total"),),
        c.SERVER_RUNNING: (Selector("vllm:num_requests_running"),),
        # V0's requests that were swapped out wait as well. Those whose cache is fetched from
        # elsewhere are among the waiting ones.
        c.SERVER_WAITING: (
            Total((Selector("vllm:num_requests_waiting"), Selector("vllm:num_requests_swapped"))),
            Selector("vllm:num_requests_waiting"),
        ),
        c.SERVER_WAITING_WHY: (
            by_values("vllm:num_requests_waiting_by_reason", "reason",
                {reason: (reason,) for reason in ("capacity", "deferred")}),
        ),
        c.SERVER_KV_USAGE: (
            Selector("vllm:kv_cache_usage_perc", combine=max),
            Selector("vllm:gpu_cache_usage_perc", combine=max),
        ),
        c.SERVER_KV_CAPACITY: capacity(max),
        # The gpu_prefix_cache_* pair of 0.8 counts blocks, not tokens: not taken.
        c.SERVER_PREFIX_QUERIES: (Selector("vllm:prefix_cache_queries_total"),),
        c.SERVER_PREFIX_HITS: (Selector("vllm:prefix_cache_hits_total"),),
        c.SERVER_EXTERNAL_QUERIES: (
            Selector("vllm:external_prefix_cache_queries_total"), lmcache.QUERIES,
        ),
        c.SERVER_EXTERNAL_HITS: (
            Selector("vllm:external_prefix_cache_hits_total"), lmcache.HITS,
        ),
        c.SERVER_TIER_HITS: (
            by_values("vllm:prompt_tokens_cached_by_source_total", "source", {
                "device": ("device",), "host": ("host",), "disk": ("disk",), "peer": ("p2p",),
                "external": ("external_unspecified",)}),
            by_values("vllm:prompt_tokens_by_source_total", "source", {
                "device": ("local_cache_hit",), "external": ("external_kv_transfer",)}),
        ),
        c.SERVER_MM_QUERIES: (Selector("vllm:mm_cache_queries_total"),),
        c.SERVER_MM_HITS: (Selector("vllm:mm_cache_hits_total"),),
        c.SERVER_KV_OFFLOAD_USAGE: kv_connectors.USAGE,
        c.SERVER_KV_MOVED_BYTES: (kv_connectors.MOVED_BYTES,),
        c.SERVER_KV_MOVED_SECONDS: (kv_connectors.MOVED_SECONDS,),
        c.SERVER_KV_MOVE_FAILURES: (kv_connectors.MOVE_FAILURES,),
        c.SERVER_PREEMPTIONS: (
            Selector("vllm:num_preemptions_total"),
            Selector("vllm:request_num_preemptions", part="_sum", derived=True),
        ),
        # Diffusion models draft the places of a canvas and commit some of them in each step.
        c.SERVER_DRAFTS: (
            Selector("vllm:spec_decode_num_drafts_total"),
            Selector("vllm:diffusion_num_denoising_steps_total"),
        ),
        c.SERVER_DRAFT: (
            Selector("vllm:spec_decode_num_draft_tokens_total"),
            Selector("vllm:diffusion_num_canvas_positions_total"),
        ),
        c.SERVER_ACCEPTED: (
            Selector("vllm:spec_decode_num_accepted_tokens_total"),
            Selector("vllm:diffusion_num_committed_tokens_total"),
        ),
        c.SERVER_ACCEPTED_AT: (by_position(AT),),
        c.SERVER_ACCEPT_RATIO: (
            Selector("vllm:spec_decode_draft_acceptance_rate", combine=max),
        ),
        c.SERVER_LORA_RUNNING: (Adapters(LORA, {"running_lora_adapters": "running"}),),
        c.SERVER_LORA_WAITING: (Adapters(LORA, {"waiting_lora_adapters": "waiting"}),),
        c.SERVER_LORA_MAX: (Selector(LORA, label="max_lora", combine=max),),
        c.SERVER_LORA_INFO: (
            Adapters(LORA, {"running_lora_adapters": "running",
                            "waiting_lora_adapters": "waiting"}, named=True),
        ),
        c.SERVER_SLEEP: (
            by_values("vllm:engine_sleep_state", "sleep_state",
                {state: (state,) for state in ("awake", "weights_offloaded", "discard_all")}),
        ),
        c.SERVER_CORRUPTED: (Selector("vllm:corrupted_requests_total"),),
        c.SERVER_FLOPS: (Selector("vllm:estimated_flops_per_gpu_total"),),
        c.SERVER_MEMORY_MOVED: (
            ByLabel({"read": Selector("vllm:estimated_read_bytes_per_gpu_total"),
                     "write": Selector("vllm:estimated_write_bytes_per_gpu_total")}),
        ),
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
            answers="vllm:request_params_n",
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
    unused={
        "part of num_requests_waiting": ("num_requests_kv_fetch_by_stage",),
        "cache blocks, sampled, to study their eviction": (
            "kv_block_idle_before_evict_seconds", "kv_block_lifetime_seconds",
            "kv_block_reuse_gap_seconds", "hisparse_host_block_idle_before_evict_seconds",
            "hisparse_host_block_lifetime_seconds", "hisparse_host_block_reuse_gap_seconds",
        ),
        "blocks, not tokens": ("gpu_prefix_cache_queries_total", "gpu_prefix_cache_hits_total"),
        "averages of the engine's choosing": (
            "gpu_prefix_cache_hit_rate", "cpu_prefix_cache_hit_rate",
            "avg_prompt_throughput_toks_per_s", "avg_generation_throughput_toks_per_s",
        ),
        "what was asked for, not what was done": (
            "request_max_num_generation_tokens", "request_params_max_tokens",
            "request_params_best_of",
        ),
        "says what other families say": (
            "request_inference_time_seconds", "tokens_total",
            "request_prefill_kv_computed_tokens", "watermark_requests_total",
            "spec_decode_num_emitted_tokens_total", "spec_decode_efficiency",
            "model_forward_time_milliseconds", "model_execute_time_milliseconds",
        ),
        "what an operator does": (
            "rl_weight_update_operation_duration_seconds", "rl_weight_update_operations_in_flight",
            "sleep_mode_operation_duration_seconds", "sleep_mode_operations_in_flight",
        ),
        "connections, and parts of answers": (
            "websocket_connection_duration_seconds", "websocket_connections_active",
            "websocket_connections_total", "tool_call_parser_invocations_total",
        ),
        **kv_connectors.UNUSED,
    },
    unseen=frozenset({
        "kv_moved_bytes", "kv_moved", "kv_move_failures", "lora_adapter_info",
        "spec_decode_accepted",
    }),
)
