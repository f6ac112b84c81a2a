"""NVIDIA NIM for LLMs, 1.x: vLLM's older names without their prefix.

2.x has the names of the engine in it: that engine's table reads its page.

From NIM's documentation and a captured page of 1.0.0. Its time_per_output_token_seconds has one
value for each token. A way to end has a series only once a request ended so. The page does not
tell how many answers a request asked for.
"""

from inferometer import catalogue as c
from inferometer.engines.sources import Selector
from inferometer.engines.spelling import Spelling, exactly
from inferometer.engines.table import Engine, InfoDocument, Marks, RequestCounter

NAMES = (
    "num_requests_running", "num_requests_waiting", "num_request_max", "gpu_cache_usage_perc",
    "prompt_tokens_total", "generation_tokens_total", "time_to_first_token_seconds",
    "time_per_output_token_seconds", "e2e_request_latency_seconds", "request_prompt_tokens",
    "request_generation_tokens", "request_finish_total", "request_success_total",
    "request_failure_total",
)

ENGINE = Engine(
    name="nim",
    title="NIM 1",
    evidence="captured",
    spelling=Spelling("", exactly(NAMES), models=("model_name",)),
    paths=("/v1/metrics",),
    marks=Marks(all_of=("num_request_max", "num_requests_running", "gpu_cache_usage_perc")),
    signals={
        c.SERVER_TTFT: (Selector("time_to_first_token_seconds"),),
        c.SERVER_ITL: (Selector("time_per_output_token_seconds"),),
        c.SERVER_DURATION: (Selector("e2e_request_latency_seconds"),),
        c.SERVER_INPUT_LENGTH: (Selector("request_prompt_tokens"),),
        c.SERVER_OUTPUT_LENGTH: (Selector("request_generation_tokens"),),
        c.SERVER_INPUT: (Selector("prompt_tokens_total"),),
        c.SERVER_OUTPUT: (Selector("generation_tokens_total"),),
        c.SERVER_RUNNING: (Selector("num_requests_running"),),
        # There is no other queue on the page.
        c.SERVER_WAITING: (Selector("num_requests_waiting"),),
        c.SERVER_KV_USAGE: (Selector("gpu_cache_usage_perc", combine=max),),
        c.SERVER_START: (Selector("process_start_time_seconds"),),
    },
    requests=(
        RequestCounter(
            Selector("request_finish_total"),
            label="finished_reason",
            meaning={
                "stop": ("success", "stop"),
                "length": ("success", "length"),
                "abort": ("abort", "abort"),
            },
            otherwise=("error", "engine_error"),
        ),
    ),
    progress=(Selector("generation_tokens_total"), Selector("prompt_tokens_total")),
    documents=(InfoDocument("/v1/version", {"version": ("release",)}),),
    unused={
        "a setting": ("num_request_max",),
        "sums of request_finish_total": ("request_success_total", "request_failure_total"),
    },
    unseen=frozenset({"requests_abort", "requests_error"}),
)
