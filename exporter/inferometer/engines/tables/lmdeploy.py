"""LMDeploy, started with --enable-metrics.

From lmdeploy/metrics/loggers.py, stats.py and metrics_processor.py (0.18). Of the children of
request_success_total only FINISH is ever counted; the others are printed at 0. The totals of
requests that succeeded and failed are gauges, and the latter holds aborted ones: neither is taken.
"""

import re

from inferometer import catalogue as c
from inferometer.engines.sources import Series, Total
from inferometer.engines.table import Engine, Fact, Request

ENGINE = Engine(
    name="lmdeploy",
    title="LMDeploy",
    evidence="documented",
    prefix="lmdeploy:",
    spelling=re.compile(r"lmdeploy[:_]"),
    models=("model_name",),
    rank="engine",
    signals={
        c.SERVER_TTFT: (Series("lmdeploy:time_to_first_token_seconds"),),
        # Seconds, though the name does not say so. The other is told once a step too, divided by
        # the tokens of the step: no value per request.
        c.SERVER_ITL: (
            Series("lmdeploy:iter_token_latency"),
            Series("lmdeploy:time_per_output_token_seconds"),
        ),
        c.SERVER_DURATION: (Series("lmdeploy:e2e_request_latency_seconds"),),
        c.SERVER_QUEUE: (Series("lmdeploy:request_queue_time_seconds"),),
        c.SERVER_PREFILL: (Series("lmdeploy:request_prefill_time_seconds"),),
        c.SERVER_DECODE: (Series("lmdeploy:request_decode_time_seconds"),),
        c.SERVER_INPUT: (Series("lmdeploy:prompt_tokens_total"),),
        # Counted when a request ends, prompt tokens at its first token: they make no hit ratio.
        c.SERVER_INPUT_CACHED: (Series("lmdeploy:cached_tokens_total"),),
        c.SERVER_OUTPUT: (Series("lmdeploy:generation_tokens_total"),),
        c.SERVER_RUNNING: (Series("lmdeploy:num_requests_running"),),
        # For a handle of the engine, and in the engine.
        c.SERVER_WAITING: (
            Total((Series("lmdeploy:num_api_requests_waiting"),
                   Series("lmdeploy:num_requests_waiting"))),
            Series("lmdeploy:num_requests_waiting"),
        ),
        c.SERVER_KV_USAGE: (Series("lmdeploy:gpu_cache_usage_perc", combine=max, most=1.0),),
        c.SERVER_DRAFT: (Series("lmdeploy:spec_decode_num_draft_tokens_total"),),
        c.SERVER_ACCEPTED: (Series("lmdeploy:spec_decode_num_accepted_tokens_total"),),
        c.SERVER_START: (Series("process_start_time_seconds"),),
    },
    requests=(
        Request(
            Series("lmdeploy:request_success_total",
                   where={"finished_reason": ("ResponseType.FINISH",)}),
            otherwise=("success", "finished"),
        ),
    ),
    progress=(Series("lmdeploy:generation_tokens_total"), Series("lmdeploy:prompt_tokens_total")),
    facts=(Fact("/v1/models", {"model": ("data", 0, "id")}),),
    unused=(
        r"backend_config_info|num_requests_(?:succeeded|failed)|num_api_requests_routed"
        r"|prefix_cache_hit_rate|iteration_tokens_total|multimodal_.*"
        r"|request_(?:prompt_tokens|generation_tokens|cached_tokens|cache_hit_ratio"
        r"|inference_time_seconds|max_num_generation_tokens|params_n|params_max_tokens)"
        r"|spec_decode_(?:num_drafts_total|num_accepted_tokens_per_pos_total"
        r"|mean_accept_(?:rate|length)|per_position_accept_rate)"
    ),
)
