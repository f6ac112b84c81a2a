"""Triton Inference Server, alone and with the TensorRT-LLM backend.

From Triton's docs/user_guide/metrics.md and the backend's README.md; 2.51 was run with Python
backends. Its counters have no `_total`. Each model of an ensemble counts a request, and so does
the ensemble, each under its own `model`. A request that a full queue turns away (503) is counted
nowhere, and an error that a model answers with is a success. Durations are totals in microseconds:
there is no distribution of them.
"""

from inferometer import catalogue as c
from inferometer.engines.sources import Product, Quotient, Selector
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, RequestCounter

REQUESTS, BLOCKS = "nv_trt_llm_request_metrics", "nv_trt_llm_kv_cache_block_metrics"


def _blocks(kind: str) -> Selector:
    """One family holds a ratio, sizes and counts, told apart by a label."""
    return Selector(BLOCKS, where={"kv_cache_block_type": (kind,)}, combine=max)


ENGINE = Engine(
    name="triton",
    title="Triton",
    evidence="run",
    spelling=Spelling(
        "nv_",
        r"nv_(?=(?:inference|trt_llm|llm|cache|energy|gpu|cpu|pinned_memory_pool|model)_)",
        models=("model",),
    ),
    wraps=True,
    signals={
        # Opt-in, in milliseconds, and of models that stream alone: to their first response.
        c.SERVER_TTFT: (Selector("nv_inference_first_response_histogram_ms", scale=1e-3),),
        c.SERVER_INPUT: (Selector("nv_llm_input_token_len", part="_sum", derived=True),),
        c.SERVER_OUTPUT: (Selector("nv_llm_output_token_len", part="_sum", derived=True),),
        c.SERVER_RUNNING: (Selector(REQUESTS, where={"request_type": ("scheduled",)}),),
        c.SERVER_WAITING: (
            Selector(REQUESTS, where={"request_type": ("waiting",)}),
            Selector("nv_inference_pending_request_count"),
        ),
        c.SERVER_KV_USAGE: (
            Selector(BLOCKS, where={"kv_cache_block_type": ("fraction",)}, combine=max, most=1.0),
            Quotient(_blocks("used"), _blocks("max")),
        ),
        c.SERVER_KV_CAPACITY: (Product(_blocks("max"), _blocks("tokens_per")),),
    },
    requests=(
        RequestCounter(Selector("nv_inference_request_success"), otherwise=("success", "finished")),
        RequestCounter(
            Selector("nv_inference_request_failure"),
            label="reason",
            meaning={
                "REJECTED": ("rejected", "overloaded"),
                "CANCELED": ("abort", "cancelled"),
                "BACKEND": ("error", "engine_error"),
                "OTHER": ("error", "engine_error"),
            },
            otherwise=("error", "engine_error"),  # older versions give no reason
        ),
    ),
    unused=(
        "inference_count", "inference_exec_count",
        "inference_request_duration_us", "inference_request_summary_us",
        "inference_queue_duration_us", "inference_queue_summary_us",
        "inference_compute_input_duration_us", "inference_compute_input_summary_us",
        "inference_compute_infer_duration_us", "inference_compute_infer_summary_us",
        "inference_compute_output_duration_us", "inference_compute_output_summary_us",
        "trt_llm_runtime_memory_metrics", "trt_llm_inflight_batcher_metrics",
        "trt_llm_general_metrics", "trt_llm_v1_metrics",
        "trt_llm_disaggregated_serving_metrics",
        "cache_*", "energy_*", "gpu_*", "cpu_*", "pinned_memory_pool_*", "model_*",
    ),
    unseen=frozenset({"time_to_first_token", "input_tokens", "output_tokens"}),
)
