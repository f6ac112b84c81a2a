"""SGLang's router, now the Shepherd Model Gateway, which stands in front of its workers.

From sgl-model-gateway's metrics.rs; sglang-router 0.3.2 and smg 1.13.0 were run. The durations of
what is streamed end with the head of the response: none is taken. Until responses had a path
(0.3), those to health checks cannot be told apart. A request for several answers is one response.
"""

from inferometer import catalogue as c
from inferometer.engines.sources import Selector, Total
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, Http, RequestCounter

RESPONSES = "smg_http_responses_total"
INFERENCE = (
    "/generate", "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages",
    "/v1/embeddings", "/v1/classify", "/v1/rerank", "/rerank", "/v1/score",
    "/v1/audio/transcriptions",
)
OWN = {"backend_type": ("regular",)}  # split over workers, the clock starts at the second
QUEUES = (
    Selector("smg_scheduler_queue_depth"), Selector("smg_pd_prefill_admission_queued"),
)
INVALID = ("400", "401", "403", "404", "405", "408", "409", "413", "415", "422")
MEANING = {
    "200": ("success", "finished"),
    "429": ("rejected", "http_429"),
    "499": ("abort", "cancelled"),
    **dict.fromkeys(INVALID, ("invalid", "http_4xx")),
    **dict.fromkeys(("500", "501", "502", "504"), ("error", "http_5xx")),
}

