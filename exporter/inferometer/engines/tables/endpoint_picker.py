"""The endpoint picker of a gateway, which stands in front of an inference pool's engines.

From pkg/epp/metrics/{llm_d_router_metrics,metrics}.go and handlers/server.go of llm-d/llm-d-router
and of kubernetes-sigs/gateway-api-inference-extension, whose names are the older ones. Today's page
has both. What it says of its pool is its engines' own. Tokens are those that responses tell of. An
answer other than 200 is an error, also where the caller is at fault: its code is not told apart.
"""

from dataclasses import replace

from inferometer import catalogue as c
from inferometer.engines.sources import Difference, Selector
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, Marks, RequestCounter

P = "llm_d_router_epp_"
DURATION = f"{P}request_duration_seconds"
ERRORS = f"{P}request_error_total"
ANSWERED = "ModelServerError"  # the one error that has a duration too

ENGINE = Engine(
    name="endpoint_picker",
    title="Endpoint picker",
    evidence="documented",
    spelling=Spelling(P, P, models=("model_name",)),
    marks=Marks(any_of=(
        f"{P}request_total", f"{P}running_requests", f"{P}ready_endpoints", f"{P}ready_pods",
        f"{P}average_queue_size", f"{P}info",
    )),
    signals={
        c.SERVER_DURATION: (Selector(DURATION),),
        # Until they have left the picker, and while an engine lets them wait or works on them.
        c.SERVER_WAITING: (Selector(f"{P}flow_control_queue_size"),),
        c.SERVER_RUNNING: (Selector(f"{P}running_requests"),),
        c.SERVER_QUEUE: (Selector(f"{P}flow_control_request_queue_duration_seconds"),),
        c.SERVER_INPUT: (Selector(f"{P}input_tokens", part="_sum", derived=True),),
        c.SERVER_INPUT_CACHED: (Selector(f"{P}prompt_cached_tokens", part="_sum", derived=True),),
        c.SERVER_OUTPUT: (Selector(f"{P}output_tokens", part="_sum", derived=True),),
        c.SERVER_INPUT_LENGTH: (Selector(f"{P}input_tokens"),),
        c.SERVER_OUTPUT_LENGTH: (Selector(f"{P}output_tokens"),),
        c.SERVER_START: (Selector("process_start_time_seconds"),),
    },
    success=Difference(Selector(DURATION, part="_count"),
                       Selector(ERRORS, where={"error_code": (ANSWERED,)})),
    requests=(
        RequestCounter(
            Selector(ERRORS),
            label="error_code",
            meaning={
                ANSWERED: ("error", "engine_error"),
                "Internal": ("error", "engine_error"),
                "ServiceUnavailable": ("error", "unavailable"),
                "InferencePoolResourceExhausted": ("rejected", "overloaded"),
                "ResourceExhausted": ("rejected", "overloaded"),
                "BadRequest": ("invalid", "validation"),
                "BadConfiguration": ("invalid", "not_found"),
            },
            otherwise=("error", "engine_error"),
            late=True,
        ),
    ),
    progress=(Selector(f"{P}output_tokens", part="_sum"),),
    unused={
        "its engines say it": (
            "average_kv_cache_utilization", "average_queue_size", "average_running_requests",
            "per_endpoint_queue_size", "per_pod_queue_size", "ready_endpoints", "ready_pods",
            "flow_control_pool_saturation",
        ),
        "started, not ended": ("request_total",),
        "the first token is in it": ("normalized_time_per_output_token_seconds",),
        "bytes": ("request_sizes", "response_sizes", "flow_control_queue_bytes"),
        "routing": (
            "scheduler_e2e_duration_seconds", "scheduler_attempts_total",
            "plugin_duration_seconds", "model_rewrite_decisions_total", "prefix_indexer_size",
            "prefix_indexer_hit_ratio", "prefix_indexer_hit_bytes",
        ),
        "debugging": (
            "info", "flow_control_dispatch_cycle_duration_seconds",
            "flow_control_request_enqueue_duration_seconds", "request_processing_duration_seconds",
            "response_processing_duration_seconds", "datalayer_poll_errors_total",
            "datalayer_extract_errors_total",
        ),
    },
)
FORMER = replace(ENGINE, spelling=replace(
    ENGINE.spelling, pattern=r"inference_(?:objective|model|pool|extension)_"))
