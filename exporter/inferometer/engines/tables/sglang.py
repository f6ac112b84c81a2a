"""SGLang, with colons and with underscores, alone and in Dynamo's worker.

From sglang/srt/observability/metrics_collector.py (0.5.23) and its forerunners back to 0.3.5; the
servers that only encode images from sglang/srt/disaggregation/encoder/ and those of diffusion
models from sglang/multimodal_gen/runtime/observability/metrics.py (0.5.23).

A request for n answers is counted n + 1 times, and the page does not tell: one more puts the
prompt into the cache first (managers/tokenizer_manager.py, _handle_batch_request).
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace

from inferometer import catalogue as c
from inferometer.engines.labelled import ByLabel, by_values
from inferometer.engines.sources import (
    Difference,
    Facet,
    Product,
    Quotient,
    ReadSignal,
    Selector,
    Total,
)
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, Http, InfoDocument, RequestCounter
from inferometer.engines.view import View

NO_PRIORITY = {"priority": ("",)}
NO_WARMUP = {"is_warmup": ("false",)}
SINCE_0_4_10 = tuple(f"sglang:{name}" for name in (  # when it began to count what it aborted
    "http_requests_active", "spec_accept_rate", "num_retracted_reqs",
    "num_retracted_requests_total", "total_retracted_reqs", "num_paused_reqs",
    "queue_time_seconds", "per_stage_req_latency_seconds", "realtime_tokens_total",
    "full_token_usage", "swa_token_usage", "mamba_usage", "max_total_num_tokens", "context_len",
))
STORES = (  # until 0.5.15 the source had the name of the store's class
    "storage", *(f"storage_{name}" for name in (
        "HiCacheFile", "HiCacheHF3FS", "HiCacheNixl", "HiCacheSiMM", "MooncakeStore",
        "AibrixKVCacheStorage", "EICStorage", "UMBPStore", "LMCache",
    )),
)
MEBIBYTE = 1024.0**2  # of which its megabytes are


@dataclass(frozen=True)
class Shards(Selector):
    """A counter of which each process has its own part: what are copies else is added up here."""

    def bind(self, view: View, facet: Facet) -> ReadSignal:
        """How to read the sum of all parts."""
        summed = copy(view)
        summed.spelling = replace(view.spelling, copies=frozenset())
        return super().bind(summed, facet)


def queue(name: str) -> Selector:
    """A gauge of requests, whose sum stands under an empty priority beside its parts."""
    return Selector(f"sglang:num_{name}_reqs", where=NO_PRIORITY)


def mean(name: str) -> Selector:
    """A mean of the last steps with a draft, which is 0 where there are no drafts."""
    return Selector(f"sglang:{name}", combine=lambda means: max(means) or None)


ENGINE = Engine(
    name="sglang",
    title="SGLang",
    evidence="captured",
    spelling=Spelling(
        "sglang:", r"sglang[:_]", models=("model_name", "name"), rank="dp_rank",
        copies=frozenset({"tp_rank", "pp_rank", "moe_ep_rank", "attn_cp_rank"}),
    ),
    signals={
        c.SERVER_TTFT: (Selector("sglang:time_to_first_token_seconds"),),
        c.SERVER_TPOT: (Selector("sglang:request_time_per_output_token_seconds"),),
        # 0.3 has one value per token under a name that promises one per request; 0.4 has the
        # summed duration by tokens there, which is neither, and a model_name label.
        c.SERVER_ITL: (
            Selector("sglang:inter_token_latency_seconds"),
            Selector("sglang:time_per_output_token_seconds", where={"model_name": ("",)}),
        ),
        c.SERVER_DURATION: (
            Selector("sglang:e2e_request_latency_seconds"),
            Selector("sglang:encoder_request_e2e_latency_seconds"),
            Selector("sglang:diffusion_request_latency_seconds", where=NO_WARMUP),
        ),
        c.SERVER_QUEUE: (
            Selector("sglang:queue_time_seconds"),
            Selector("sglang:waiting_request_latency_seconds"),
            Selector("sglang:encoder_queue_wait_seconds"),
            Selector("sglang:diffusion_queue_time_seconds", where=NO_WARMUP),
        ),
        c.SERVER_PREFILL: (
            Selector("sglang:per_stage_req_latency_seconds", where={"stage": ("prefill_forward",)}),
        ),
        c.SERVER_INPUT_LENGTH: (
            Selector("sglang:prompt_tokens_histogram"),
            Selector("sglang:request_prompt_tokens"),
        ),
        c.SERVER_OUTPUT_LENGTH: (
            Selector("sglang:generation_tokens_histogram"),
            Selector("sglang:request_generation_tokens"),
        ),
        c.SERVER_INPUT: (Selector("sglang:prompt_tokens_total"),),
        # Since 0.5.10 by source; `total` is a source like the others, for requests without one.
        c.SERVER_INPUT_CACHED: (Selector("sglang:cached_tokens_total"),),
        c.SERVER_OUTPUT: (Selector("sglang:generation_tokens_total"),),
        # With priority scheduling the sum stands beside its parts, under an empty priority.
        # A prefill worker still has those whose cache is on its way.
        c.SERVER_RUNNING: (
            Total((queue("running"),),
                  more=(queue("prefill_inflight_queue"), queue("prefill_infight_queue"))),
            Selector("sglang:num_running_reqs"),
            Selector("sglang:num_requests_running"),
            Selector("sglang:diffusion_num_running_reqs"),
        ),
        # Every queue there is: for a grammar, for a partner (prefill; until 0.5.10 called
        # prefill_prealloc), for memory and for the cache that is on its way (decode; in
        # num_decode_host_receive_queue_reqs stand some of these once more).
        c.SERVER_WAITING: (
            Total((queue("queue"),), more=(
                queue("grammar_queue"), queue("prefill_bootstrap_queue"),
                queue("prefill_prealloc_queue"), queue("decode_prealloc_queue"),
                queue("decode_transfer_queue"))),
            Selector("sglang:num_queue_reqs"),
            Selector("sglang:num_requests_waiting"),
            Selector("sglang:queue_req"),
            Selector("sglang:diffusion_num_queue_reqs"),
        ),
        c.SERVER_WAITING_WHY: (ByLabel({
            "queue": queue("queue"),
            "grammar": queue("grammar_queue"),
            "bootstrap": queue("prefill_bootstrap_queue"),
            "prealloc": Total((queue("decode_prealloc_queue"),),
                              more=(queue("prefill_prealloc_queue"),)),
            "transfer": queue("decode_transfer_queue"),
        }),),
        c.SERVER_KV_USAGE: (
            Selector("sglang:token_usage", combine=max),
            Selector("sglang:full_token_usage", combine=max),
            *(Quotient(Selector(f"sglang:{used}", combine=max),
                       Selector("sglang:max_total_num_tokens", combine=max))
              for used in ("kv_used_tokens", "num_used_tokens")),
        ),
        c.SERVER_KV_CAPACITY: (
            Selector("sglang:max_total_num_tokens", combine=max),
            Product(Selector("sglang:num_pages", combine=max),
                    Selector("sglang:page_size", combine=max)),
            Product(Selector("sglang:cache_config_info", label="num_pages", combine=max),
                    Selector("sglang:cache_config_info", label="page_size", combine=max)),
        ),
        # Not cache_hit_rate, which is that of the last prefill batch only.
        c.SERVER_PREFIX_QUERIES: (Selector("sglang:prompt_tokens_total", derived=True),),
        c.SERVER_PREFIX_HITS: (Selector("sglang:cached_tokens_total", derived=True),),
        c.SERVER_EXTERNAL_HITS: (Selector("sglang:storage_prefetch_hit_tokens_total"),),
        c.SERVER_TIER_HITS: (
            by_values("sglang:cached_tokens_total", "cache_source", {
                "device": ("device",), "host": ("host",), "external": STORES}),
        ),
        # On the pages of servers that only encode.
        c.SERVER_MM_QUERIES: (Selector("sglang:encoder_cache_total_files_total"),),
        c.SERVER_MM_HITS: (Selector("sglang:encoder_cache_hit_files_total"),),
        c.SERVER_KV_OFFLOAD_USAGE: (
            Quotient(Selector("sglang:hicache_host_used_tokens", combine=max),
                     Selector("sglang:hicache_host_total_tokens", combine=max)),
            Quotient(Selector("sglang:hicache_host_mamba_used_states", combine=max),
                     Selector("sglang:hicache_host_mamba_total_states", combine=max)),
        ),
        # To and from the host's memory, and from a prefill worker to its partner: since 0.5.15 as
        # histograms, before as gauges of the last one, which are not taken.
        c.SERVER_KV_MOVED_BYTES: (ByLabel({
            "store": Shards("sglang:hicache_backup_bytes_total"),
            "load": Shards("sglang:load_back_bytes_total"),
            "send": Shards("sglang:kv_transfer_total_mb", part="_sum", scale=MEBIBYTE,
                           derived=True),
        }),),
        c.SERVER_KV_MOVED_SECONDS: (ByLabel({
            "store": Shards("sglang:hicache_backup_duration_seconds", part="_sum", derived=True),
            "load": Shards("sglang:load_back_duration_seconds", part="_sum", derived=True),
            "send": Shards("sglang:kv_transfer_latency_ms", part="_sum", scale=0.001,
                           derived=True),
        }),),
        # Each process counts the request that failed: here they are copies.
        c.SERVER_KV_MOVE_FAILURES: (ByLabel({
            movement: Selector("sglang:num_transfer_failed_reqs_total",
                               where={"engine_type": (role,)})
            for movement, role in (("send", "prefill"), ("receive", "decode"))
        }),),
        c.SERVER_PREEMPTIONS: (
            Selector("sglang:num_retracted_requests_total"),
            Selector("sglang:num_retractions", part="_sum", derived=True),
        ),
        c.SERVER_DRAFTS: (Selector("sglang:spec_verify_calls_total"),),
        # A length of 1 is that of drafts of which nothing is taken; a share of 0 is not said.
        c.SERVER_ACCEPT_LENGTH: (mean("spec_accept_length"),),
        c.SERVER_ACCEPT_RATIO: (mean("spec_accept_rate"),),
        c.SERVER_LORA_RUNNING: (
            Selector("sglang:lora_pool_slots_used", combine=max),
            Product(Selector("sglang:lora_pool_utilization", combine=max),
                    Selector("sglang:lora_pool_slots_total", combine=max)),
        ),
        c.SERVER_LORA_MAX: (Selector("sglang:lora_pool_slots_total", combine=max),),
        c.SERVER_FLOPS: (Selector("sglang:estimated_flops_per_gpu_total"),),
        c.SERVER_MEMORY_MOVED: (ByLabel({
            way: Selector(f"sglang:estimated_{way}_bytes_per_gpu_total")
            for way in ("read", "write")
        }),),
        c.SERVER_MAX_LENGTH: (Selector("sglang:context_len", combine=max),),
    },
    requests=(
        RequestCounter(Selector("sglang:num_aborted_requests_total"), otherwise=("abort", "abort"),
                       late=True, since=SINCE_0_4_10),
        *(RequestCounter(selector, label="status", meaning={"success": ("success", "finished")},
                         otherwise=("error", "engine_error"))
          for selector in (Selector("sglang:encoder_requests_total"),
                           Selector("sglang:diffusion_requests_total", where=NO_WARMUP))),
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
        explained={"http_5xx": ("error",)},
    ),
    # Token counters move when a request ends; only this one is live.
    progress=(Selector("sglang:realtime_tokens_total"),),
    documents=(
        InfoDocument("/get_server_info", {"version": ("version",)}),
        InfoDocument("/v1/models", {"model": ("data", 0, "id"),
                                    "max_model_length": ("data", 0, "max_model_len")}),
    ),
    unused={
        "of the last batch or interval only": (
            "cache_hit_rate", "cached_token", "new_seq", "new_token", "gen_throughput",
            "avg_request_queue_latency", "num_retracted_reqs", "num_paused_reqs", "is_cuda_graph",
            "decode_sum_seq_lens", "fwd_occupancy", "weight_load_duration_seconds",
        ),
        "a setting": (
            "max_running_requests", "max_running_requests_under_SLO", "max_prefill_tokens",
            "spec_num_steps", "spec_num_draft_tokens",
        ),
        "of one pool, the fullest of which is told": (
            "swa_token_usage", "mamba_usage", "swa_available_tokens", "swa_evictable_tokens",
            "swa_used_tokens", "mamba_available_tokens", "mamba_evictable_tokens",
            "mamba_used_tokens", "max_total_num_tokens_swa", "kv_available_tokens",
            "kv_evictable_tokens",
        ),
        "of the start only": (
            "startup_time_seconds", "startup_cuda_graph_time_seconds",
            "startup_latency_breakdown_seconds_max", "startup_available_gpu_memory_gb",
            "engine_startup_time", "engine_load_weights_time", "weight_memory_usage_gb",
            "kv_cache_memory_usage_gb", "graph_memory_usage_gb",
        ),
        "in a family taken, counted another way": (
            "prefill_effective_tokens_total", "uncached_prompt_tokens_histogram",
            "dp_cooperation_realtime_tokens_total", "total_retracted_reqs",
            "num_retracted_input_tokens_total", "num_retracted_output_tokens_total",
            "num_running_reqs_offline_batch", "num_decode_host_receive_queue_reqs",
            "num_decode_host_receive_reqs_total", "http_requests_total", "http_requests_active",
            "kv_transfer_speed_gb_s", "prefetch_bandwidth", "backup_bandwidth",
            "encoder_cache_hit_tokens_total", "encoder_cache_total_tokens_total",
            "encoder_requests_received_total", "diffusion_generation_batch_size",
        ),
        "tokens of a tier's moves, whose bytes are told": (
            "evicted_tokens_total", "load_back_tokens_total", "hicache_backup_tokens_total",
            "hicache_dropped_tokens_total", "hicache_backup_dropped_tokens_total",
            "hicache_prefetch_aux_alloc_failed_tokens_total", "backuped_tokens_total",
            "prefetched_tokens_total", "storage_prefetch_unfulfilled_tokens_total",
            "storage_prefetch_deferred_tokens_total", "prefetch_pgs", "backup_pgs",
            "eviction_duration_seconds",
        ),
        "before the cache is on its way": (
            "num_bootstrap_failed_reqs_total", "num_prefill_retries_total",
            "kv_transfer_bootstrap_ms", "kv_transfer_alloc_ms", "pending_prealloc_token_usage",
            "prealloc_full_token_usage", "prealloc_swa_token_usage",
            "failed_session_recoveries_total",
        ),
        "of requests that failed already": (
            "num_decode_deferred_kv_release_reqs", "decode_deferred_kv_release_seconds",
            "decode_deferred_kv_release_total",
        ),
        "of one way to decide how much to draft": (
            "spec_cap_length", "spec_block_accept_length",
        ),
        "of constrained output alone": (
            "num_so_requests_total", "num_grammar_total", "num_grammar_cache_hit_total",
            "num_grammar_aborted_total", "num_grammar_timeout_total",
            "grammar_compilation_time_seconds", "grammar_schema_count", "grammar_ebnf_size",
            "grammar_tree_traversal_time_avg", "grammar_tree_traversal_time_max",
        ),
        "of sessions and routing keys": (
            "num_streaming_sessions", "streaming_session_held_tokens",
            "num_unique_running_routing_keys", "routing_key_running_req_count",
            "routing_key_all_req_count", "routing_keys_active",
        ),
        "of ranks and experts among themselves": (
            "dp_attention_pairs_total", "dp_attention_steps_total",
            "dp_attention_sync_wait_seconds", "dp_attention_token_imbalance_ratio",
            "dp_attention_tokens_total", "dp_cooperation_forward_execution_seconds_total",
            "dp_cooperation_gpu_execution_seconds_total", "eplb_balancedness",
            "eplb_gpu_physical_count", "encoder_dp_pending_requests",
        ),
        "of the scheduler's inner life": (
            "new_token_ratio", "utilization", "cuda_graph_passes_total",
            "forward_execution_seconds_total", "gpu_execution_seconds_total",
            "gpu_overlap_wait_seconds_total", "scheduler_idle_seconds_total",
            "scheduler_process_cpu_seconds_total", "scheduler_stage_seconds_total",
            "prefill_delayer_outcomes_total", "prefill_delayer_wait_forward_passes",
            "prefill_delayer_wait_seconds", "func_latency_seconds", "get_loads_duration_seconds",
            "process_cpu_seconds_total",
        ),
        "of one stage of a server that only encodes": (
            "encoder_cache_entries", "encoder_cache_evictions_total", "encoder_cache_size_mb",
            "encoder_mm_items_per_batch", "encoder_mm_items_per_request",
            "encoder_model_forward_seconds", "encoder_preprocess_seconds",
            "encoder_transfer_seconds",
        ),
        "of adapters and stages of diffusion": (
            "diffusion_lora_active_adapters", "diffusion_lora_active_modules",
            "diffusion_lora_loaded_adapters", "diffusion_lora_module_active",
            "diffusion_stage_host_latency_seconds",
        ),
    },
    unseen=frozenset({
        "requests_error", "requests_rejected", "requests_invalid", "http_responses",
        "time_per_output_token", "request_prefill", "input_tokens_cached",
        "prefix_cache_hit_tokens", "external_cache_hit_tokens", "cache_tier_hit_tokens",
        "multimodal_cache_queries", "multimodal_cache_hits", "kv_offload_usage", "kv_moved_bytes",
        "kv_moved", "kv_move_failures", "spec_decode_drafts", "spec_decode_accepted_length_tokens",
        "spec_decode_accepted", "lora_adapters_running", "lora_adapters_max", "estimated_gpu_flops",
        "estimated_gpu_memory_bytes",
    }),
)
