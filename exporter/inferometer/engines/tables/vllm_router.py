"""vLLM's router in Rust (vllm-project/router), which stands in front of its engines.

From src/metrics.rs and src/routers/http/router.rs; 0.1.17 was run. A request is counted once its
response was good, of what is streamed the head of it; one whose last try failed too is in the
exhausted retries, even where there are none. Durations end with the head of what is streamed: not
taken. Requests that its own queue turns away are in no count.
"""

from inferometer.engines.sources import Selector
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, Marks, RequestCounter

ENGINE = Engine(
    name="vllm_router",
    title="vLLM router",
    evidence="run",
    spelling=Spelling("vllm_router_", r"vllm_router_"),
    marks=Marks(any_of=(
        "vllm_router_active_workers", "vllm_router_worker_health", "vllm_router_requests_total",
    )),
    signals={},
    requests=(
        RequestCounter(Selector("vllm_router_requests_total"), otherwise=("success", "finished"),
                       late=True),
        RequestCounter(Selector("vllm_router_retries_exhausted_total"),
                       otherwise=("error", "unavailable"), late=True),
        RequestCounter(
            Selector("vllm_router_request_errors_total",
                     where={"error_type": ("non_retryable_error",)}),
            otherwise=("invalid", "http_4xx"),
            late=True,
        ),
    ),
    unused={
        "its view of its engines": (
            "active_workers", "worker_health", "worker_load", "running_requests", "max_load",
            "min_load", "processed_requests_total", "cb_state", "cb_state_transitions_total",
            "cb_outcomes_total", "kv_placement_lookups_total",
        ),
        "ends with the head of the response": (
            "request_duration_seconds", "generate_duration_seconds",
            "embeddings_duration_seconds", "pd_request_duration_seconds",
        ),
        "in the count of all requests": (
            "embeddings_total", "embeddings_errors_total", "embeddings_queue_size",
        ),
        "tries": ("retries_total", "retry_backoff_duration_seconds"),
        "routing": (
            "policy_decisions_total", "prefix_routing_decisions_total",
            "kv_routing_inputs_total", "load_balancing_events_total", "cache_hits_total",
            "cache_misses_total", "tree_size",
        ),
        "service discovery": (
            "discovery_updates_total", "discovery_workers_added", "discovery_workers_removed",
        ),
        "prefill and decode apart": (
            "pd_requests_total", "pd_errors_total", "pd_prefill_requests_total",
            "pd_decode_requests_total", "pd_prefill_errors_total", "pd_decode_errors_total",
            "pd_stream_errors_total", "pd_prefill_decisions_total",
            "pd_affinity_decisions_total", "pd_body_over_limit_total",
            "pd_active_prefill_tokens", "pd_unknown_prefill_requests",
            "pd_pending_decode_requests", "pd_active_decode_requests",
            "pd_decode_pending_seconds", "pd_kv_prepare_seconds", "pd_new_prefill_tokens",
            "pd_credited_prefix_tokens_total",
        ),
        "scheduling of programs": (
            "agent_aware_rank_queue_size", "agent_aware_rank_active_programs",
            "agent_aware_transitions_total", "agent_aware_queue_wait_seconds",
            "agent_aware_fitted_ttl_seconds", "agent_aware_context_growth_tokens",
            "agent_aware_privileged_programs", "agent_aware_rolling_samples",
            "agent_aware_token_estimate_coefficient",
            "agent_aware_token_estimate_feedback_total",
        ),
    },
)
