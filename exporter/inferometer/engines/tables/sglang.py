"""SGLang, with colons and with underscores, alone and in Dynamo's worker.

From sglang/srt/observability/metrics_collector.py (0.5.23) and its forerunners back to 0.3.5.
"""

from inferometer import catalogue as c
from inferometer.engines.sources import Difference, Selector, Total
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, Http, InfoDocument, RequestCounter

NO_PRIORITY = {"priority": ("",)}

ENGINE = Engine(
    name="sglang",
    title="SGLang",
    evidence="captured",
    spelling=Spelling(
        "sglang:", r"sglang[:_]", models=("model_name", "name"), rank="dp_rank",
        copies=frozenset({"tp_rank", "pp_rank", "moe_ep_rank"}),
    ),
    signals={
        c.SERVER_TTFT: (Selector("sglang:time_to_first_token_seconds"),),
        c.SERVER_TPOT: (Selector("sglang:request_time_per_output_token_seconds"),),
        # 0.3 has one value per token under a name that promises one per request; 0.4 has the
        # whole duration by tokens there, which is neither, and a model_name label.
        c.SERVER_ITL: (
            Selector("sglang:inter_token_latency_seconds"),
            Selector("sglang:time_per_output_token_seconds", where={"model_name": ("",)}),
        ),
        c.SERVER_DURATION: (Selector("sglang:e2e_request_latency_seconds"),),
        c.SERVER_QUEUE: (
            Selector("sglang:queue_time_seconds"),
            Selector("sglang:waiting_request_latency_seconds"),
        ),
        c.SERVER_PREFILL: (
            Selector("sglang:per_stage_req_latency_seconds", where={"stage": ("prefill_forward",)}),
        ),
        c.SERVER_INPUT: (Selector("sglang:prompt_tokens_total"),),
        # Since 0.5.10 by source; `total` is a source like the others, for requests without one.
        c.SERVER_INPUT_CACHED: (Selector("sglang:cached_tokens_total"),),
        c.SERVER_OUTPUT: (Selector("sglang:generation_tokens_total"),),
        # With priority scheduling the sum stands beside its parts, under an empty priority.
        c.SERVER_RUNNING: (
            Selector("sglang:num_running_reqs", where=NO_PRIORITY),
            Selector("sglang:num_running_reqs"),
            Selector("sglang:num_requests_running"),
        ),
        c.SERVER_WAITING: (
            Total((Selector("sglang:num_queue_reqs", where=NO_PRIORITY),
                   Selector("sglang:num_grammar_queue_reqs", where=NO_PRIORITY))),
            Selector("sglang:num_queue_reqs", where=NO_PRIORITY),
            Selector("sglang:num_queue_reqs"),
            Selector("sglang:num_requests_waiting"),
            Selector("sglang:queue_req"),
        ),
        c.SERVER_KV_USAGE: (Selector("sglang:token_usage", combine=max, most=1.0),),
        c.SERVER_KV_CAPACITY: (Selector("sglang:max_total_num_tokens", combine=max),),
        # Not cache_hit_rate, which is that of the last prefill batch only.
        c.SERVER_PREFIX_QUERIES: (Selector("sglang:prompt_tokens_total", derived=True),),
        c.SERVER_PREFIX_HITS: (Selector("sglang:cached_tokens_total", derived=True),),
        c.SERVER_PREEMPTIONS: (Selector("sglang:num_retracted_requests_total"),),
        c.SERVER_MAX_LENGTH: (Selector("sglang:context_len", combine=max),),
        c.SERVER_START: (Selector("process_start_time_seconds"),),
    },
    requests=(
        RequestCounter(Selector("sglang:num_aborted_requests_total"), otherwise=("abort", "abort"),
                       late=True),
    ),
    # num_requests_total holds the aborted ones too.
    success=Difference(
        Selector("sglang:num_requests_total"), Selector("sglang:num_aborted_requests_total"),
    ),
    http=Http(
        "sglang:http_responses_total",
        code="status_code",
        handler="endpoint",
        endings=(
            ("invalid", "http_4xx"), ("error", "http_5xx"),
            ("rejected", "http_429"), ("rejected", "http_503"),
        ),
    ),
    # Token counters move when a request ends; only this one is live.
    progress=(Selector("sglang:realtime_tokens_total"),),
    documents=(
        InfoDocument("/get_server_info", {"version": ("version",)}),
        InfoDocument("/v1/models", {"model": ("data", 0, "id"),
                                    "max_model_length": ("data", 0, "max_model_len")}),
    ),
    unused=(
        "request_prompt_tokens", "request_generation_tokens", "avg_request_queue_latency",
        "prompt_tokens_histogram", "uncached_prompt_tokens_histogram",
        "generation_tokens_histogram", "cached_token", "new_seq", "new_token*",
        "num_bootstrap*", "num_decode*", "num_grammar*", "num_pages*", "num_paused*",
        "num_prefill*", "num_retract*", "num_so*", "num_streaming*", "num_transfer*",
        "num_unique*", "num_used_tokens", "num_running_reqs_offline_batch",
        "total_retracted_reqs", "pending_prealloc*", "prealloc*", "prefetch*", "prefill*",
        "decode*", "encoder*", "grammar*", "spec*", "estimated*", "gen_throughput",
        "cache_hit_rate", "cache_config_info", "full_token_usage", "page_size", "kv*", "swa*",
        "mamba*", "evict*", "load_back*", "backup*", "hicache*", "storage*",
        "max_running*", "max_total_num_tokens*", "max_prefill_tokens",
        "scheduler*", "routing_key*", "streaming_session*", "failed_session_recoveries_total",
        "dp_attention*", "dp_cooperation*", "eplb*", "lora_pool*", "weight*",
        "startup*", "engine_startup_time", "engine_load_weights_time",
        "cuda_graph*", "is_cuda_graph", "graph_memory_usage_gb", "utilization", "fwd_occupancy",
        "forward_execution_seconds_total", "func_latency_seconds", "get_loads*",
        "http_requests_active", "http_requests_total", "process_cpu_seconds_total",
    ),
    unseen=frozenset({
        "requests_error", "requests_rejected", "requests_invalid", "http_responses",
        "time_per_output_token", "request_prefill", "input_tokens_cached",
        "prefix_cache_hit_tokens", "preemptions", "start_time",
    }),
)
