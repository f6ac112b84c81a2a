"""The proxy of LiteLLM, which stands in front of engines and of others' services.

From litellm/integrations/prometheus.py and proxy/middleware/admission_control_middleware.py
(1.110.2); 1.106.2 was run. Labels of keys, teams and users are not taken; a model nobody serves
is `other`. The requests in flight count the scrape and all else that is asked over HTTP: only
those that admission control lets in, where that is on, are taken. Durations and times to the first
token are of successful requests, the latter of streamed ones, from when the service was asked.
"""

from inferometer import catalogue as c
from inferometer.engines.sources import Selector
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, Http, Marks, RequestCounter

REQUESTS = "litellm_proxy_total_requests_metric_total"
INPUT = "litellm_input_tokens_metric_total"
OUTPUT = "litellm_output_tokens_metric_total"
SERVICES = (
    "redis", "postgres", "batch_write_to_db", "reset_budget_job", "self", "router", "auth",
    "proxy_pre_call", "pod_lock_manager", "anthropic_wif", "anthropic_wif_cache",
    "in_memory_daily_spend_update_queue", "in_memory_spend_update_queue",
    *(f"redis_{queue}spend_update_queue" for queue in (
        "", "daily_", "daily_agent_", "daily_end_user_", "daily_org_", "daily_tag_",
        "daily_team_", "window_")),
)
INVALID = ("400", "401", "403", "404", "405", "408", "409", "413", "415", "422")

