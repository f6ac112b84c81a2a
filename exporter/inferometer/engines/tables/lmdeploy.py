"""LMDeploy, started with --enable-metrics.

From lmdeploy/metrics/loggers.py, stats.py and metrics_processor.py (0.18). Of the children of
request_success_total only FINISH is ever counted; the others are printed at 0. The totals of
requests that succeeded and failed are gauges, and the latter holds aborted ones: neither is taken.
"""

from inferometer import catalogue as c
from inferometer.engines.sources import Selector, Total
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, InfoDocument, RequestCounter

ENGINE = Engine(
    name="lmdeploy",
    title="LMDeploy",
    evidence="documented",
    spelling=Spelling("lmdeploy:", r"lmdeploy[:_]", models=("model_name",), rank="engine"),
    signals={
        c.SERVER_TTFT: (Selector("lmdeploy:time_to_first_token_seconds"),),
        # Seconds, though the name has no unit. The other one is counted once a step too, divided
        # by the tokens of the step: it is no value per request.
        c.SERVER_ITL: (
            Selector("lmdeploy:iter_token_latency"),
            Selector("lmdeploy:time_per_output_token_seconds"),
        ),
        c.SERVER_DURATION: (Selector("lmdeploy:e2e_request_latency_seconds"),),
        c.SERVER_QUEUE: (Selector("lmdeploy:request_queue_time_seconds"),),
        c.SERVER_PREFILL: (Selector("lmdeploy:request_prefill_time_seconds"),),
        c.SERVER_DECODE: (Selector("lmdeploy:request_decode_time_seconds"),),
        c.SERVER_INPUT: (Selector("lmdeploy:prompt_tokens_total"),),
        # Counted when a request ends, prompt tokens at its first token: they make no hit ratio.
        c.SERVER_INPUT_CACHED: (Selector("lmdeploy:cached_tokens_total"),),
        c.SERVER_OUTPUT: (Selector("lmdeploy:generation_tokens_total"),),
        c.SERVER_RUNNING: (Selector("lmdeploy:num_requests_running"),),
        # Those that wait for a handle of the engine, and those that wait in it.
        c.SERVER_WAITING: (
            Total((Selector("lmdeploy:num_api_requests_waiting"),
                   Selector("lmdeploy:num_requests_waiting"))),
            Selector("lmdeploy:num_requests_waiting"),
        ),
        c.SERVER_KV_USAGE: (Selector("lmdeploy:gpu_cache_usage_perc", combine=max, most=1.0),),
        c.SERVER_DRAFT: (Selector("lmdeploy:spec_decode_num_draft_tokens_total"),),
        c.SERVER_ACCEPTED: (Selector("lmdeploy:spec_decode_num_accepted_tokens_total"),),
        c.SERVER_START: (Selector("process_start_time_seconds"),),
    },
    requests=(
        RequestCounter(
            Selector("lmdeploy:request_success_total",
                     where={"finished_reason": ("ResponseType.FINISH",)}),
            otherwise=("success", "finished"),
        ),
    ),
    progress=(
        Selector("lmdeploy:generation_tokens_total"), Selector("lmdeploy:prompt_tokens_total"),
    ),
    documents=(InfoDocument("/v1/models", {"model": ("data", 0, "id")}),),
    unused=(
        "backend_config_info", "multimodal_*", "prefix_cache_hit_rate", "iteration_tokens_total",
        "num_requests_succeeded", "num_requests_failed", "num_api_requests_routed",
        "request_prompt_tokens", "request_generation_tokens", "request_cached_tokens",
        "request_cache_hit_ratio", "request_inference_time_seconds",
        "request_max_num_generation_tokens", "request_params_n", "request_params_max_tokens",
        "spec_decode_num_drafts_total", "spec_decode_num_accepted_tokens_per_pos_total",
        "spec_decode_mean_accept_rate", "spec_decode_mean_accept_length",
        "spec_decode_per_position_accept_rate",
    ),
)