ENGINE = Engine(
    name="sglang_router",
    title="SGLang router",
    evidence="run",
    spelling=Spelling(
        "smg_", r"smg_", models=("model",), nameless=frozenset({"unknown", "other"})),
    signals={
        # Both with gRPC workers alone, and of what is streamed.
        c.SERVER_TTFT: (
            Selector("smg_router_ttft_seconds", where=OWN), Selector("smg_pd_ttft_seconds"),
        ),
        c.SERVER_TPOT: (Selector("smg_router_tpot_seconds", where=OWN),),
        c.SERVER_MM_QUERIES: (
            Total((Selector("smg_mm_pixel_cache_hits_total"),
                   Selector("smg_mm_pixel_cache_misses_total"))),
        ),
        c.SERVER_MM_HITS: (Selector("smg_mm_pixel_cache_hits_total"),),
        # At the router: for admission, by class with the priority scheduler in its place, and for
        # a prefill worker. What it has sent on waits for its worker or is worked on by it.
        c.SERVER_WAITING: (
            Total((Selector("smg_admission_queue_depth"),), more=QUEUES),
            Total(QUEUES[:1], more=QUEUES[1:]),
            *QUEUES[1:],
        ),
    },
    requests=(
        RequestCounter(
            Selector(RESPONSES, where={"path": INFERENCE, "status_code": tuple(MEANING)}),
            label="status_code",
            meaning=MEANING,
            otherwise=("error", "http_5xx"),
            late=True,
        ),
        RequestCounter(
            Selector(RESPONSES, where={"path": INFERENCE, "status_code": ("503",)}),
            label="error_code",
            meaning=dict.fromkeys(
                (f"{where}_queue_timeout" for where in ("admission", "selection", "scheduler")),
                ("rejected", "queue_timeout")),
            otherwise=("error", "unavailable"),
            late=True,
        ),
    ),
    http=Http(RESPONSES, code="status_code", handler="path", endings=()),
    unused={
        "of its workers, which their own pages tell": (
            "engine_cache_hit_rate", "engine_gen_throughput", "engine_load_polls_total",
            "engine_pd_decode_queue_reqs", "engine_pd_kv_transfer_latency_ms",
            "engine_pd_kv_transfer_speed_gb_s", "engine_pd_prefill_queue_reqs",
            "engine_running_requests", "engine_token_usage", "engine_waiting_requests",
            "worker_requests_active", "worker_requests_total", "worker_connections_active",
            "worker_errors_total", "worker_health", "worker_health_checks_total", "worker_http2",
            "worker_pool_size", "worker_routing_keys_active", "worker_stalled",
            "worker_stall_transitions_total", "workers_overloaded",
        ),
        "of how it chooses and spares its workers": (
            "worker_selection_total", "worker_cb_state", "worker_cb_outcomes_total",
            "worker_cb_transitions_total", "worker_cb_consecutive_failures",
            "worker_cb_consecutive_successes", "worker_cb_health_readmissions_total",
            "worker_retries_total", "worker_retries_exhausted_total",
            "worker_retry_backoff_seconds", "worker_liveness_fallback_total",
            "worker_overload_fallback_total", "worker_overload_shed_total",
            "policy_inflight_reconciled_total", "manual_policy_branch_total",
            "manual_policy_cache_entries", "consistent_hashing_policy_branch_total",
            "prefix_hash_policy_branch_total", "cache_aware_policy_branch_total",
            "cache_aware_match_ratio", "cache_placement_entries", "cache_tree_chars",
            "cache_tree_tenants", "cache_tree_tokens", "routing_key_source_total",
            "kv_event_apply_seconds", "kv_event_batches_total", "kv_event_blocks_total",
            "kv_event_degraded_ranks", "kv_event_gaps_total", "kv_event_lag_seconds",
            "kv_event_missed_batches_total", "kv_event_parentless_blocks_total",
            "kv_event_parentless_stores_total", "kv_event_resyncs_total",
            "kv_event_stream_errors_total", "kv_event_subscription_failures_total",
            "kv_event_subscriptions_total", "kv_index_arena_bytes", "kv_index_arena_free_bytes",
            "kv_index_blocks", "kv_index_blocks_live", "kv_index_engine_conflicts",
            "kv_index_entries", "kv_index_lookup_seconds", "kv_index_memberships",
            "kv_index_moved_hashes", "kv_index_runs_live", "kv_index_slab_bytes",
        ),
        "ends with the head of a stream": (
            "http_request_duration_seconds", "router_request_duration_seconds",
            "router_generation_duration_seconds", "router_stage_duration_seconds",
        ),
        "of what is streamed alone": ("router_tokens_total",),
        "in a family taken, counted another way": (
            "http_requests_total", "http_connections_active", "http_connection_timeouts_total",
            "http_inflight_request_age_count", "http_rate_limit_total", "router_requests_total",
            "router_request_errors_total", "router_request_body_path_total",
            "router_request_buffers_released_early_bytes_total",
            "router_upstream_responses_total", "router_upstream_send_retries_total",
            "admission_inflight", "admission_queue_rejected_total", "scheduler_inflight",
        ),
        "of split workers, one half at a time": (
            "pd_prefill_duration_seconds", "pd_decode_ttft_seconds",
            "pd_kv_transfer_duration_seconds", "pd_kv_transfer_failures_total",
            "pd_kv_connector_mode_total", "pd_bootstrap_failures_total",
            "pd_rendezvous_failures_total", "pd_admission_sheds_total",
            "pd_admission_waits_total", "pd_admission_window", "pd_prefill_admission_inflight",
            "pd_prefill_admission_rejections_total", "pd_prefill_admission_wait_seconds",
        ),
        "of its scheduler's classes": (
            "scheduler_admit_total", "scheduler_clamp_total", "scheduler_class_capacity_pressure",
            "scheduler_preemption_total", "scheduler_queue_size_limit",
            "scheduler_queue_wait_seconds", "scheduler_starvation_promotion_total",
            "scheduler_unknown_priority_value_total", "scheduler_utilization",
        ),
        "of its own process": (
            "allocator_active_bytes", "allocator_allocated_bytes", "allocator_metadata_bytes",
            "allocator_resident_bytes", "tokio_alive_tasks", "tokio_event_loop_delay_seconds",
            "tokio_event_loop_stalls_total", "tokio_global_queue_depth",
            "tokio_worker_busy_ratio", "tokio_worker_parks_total", "tokio_workers",
            "log_dropped_lines",
        ),
        "of tokenizers, tools and stores beside the requests": (
            "tokenizer_cache_evictions_total", "tokenizer_cache_lookups_total",
            "tokenizer_cache_reused_bytes_total", "tokenizer_encode_fallbacks_total",
            "tokenizer_encode_path_loads_total", "detokenize_prefix_mismatch_total",
            "mcp_servers_active", "mcp_tool_calls_total", "mcp_tool_duration_seconds",
            "mcp_tool_iterations_total", "db_connections_active", "db_items_stored",
            "db_operation_duration_seconds", "db_operations_total", "history_memory_records",
            "responses_not_stored_total", "responses_stream_failures_total",
            "mm_pixel_cache_bytes", "mm_pixel_cache_entries", "mm_pixel_cache_evictions_total",
            "mm_processing_total", "mm_shm_write_failures_total", "mm_tensor_bytes_total",
            "mm_tensors_total", "rl_control_call_duration_seconds", "rl_control_calls_total",
            "rl_fanout_duration_seconds", "rl_fanout_total", "discovery_deregistrations_total",
            "discovery_registrations_total", "discovery_snapshot_errors_total",
            "discovery_sync_duration_seconds", "discovery_workers_discovered",
        ),
    },
    unseen=frozenset({
        "time_to_first_token", "time_per_output_token", "multimodal_cache_queries",
        "multimodal_cache_hits",
    }),
)
