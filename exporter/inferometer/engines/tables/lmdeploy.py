"""LMDeploy, started with --enable-metrics.

From lmdeploy/metrics/loggers.py, stats.py and metrics_processor.py (0.18). Of the children of
request_success_total only FINISH is ever counted; the others are printed at 0. The totals of
requests that succeeded and failed are gauges, and the latter holds aborted ones: neither is taken.
A request for n answers is made n requests (serve/openai/chat_completions/fanout.py), and the page
does not tell.
"""

from inferometer import catalogue as c
from inferometer.engines.labelled import ByLabel, by_position
from inferometer.engines.sources import Selector, Total
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, InfoDocument, RequestCounter

AT = "lmdeploy:spec_decode_num_accepted_tokens_per_pos_total"

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
        c.SERVER_INPUT_LENGTH: (Selector("lmdeploy:request_prompt_tokens"),),
        c.SERVER_OUTPUT_LENGTH: (Selector("lmdeploy:request_generation_tokens"),),
        c.SERVER_INPUT: (Selector("lmdeploy:prompt_tokens_total"),),
        # Counted when a request ends, prompt tokens at its first token: they make no hit ratio.
        c.SERVER_INPUT_CACHED: (Selector("lmdeploy:cached_tokens_total"),),
        c.SERVER_OUTPUT: (Selector("lmdeploy:generation_tokens_total"),),
        c.SERVER_RUNNING: (Selector("lmdeploy:num_requests_running"),),
        # Those that wait for a handle of the engine, and those that wait in it: all there are.
        c.SERVER_WAITING: (
            Total((Selector("lmdeploy:num_api_requests_waiting"),
                   Selector("lmdeploy:num_requests_waiting"))),
            Selector("lmdeploy:num_requests_waiting"),
        ),
        c.SERVER_WAITING_WHY: (ByLabel({
            "handle": Selector("lmdeploy:num_api_requests_waiting"),
            "queue": Selector("lmdeploy:num_requests_waiting"),
        }),),
        c.SERVER_KV_USAGE: (Selector("lmdeploy:gpu_cache_usage_perc", combine=max),),
        c.SERVER_DRAFTS: (Selector("lmdeploy:spec_decode_num_drafts_total"),),
        c.SERVER_DRAFT: (Selector("lmdeploy:spec_decode_num_draft_tokens_total"),),
        c.SERVER_ACCEPTED: (Selector("lmdeploy:spec_decode_num_accepted_tokens_total"),),
        c.SERVER_ACCEPTED_AT: (by_position(AT),),
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
    unused={
        "a mean over its life of what is counted": (
            "spec_decode_mean_accept_rate", "spec_decode_mean_accept_length",
            "spec_decode_per_position_accept_rate", "prefix_cache_hit_rate",
        ),
        "of one request's step, and not of the engine's": ("iteration_tokens_total",),
        "totals under the type of a gauge": ("num_requests_succeeded", "num_requests_failed"),
        "those that run and those that wait in the engine as one": ("num_api_requests_routed",),
        "in a family taken, counted another way": (
            "request_cached_tokens", "request_cache_hit_ratio", "request_inference_time_seconds",
        ),
        "a setting": ("backend_config_info",),
        # Of other releases than 0.18.
        "what a request asked for": (
            "request_params_n", "request_params_max_tokens", "request_max_num_generation_tokens",
        ),
        "of how images are prepared": (
            "multimodal_requests_total", "multimodal_items_total", "multimodal_item_count",
            "multimodal_preprocess_time_seconds", "multimodal_stage_time_seconds",
            "multimodal_processing_failures_total",
        ),
    },
)
