"""Triton Inference Server, alone and with the TensorRT-LLM backend.

From Triton's docs/user_guide/metrics.md and the backend's README.md; 2.51 was run with Python
backends. Its counters have no `_total`. Each model of an ensemble counts a request, and so does
the ensemble, each under its own `model`. A request that a full queue turns away (503) is counted
nowhere, and an error that a model answers with is a success. Durations are totals in microseconds:
there is no distribution of them. A request for several answers is one.
"""

from inferometer import catalogue as c
from inferometer.engines.labelled import ByLabel
from inferometer.engines.sources import Product, Quotient, Selector, Total
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, Mute, RequestCounter

REQUESTS, BLOCKS = "nv_trt_llm_request_metrics", "nv_trt_llm_kv_cache_block_metrics"


def _blocks(kind: str) -> Selector:
    """One family holds a ratio, sizes and counts, told apart by a label."""
    return Selector(BLOCKS, where={"kv_cache_block_type": (kind,)}, combine=max)


ENGINE = Engine(
    name="triton",
    title="Triton",
    evidence="run",
    # What an ensemble or a BLS model hands a request on to is known by its usual names alone.
    spelling=Spelling(
        "nv_",
        r"nv_(?=(?:inference|trt_llm|llm(?!_http)|cache|energy|gpu|cpu|pinned_memory_pool|model)_)",
        models=("model",),
        entries=r"(?:^|[_-])(?:ensemble|bls)(?:[_-]|$)",
        steps=r"pre_?process|post_?process|tokeniz|^tensorrt_llm$|(?:^|[_-])trt_?llm(?:[_-]|$)",
        generic=r"^(?:ensemble|tensorrt_llm|tensorrt_llm_bls)$",
    ),
    mute=Mute(
        ("nv_gpu_utilization", "nv_cpu_utilization", "nv_pinned_memory_pool_total_bytes"),
        "Triton without the families of its models: was it started with --allow-metrics=false, "
        "or has it none loaded?",
    ),
    signals={
        # Opt-in, in milliseconds, and of models that stream alone: to their first response.
        c.SERVER_TTFT: (Selector("nv_inference_first_response_histogram_ms", scale=1e-3),),
        c.SERVER_INPUT_LENGTH: (Selector("nv_llm_input_token_len"),),
        c.SERVER_OUTPUT_LENGTH: (Selector("nv_llm_output_token_len"),),
        c.SERVER_INPUT: (Selector("nv_llm_input_token_len", part="_sum", derived=True),),
        c.SERVER_OUTPUT: (Selector("nv_llm_output_token_len", part="_sum", derived=True),),
        c.SERVER_RUNNING: (Selector(REQUESTS, where={"request_type": ("scheduled",)}),),
        # Those that wait in TensorRT-LLM, and those that Triton has not handed on: all there are.
        c.SERVER_WAITING: (
            Total((Selector(REQUESTS, where={"request_type": ("waiting",)}),),
                  more=(Selector("nv_inference_pending_request_count"),)),
            Selector("nv_inference_pending_request_count"),
        ),
        c.SERVER_KV_USAGE: (
            Selector(BLOCKS, where={"kv_cache_block_type": ("fraction",)}, combine=max),
            Quotient(_blocks("used"), _blocks("max")),
        ),
        c.SERVER_KV_CAPACITY: (Product(_blocks("max"), _blocks("tokens_per")),),
        # TensorRT-LLM times a transfer on the side that receives (Dynamo's handler_base.py).
        c.SERVER_KV_MOVED_SECONDS: (ByLabel({
            "receive": Selector(
                "nv_trt_llm_disaggregated_serving_metrics", scale=1e-3,
                where={"disaggregated_serving_type": ("kv_cache_transfer_ms",)}),
        }),),
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
    unused={
        "totals in microseconds, of which there is no distribution": (
            "inference_request_duration_us", "inference_queue_duration_us",
            "inference_compute_input_duration_us", "inference_compute_infer_duration_us",
            "inference_compute_output_duration_us",
        ),
        "quantiles, which cannot be added up": (
            "inference_request_summary_us", "inference_queue_summary_us",
            "inference_compute_input_summary_us", "inference_compute_infer_summary_us",
            "inference_compute_output_summary_us",
        ),
        "of batches, not of requests": (
            "inference_count", "inference_exec_count", "inference_load_ratio",
        ),
        "of the last iteration only": (
            "trt_llm_inflight_batcher_metrics", "trt_llm_general_metrics", "trt_llm_v1_metrics",
        ),
        "of memory, which the GPU's own readings tell": (
            "trt_llm_runtime_memory_metrics", "pinned_memory_pool_total_bytes",
            "pinned_memory_pool_used_bytes",
        ),
        "of whole answers kept, not of the KV cache": (
            "cache_num_entries", "cache_num_lookups", "cache_num_hits", "cache_num_misses",
            "cache_num_evictions", "cache_lookup_duration", "cache_insertion_duration",
            "cache_util", "cache_num_hits_per_model", "cache_num_misses_per_model",
            "cache_hit_duration_per_model", "cache_miss_duration_per_model",
        ),
        "of the machine, not of the engine": (
            "energy_consumption", "gpu_power_usage", "gpu_power_limit", "gpu_utilization",
            "gpu_memory_total_bytes", "gpu_memory_used_bytes", "cpu_utilization",
            "cpu_memory_total_bytes", "cpu_memory_used_bytes",
        ),
    },
    unseen=frozenset({
        "time_to_first_token", "request_input_tokens", "request_output_tokens", "input_tokens",
        "output_tokens", "kv_moved",
    }),
)
