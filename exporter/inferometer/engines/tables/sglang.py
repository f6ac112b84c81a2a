"""SGLang, with colons and with underscores, alone and in Dynamo's worker.

From sglang/srt/observability/metrics_collector.py (0.5.23) and its forerunners back to 0.3.5.
"""

import re

from inferometer import catalogue as c
from inferometer.engines.sources import Difference, Series, Total
from inferometer.engines.table import Engine, Fact, Http, Request

NO_PRIORITY = {"priority": ("",)}

ENGINE = Engine(
    name="sglang",
    title="SGLang",
    evidence="captured",
    prefix="sglang:",
    spelling=re.compile(r"sglang[:_]"),
    models=("model_name", "name"),
    rank="dp_rank",
    copies=frozenset({"tp_rank", "pp_rank", "moe_ep_rank"}),
    signals={
        c.SERVER_TTFT: (Series("sglang:time_to_first_token_seconds"),),
        c.SERVER_TPOT: (Series("sglang:request_time_per_output_token_seconds"),),
        # 0.3 has one value per token under a name that promises one per request; 0.4 has the
        # whole duration by tokens there, which is neither, and a model_name label.
        c.SERVER_ITL: (
            Series("sglang:inter_token_latency_seconds"),
            Series("sglang:time_per_output_token_seconds", where={"model_name": ("",)}),
        ),
        c.SERVER_DURATION: (Series("sglang:e2e_request_latency_seconds"),),
        c.SERVER_QUEUE: (
            Series("sglang:queue_time_seconds"),
            Series("sglang:waiting_request_latency_seconds"),
        ),
        c.SERVER_PREFILL: (
            Series("sglang:per_stage_req_latency_seconds", where={"stage": ("prefill_forward",)}),
        ),
        c.SERVER_INPUT: (Series("sglang:prompt_tokens_total"),),
        # Since 0.5.10 by source; `total` is a source like the others, for requests that tell none.
        c.SERVER_INPUT_CACHED: (Series("sglang:cached_tokens_total"),),
        c.SERVER_OUTPUT: (Series("sglang:generation_tokens_total"),),
        # With priority scheduling the sum stands beside its parts, under an empty priority.
        c.SERVER_RUNNING: (
            Series("sglang:num_running_reqs", where=NO_PRIORITY),
            Series("sglang:num_running_reqs"),
            Series("sglang:num_requests_running"),
        ),
        c.SERVER_WAITING: (
            Total((Series("sglang:num_queue_reqs", where=NO_PRIORITY),
                   Series("sglang:num_grammar_queue_reqs", where=NO_PRIORITY))),
            Series("sglang:num_queue_reqs", where=NO_PRIORITY),
            Series("sglang:num_queue_reqs"),
            Series("sglang:num_requests_waiting"),
            Series("sglang:queue_req"),
        ),
        c.SERVER_KV_USAGE: (Series("sglang:token_usage", combine=max, most=1.0),),
        c.SERVER_KV_CAPACITY: (Series("sglang:max_total_num_tokens", combine=max),),
        # Not cache_hit_rate, which is that of the last prefill batch only.
        c.SERVER_PREFIX_QUERIES: (Series("sglang:prompt_tokens_total", derived=True),),
        c.SERVER_PREFIX_HITS: (Series("sglang:cached_tokens_total", derived=True),),
        c.SERVER_PREEMPTIONS: (Series("sglang:num_retracted_requests_total"),),
        c.SERVER_MAX_LENGTH: (Series("sglang:context_len", combine=max),),
        c.SERVER_START: (Series("process_start_time_seconds"),),
    },
    requests=(
        Request(Series("sglang:num_aborted_requests_total"), otherwise=("abort", "abort"),
                late=True),
    ),
    # num_requests_total holds the aborted ones too.
    success=Difference(
        Series("sglang:num_requests_total"), Series("sglang:num_aborted_requests_total"),
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
    progress=(Series("sglang:realtime_tokens_total"),),
    facts=(
        Fact("/get_server_info", {"version": ("version",)}),
        Fact("/v1/models", {"model": ("data", 0, "id"),
                            "max_model_length": ("data", 0, "max_model_len")}),
    ),
    unused=(
        r"(?:backup|cuda_graph|decode|dp_(?:attention|cooperation)|encoder|eplb|estimated|evict|get_loads"
        r"|grammar|hicache|kv|load_back|lora_pool|mamba|max_running|max_total_num_tokens|new_token"
        r"|num_(?:bootstrap|decode|grammar|pages|paused|prefill|retract|so|streaming|transfer"
        r"|unique)|pending_prealloc|prealloc|prefetch|prefill|routing_key|scheduler|spec|startup"
        r"|storage|streaming_session|swa|weight).*"
        r"|cache_(?:hit_rate|config_info)|failed_session_recoveries_total"
        r"|forward_execution_seconds_total|full_token_usage|func_latency_seconds|fwd_occupancy"
        r"|engine_(?:startup|load_weights)_time|num_running_reqs_offline_batch"
        r"|gen_throughput|(?:generation|prompt|uncached_prompt)_tokens_histogram"
        r"|graph_memory_usage_gb|http_requests_(?:active|total)|is_cuda_graph|num_used_tokens"
        r"|page_size|process_cpu_seconds_total|utilization|total_retracted_reqs"
        r"|avg_request_queue_latency|max_prefill_tokens|new_seq|cached_token"
        r"|request_(?:prompt|generation)_tokens"
    ),
    unseen=frozenset({
        "requests_error", "requests_rejected", "requests_invalid", "http_responses",
        "time_per_output_token", "request_prefill", "input_tokens_cached",
        "prefix_cache_hit_tokens", "preemptions", "start_time",
    }),
)