ENGINE = Engine(
    name="litellm",
    title="LiteLLM",
    evidence="run",
    spelling=Spelling("litellm_", r"litellm_", models=("requested_model", "model"),
                      nameless=frozenset({"other", "None"})),
    marks=Marks(any_of=(REQUESTS, "litellm_requests_metric_total")),
    signals={
        c.SERVER_TTFT: (Selector("litellm_llm_api_time_to_first_token_metric"),),
        c.SERVER_DURATION: (Selector("litellm_request_total_latency_metric"),),
        c.SERVER_QUEUE: (Selector("litellm_request_queue_time_seconds"),),
        c.SERVER_INPUT: (Selector(INPUT),),
        c.SERVER_INPUT_CACHED: (Selector("litellm_input_cached_tokens_metric_total"),),
        c.SERVER_OUTPUT: (Selector(OUTPUT),),
        c.SERVER_RUNNING: (Selector("litellm_admission_admitted_requests"),),
        c.SERVER_WAITING: (Selector("litellm_admission_queued_requests"),),
        c.SERVER_START: (Selector("process_start_time_seconds"),),
    },
    requests=(
        RequestCounter(
            Selector(REQUESTS),
            label="status_code",
            meaning={
                "200": ("success", "finished"),
                "429": ("rejected", "http_429"),
                "499": ("abort", "cancelled"),
                "503": ("error", "unavailable"),  # said by the service behind
                **dict.fromkeys(INVALID, ("invalid", "http_4xx")),
                **dict.fromkeys(("500", "501", "502", "504"), ("error", "http_5xx")),
            },
            otherwise=("error", "engine_error"),
        ),
        RequestCounter(
            Selector("litellm_admission_rejected_requests_total"),
            label="reason",
            meaning={
                "queue_full": ("rejected", "queue_requests"),
                "queue_timeout": ("rejected", "queue_timeout"),
            },
            otherwise=("rejected", "overloaded"),
        ),
    ),
    http=Http(REQUESTS, code="status_code", handler="route", endings=()),
    progress=(Selector(OUTPUT), Selector(INPUT)),
    unused={
        "in the count of all requests": (
            "proxy_failed_requests_metric_total", "requests_metric_total",
            "llm_api_failed_requests_metric_total",
        ),
        "counts the scrape too": ("in_flight_requests",),
        "the service behind, without the queue": ("llm_api_latency_metric",),
        "the first token is in it": ("deployment_latency_per_output_token",),
        "sum of others": ("total_tokens_metric_total",),
        "parts of the tokens": (
            "input_cache_creation_tokens_metric_total", "input_audio_tokens_metric_total",
            "output_reasoning_tokens_metric_total", "output_audio_tokens_metric_total",
            "provider_cache_read_input_tokens_metric_total",
            "provider_cache_creation_input_tokens_metric_total",
        ),
        "images and video": (
            "images_generated_metric_total", "video_duration_seconds_metric_total",
        ),
        "the proxy's own work": (
            "overhead_latency_metric", "overhead_with_guardrails_latency_metric",
        ),
        "money": (
            "spend_metric_total", "zero_cost_requests_total", "spend_capture_rate",
            "mcp_tool_call_spend_metric_total", "provider_remaining_budget_metric",
            "remaining_team_budget_metric", "team_max_budget_metric",
            "team_budget_remaining_hours_metric", "remaining_org_budget_metric",
            "org_max_budget_metric", "org_budget_remaining_hours_metric",
            "remaining_api_key_budget_metric", "api_key_max_budget_metric",
            "api_key_budget_remaining_hours_metric", "remaining_user_budget_metric",
            "user_max_budget_metric", "user_budget_remaining_hours_metric",
            "remaining_customer_budget_metric", "customer_max_budget_metric",
            "customer_budget_remaining_hours_metric",
        ),
        "rate limits": (
            "remaining_requests_metric", "remaining_tokens_metric",
            "remaining_api_key_requests_for_model", "remaining_api_key_tokens_for_model",
            "api_key_rate_limit_allowed_metric", "api_key_rate_limit_used_metric",
            "team_rate_limit_allowed_metric", "team_rate_limit_used_metric",
            "project_model_rate_limit_allowed_metric", "project_model_rate_limit_used_metric",
            "deployment_tpm_limit", "deployment_rpm_limit",
        ),
        "tries of the services behind": (
            "deployment_state", "deployment_total_requests_total",
            "deployment_success_responses_total", "deployment_failure_responses_total",
            "deployment_cooled_down_total", "deployment_successful_fallbacks_total",
            "deployment_failed_fallbacks_total",
        ),
        "the cache of responses": (
            "cache_hits_metric_total", "cache_misses_metric_total", "cached_tokens_metric_total",
        ),
        "guardrails and tools": (
            "guardrail_latency_seconds", "guardrail_errors_total", "guardrail_requests_total",
            "mcp_tool_calls_total",
        ),
        "users, teams and licence": (
            "total_users", "active_users", "teams_count", "team_members_metric",
            "enterprise_billable_requests_total",
        ),
        "batches and files": (
            "managed_batch_created_total", "managed_batch_duration_seconds",
            "managed_file_created_total", "managed_file_deleted_total",
            "managed_file_size_bytes", "check_batch_cost_jobs_polled",
            "check_batch_cost_jobs_processed_total", "check_batch_cost_errors_total",
            "check_batch_cost_last_run_timestamp",
        ),
        "services of the proxy's own": tuple(
            f"{service}_{family}" for service in SERVICES
            for family in ("latency", "failed_requests_total", "total_requests_total", "size")),
        "debugging": (
            "callback_logging_failures_metric_total", "redis_circuit_breaker_state",
            "redis_circuit_breaker_failures_total", "redis_circuit_breaker_transitions_total",
            "accounting_batch_deliveries", "accounting_batch_seconds",
            "accounting_delivery_table_bytes", "accounting_oldest_pending_seconds",
            "accounting_parked", "accounting_pending", "lens_export_rows_dropped_total",
            "lens_export_rows_written_total", "spend_log_cleanup_batch_duration_seconds",
            "spend_log_cleanup_batch_failures_total", "spend_log_cleanup_rows_deleted_total",
            "spend_log_cleanup_rows_remaining", "spend_log_cleanup_runs_total",
            "spend_log_storage_bytes",
        ),
    },
    unseen=frozenset({"requests_running", "requests_waiting", "requests_rejected",
                      "requests_abort"}),
)
