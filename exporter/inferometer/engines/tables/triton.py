"""Triton Inference Server, alone and with the TensorRT-LLM backend.

From Triton's docs/user_guide/metrics.md and the backend's README.md; 2.51 was run with Python
backends. Its counters have no `_total`. Each model of an ensemble counts a request, and so does
the ensemble, each under its own `model`. A request that a full queue turns away (503) is counted
nowhere, and an error that a model answers with is a success. Durations are totals in microseconds:
there is no distribution of them.
"""

import re

from inferometer import catalogue as c
from inferometer.engines.sources import Product, Quotient, Series
from inferometer.engines.table import Engine, Request

REQUESTS, BLOCKS = "nv_trt_llm_request_metrics", "nv_trt_llm_kv_cache_block_metrics"


def _blocks(kind: str) -> Series:
    """One family holds a ratio, sizes and counts, told apart by a label."""
    return Series(BLOCKS, where={"kv_cache_block_type": (kind,)}, combine=max)


ENGINE = Engine(
    name="triton",
    title="Triton",
    evidence="run",
    prefix="nv_",
    spelling=re.compile(
        r"nv_(?=(?:inference|trt_llm|llm|cache|energy|gpu|cpu|pinned_memory_pool|model)_)"),
    wraps=True,
    models=("model",),
    signals={
        # Opt-in, in milliseconds, and of models that stream alone: to their first response.
        c.SERVER_TTFT: (Series("nv_inference_first_response_histogram_ms", scale=1e-3),),
        c.SERVER_INPUT: (Series("nv_llm_input_token_len", part="_sum", derived=True),),
        c.SERVER_OUTPUT: (Series("nv_llm_output_token_len", part="_sum", derived=True),),
        c.SERVER_RUNNING: (Series(REQUESTS, where={"request_type": ("scheduled",)}),),
        c.SERVER_WAITING: (
            Series(REQUESTS, where={"request_type": ("waiting",)}),
            Series("nv_inference_pending_request_count"),
        ),
        c.SERVER_KV_USAGE: (
            Series(BLOCKS, where={"kv_cache_block_type": ("fraction",)}, combine=max, most=1.0),
            Quotient(_blocks("used"), _blocks("max")),
        ),
        c.SERVER_KV_CAPACITY: (Product(_blocks("max"), _blocks("tokens_per")),),
    },
    requests=(
        Request(Series("nv_inference_request_success"), otherwise=("success", "finished")),
        Request(
            Series("nv_inference_request_failure"),
            label="reason",
            meaning={
                "REJECTED": ("rejected", "overloaded"),
                "CANCELED": ("abort", "cancelled"),
                "BACKEND": ("error", "engine_error"),
                "OTHER": ("error", "engine_error"),
            },
            otherwise=("error", "engine_error"),  # older ones tell no reason
        ),
    ),
    unused=(
        r"inference_(?:count|exec_count|(?:request|queue|compute_(?:input|infer|output))"
        r"_(?:duration|summary)_us)"
        r"|trt_llm_(?:runtime_memory|inflight_batcher|general|v1|disaggregated_serving)_metrics"
        r"|(?:cache|energy|gpu|cpu|pinned_memory_pool|model)_.*"
    ),
    unseen=frozenset({"time_to_first_token", "input_tokens", "output_tokens"}),
)
