"""NVIDIA Dynamo's frontend, which stands in front of its workers.

From lib/llm/src/http/service/metrics.rs and the page of 1.6.1. Bodies that are no request at all
are in no count. Until 1.0 errors had no type and requests the model's name in lower case. Its first
versions had another prefix, which DYN_METRICS_PREFIX brings back for whoever has not moved on.
"""

from dataclasses import replace

from inferometer import catalogue as c
from inferometer.engines.labelled import ByLabel
from inferometer.engines.sources import Difference, Selector
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, RequestCounter

REQUESTS = "dynamo_frontend_requests_total"
OUTPUT = "dynamo_frontend_output_tokens_total"
OUTPUT_LENGTH = "dynamo_frontend_output_sequence_tokens"  # of requests that have ended

ENGINE = Engine(
    name="dynamo",
    title="Dynamo frontend",
    evidence="run",
    spelling=Spelling(
        "dynamo_frontend_", r"dynamo_frontend_", models=("model",),
        nameless=frozenset({"unknown_model"}),  # any that is not served
    ),
    signals={
        c.SERVER_TTFT: (Selector("dynamo_frontend_time_to_first_token_seconds"),),
        c.SERVER_ITL: (Selector("dynamo_frontend_inter_token_latency_seconds"),),
        # Failed ones too.
        c.SERVER_DURATION: (Selector("dynamo_frontend_request_duration_seconds"),),
        c.SERVER_INPUT: (
            Selector("dynamo_frontend_input_sequence_tokens", part="_sum", derived=True),
        ),
        c.SERVER_INPUT_CACHED: (
            Selector("dynamo_frontend_cached_tokens", part="_sum", derived=True),
        ),
        c.SERVER_OUTPUT: (Selector(OUTPUT), Selector(OUTPUT_LENGTH, part="_sum", derived=True)),
        c.SERVER_INPUT_LENGTH: (Selector("dynamo_frontend_input_sequence_tokens"),),
        c.SERVER_OUTPUT_LENGTH: (Selector(OUTPUT_LENGTH),),
        c.SERVER_MIGRATIONS: (Selector("dynamo_frontend_model_migration_total"),),
        # A queued request has no token yet, but may be in prefill: those that wait are unknown.
        # Requests in flight less the queued ones are being decoded.
        # Since 1.7 those that are active, less those in the stages before.
        c.SERVER_RUNNING: (
            Difference(Selector("dynamo_frontend_inflight_requests"),
                       Selector("dynamo_frontend_queued_requests")),
            Difference(Selector("dynamo_frontend_active_requests"),
                       Selector("dynamo_frontend_stage_requests")),
        ),
        c.SERVER_WAITING_WHY: (
            ByLabel({"queue": Selector("dynamo_frontend_router_queue_pending_requests")}),
        ),
        c.SERVER_PREFIX_QUERIES: (
            Selector("dynamo_frontend_input_sequence_tokens", part="_sum", derived=True),
        ),
        c.SERVER_PREFIX_HITS: (
            Selector("dynamo_frontend_cached_tokens", part="_sum", derived=True),
        ),
        # The KV cache of a model is that of its first worker alone: not taken.
        c.SERVER_MAX_LENGTH: (Selector("dynamo_frontend_model_context_length", combine=max),),
    },
    requests=(
        RequestCounter(Selector(REQUESTS, where={"status": ("success",)}),
                       otherwise=("success", "finished")),
        RequestCounter(
            Selector(REQUESTS, where={"status": ("error",)}),
            label="error_type",
            meaning={
                "validation": ("invalid", "validation"),
                "not_found": ("invalid", "not_found"),
                "overload": ("rejected", "overloaded"),  # 429 and 529
                "unavailable": ("error", "unavailable"),  # no worker can serve it
                "response_timeout": ("error", "timeout"),
                "internal": ("error", "engine_error"),
                "not_implemented": ("error", "http_5xx"),
                "cancelled": ("abort", "cancelled"),
            },
            otherwise=("error", "engine_error"),
            late=True,
            labelled=True,
        ),
    ),
    progress=(Selector(OUTPUT),),
    unused={
        "started, not ended": ("requests_started_total",),
        "in the count of all requests": (
            "failures_total", "model_rejection_total", "model_cancellation_total",
        ),
        "its view of its workers": (
            "model_total_kv_blocks", "model_max_num_seqs", "model_max_num_batched_tokens",
            "model_kv_cache_block_size", "model_ready",
            "worker_active_decode_blocks", "worker_active_prefill_tokens",
            "worker_last_time_to_first_token_seconds",
            "worker_last_input_sequence_tokens", "worker_last_inter_token_latency_seconds",
            "kv_worker_reused_tokens_total",
        ),
        "routing": (
            "kv_hit_rate", "kv_best_eligible_cached_prefix_tokens_total",
            "kv_selected_cached_prefix_tokens_total", "kv_transfer_estimated_latency_seconds",
            "shared_cache_hit_rate", "shared_cache_beyond_blocks",
            "non_max_overlap_selections_total", "overlap_blocks_lost", "model_migration_limit",
            "model_migration_duration_seconds", "model_migration_max_seq_len_exceeded_total",
        ),
        "adapters of its workers": (
            "lora_replica_factor", "lora_is_active", "lora_raw_arrival_count",
            "lora_estimated_load", "lora_active_requests", "lora_churn_loads_total",
            "lora_churn_unloads_total", "lora_overflow_count",
        ),
        "images, video and sound": (
            "images_per_request", "videos_per_request", "audio_per_request",
            "image_tokens_per_request",
        ),
        "embeddings alone": ("embedding_latency_seconds",),
        "debugging": (
            "disconnected_clients", "stage_duration_seconds", "template_seconds",
            "tokenize_seconds", "tokenizer_latency_ms", "tokenizer_cache_hits_total",
            "tokenizer_cache_misses_total", "tokenizer_cache_cached_tokens_total",
            "tokenizer_cache_uncached_tokens_total", "detokenize_total_us",
            "detokenize_token_count", "event_loop_delay_seconds", "event_loop_stall_total",
        ),
    },
    unseen=frozenset({"migrations", "requests_waiting_by_reason"}),
)
FORMER = replace(
    ENGINE,
    spelling=replace(ENGINE.spelling, pattern=r"nv_llm_http_service_"),
    requests=(*ENGINE.requests, RequestCounter(
        Selector(REQUESTS, where={"status": ("error",)}), otherwise=("error", "engine_error"),
        late=True, unlabelled="error_type",
    )),
)
