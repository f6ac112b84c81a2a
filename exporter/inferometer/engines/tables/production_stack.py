"""The router of vLLM's production stack, which stands in front of its engines.

From vllm-project/production-stack, src/vllm_router/services/metrics_service/__init__.py, and
request_service/request.py beside it. It repeats its engines' gauges under their names, with the
label `server` for `engine`: they are the engines' own, and not taken. Tokens are counted of what
is not streamed alone: not taken either. Until requests had a latency it said nothing of its own.
"""

from inferometer import catalogue as c
from inferometer.engines.sources import Selector
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, Marks, RequestCounter

LATENCY = "vllm:request_latency_seconds"

ENGINE = Engine(
    name="production_stack",
    title="vLLM production stack router",
    evidence="documented",
    spelling=Spelling("vllm:", r"vllm[:_]", models=("model",)),
    marks=Marks(
        any_of=("vllm:num_requests_running", "vllm:current_qps", "vllm:healthy_pods_total"),
        labels=("server",),
    ),
    signals={
        c.SERVER_DURATION: (Selector(LATENCY),),
        c.SERVER_START: (Selector("process_start_time_seconds"),),
    },
    requests=(
        RequestCounter(
            Selector(LATENCY, part="_count", derived=True),
            label="status",
            meaning={"success": ("success", "finished"), "error": ("error", "engine_error")},
            otherwise=("error", "engine_error"),
        ),
    ),
    unused={
        "its engines say it": (
            "num_requests_running", "num_requests_waiting", "num_requests_swapped",
            "gpu_cache_usage_perc", "gpu_prefix_cache_hit_rate", "gpu_prefix_cache_hits_total",
            "gpu_prefix_cache_queries_total",
        ),
        "its view of its engines": (
            "num_prefill_requests", "num_decoding_requests", "avg_decoding_length", "avg_latency",
            "avg_itl", "current_qps", "healthy_pods_total",
        ),
        "of what is not streamed alone": ("input_tokens_total", "output_tokens_total"),
        "started, not ended": ("num_incoming_requests_total",),
        "once for each try": ("request_errors_total",),
        "routing": ("routing_decisions_total",),
    },
)
