"""TensorRT-LLM: trtllm-serve with `return_perf_metrics`, and Dynamo's worker of it.

From tensorrt_llm/metrics/collector.py and perf_utils.py: five families without a prefix in 1.1,
and the `trtllm_` set since, whose gauges need `enable_iter_perf_stats` and move only when a request
ends: nothing tells whether it makes progress. Requests that fail are in no count. Dynamo's worker
adds families of its own (dynamo/trtllm/metrics.py, 1.6.1).

Each answer to a request for several is counted as a request, and the page does not tell
(serve/openai_server.py, _extract_metrics): their tokens are in no count of output (perf_utils.py).
"""

from dataclasses import replace

from inferometer import catalogue as c
from inferometer.engines.labelled import ByLabel, by_position
from inferometer.engines.sources import Product, Quotient, Selector
from inferometer.engines.spelling import Spelling, exactly
from inferometer.engines.table import Engine, InfoDocument, Marks, RequestCounter

REASON = "finished_reason"
TIERS = {"device": "gpu", "host": "host", "disk": "disk"}
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
        c.SERVER_RUNNING: (
            Selector("trtllm_num_requests_running"), Selector("trtllm_num_active_requests"),
        ),
        # All that the executor holds and has not begun: there is no other queue on the page.
        c.SERVER_WAITING: (
            Selector("trtllm_num_requests_waiting"), Selector("trtllm_server_queue_length"),
        ),
        c.SERVER_KV_USAGE: (
            Selector("trtllm_kv_cache_utilization", combine=max),
            Quotient(Selector("trtllm_kv_cache_used_blocks", combine=max),
                     Selector("trtllm_kv_cache_max_blocks", combine=max)),
        ),
        c.SERVER_KV_CAPACITY: (
            Product(Selector("trtllm_kv_cache_max_blocks", combine=max),
                    Selector("trtllm_kv_cache_tokens_per_block", combine=max)),
        ),
        # Reused and missed blocks are counted too, but whole blocks only, and not as tokens.
        c.SERVER_PREFIX_QUERIES: (Selector("trtllm_prompt_tokens_total", derived=True),),
        c.SERVER_PREFIX_HITS: (Selector("trtllm_prompt_cached_tokens_total", derived=True),),
        c.SERVER_TIER_HITS: (ByLabel({
            tier: Selector("trtllm_prompt_cache_hit_tokens_total", where={"cache_tier": (name,)})
            for tier, name in TIERS.items()
        }),),
        c.SERVER_KV_OFFLOAD_USAGE: (
            Selector("trtllm_kv_cache_host_utilization", combine=max),
        ),
        # From another worker: as Dynamo times it, on the side that receives.
        c.SERVER_KV_MOVED_BYTES: (ByLabel({
            "store": Selector("trtllm_kv_cache_offload_bytes_total"),
            "load": Selector("trtllm_kv_cache_onboard_bytes_total"),
            "receive": Selector("trtllm_kv_transfer_bytes", part="_sum", derived=True),
        }),),
        c.SERVER_KV_MOVED_SECONDS: (ByLabel({
            "receive": Selector("trtllm_kv_transfer_latency_seconds", part="_sum", derived=True),
        }),),
        # A draft has a first token. By position tokens are counted when a request ends.
        c.SERVER_DRAFTS: (
            Selector("trtllm_spec_decode_drafted_tokens_total",
                     where={"token_position": ("0",)}, derived=True),
        ),
        c.SERVER_DRAFT: (Selector("trtllm_spec_decode_num_draft_tokens_total"),),
        c.SERVER_ACCEPTED: (Selector("trtllm_spec_decode_num_accepted_tokens_total"),),
        c.SERVER_ACCEPTED_AT: (
            by_position("trtllm_spec_decode_accepted_tokens_total", "token_position"),
        ),
        c.SERVER_ACCEPT_LENGTH: (
            Selector("trtllm_spec_decode_acceptance_length", combine=max),
        ),
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
    unused={
        "in a family taken, counted another way": (
            "request_inference_time_seconds", "num_requests_completed_total",
            "num_context_requests", "num_generation_requests", "num_scheduled_requests",
            "prefill_num_context_requests", "kv_cache_free_blocks", "prompt_cached_tokens",
            "prompt_cached_tokens_per_request", "kv_transfer_speed_gb_s",
            "kv_transfer_success_total",
        ),
        "whole blocks, where tokens are told": (
            "kv_cache_reused_blocks_total", "kv_cache_missed_blocks_total",
            "kv_cache_iter_reused_blocks_total", "kv_cache_iter_full_reused_blocks_total",
            "kv_cache_iter_partial_reused_blocks_total", "kv_cache_iter_missed_blocks_total",
            "kv_cache_gen_alloc_blocks_total", "kv_cache_disk_prefetch_blocks_total",
            "kv_cache_intra_device_copy_bytes_total",
        ),
        "of the last step only": (
            "num_paused_requests", "iteration_latency_seconds", "avg_decoded_tokens_per_iter",
            "total_context_tokens", "kv_cache_hit_rate", "kv_cache_iter_reuse_rate",
            "scheduled_batch_size", "prefill_batch_occupancy", "prefill_batch_tokens",
            "spec_decode_draft_overhead",
        ),
        "a setting": (
            "max_num_active_requests", "max_batch_size_static", "max_batch_size_runtime",
            "max_num_tokens_runtime", "parallel_config_info", "speculative_config_info",
            "kv_cache_config_info", "kv_event_buffer_capacity",
        ),
        "of memory, which the GPU's own readings tell": (
            "gpu_memory_usage_bytes", "cpu_memory_usage_bytes", "pinned_memory_usage_bytes",
        ),
        "of what requests ask for": (
            "request_type_image_total", "request_type_structured_output_total",
            "prefill_perplexity", "generation_perplexity",
        ),
        "never counted": ("num_aborted_requests_total",),
        "of Dynamo's events about blocks": (
            "kv_event_drain_batch_size", "kv_event_id_gap_events_total",
        ),
    },
    unseen=frozenset({
        "requests_error", "requests_invalid", "requests_abort", "request_prefill", "request_decode",
        "input_tokens", "input_tokens_cached", "output_tokens", "requests_running",
        "requests_waiting", "kv_cache_usage", "kv_cache_capacity_tokens",
        "prefix_cache_query_tokens", "prefix_cache_hit_tokens", "cache_tier_hit_tokens",
        "kv_offload_usage", "kv_moved_bytes", "kv_moved", "spec_decode_drafts",
        "spec_decode_draft_tokens", "spec_decode_accepted_tokens", "spec_decode_accepted_at_tokens",
        "spec_decode_accepted_length_tokens", "max_model_length_tokens",
    }),
)
FORMER = replace(
    ENGINE,
    spelling=replace(ENGINE.spelling, pattern=exactly(UNPREFIXED)),
    marks=Marks(all_of=tuple(f"trtllm_{name}" for name in UNPREFIXED)),
)
