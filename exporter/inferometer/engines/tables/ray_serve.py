"""vLLM on Ray Serve, whose metrics go through Ray: one series for each replica and worker.

From vLLM's vllm/v1/metrics/ray_wrappers.py and Ray 2.60's metrics agent, which serves the page of
a node: the HTTP and process families beside vLLM's are not vLLM's. What has not happened yet has
no series. The sums of its histograms are made from the middles of their buckets: averages of them
are rough. Before Ray's move to OpenTelemetry names kept their colon.
"""

from dataclasses import replace

from inferometer import catalogue as c
from inferometer.engines.table import Marks
from inferometer.engines.tables import vllm

ENGINE = replace(
    vllm.ENGINE,
    title="vLLM on Ray Serve",
    spelling=replace(vllm.ENGINE.spelling, pattern=r"ray_vllm[:_]"),
    marks=Marks(),
    signals={metric: sources for metric, sources in vllm.ENGINE.signals.items()
             if metric is not c.SERVER_START} | {c.SERVER_KV_CAPACITY: vllm.capacity(sum)},
    http=None,
    documents=(),
    unseen=vllm.ENGINE.unseen | {
        "requests_error", "requests_rejected", "requests_abort",
        "external_cache_query_tokens", "external_cache_hit_tokens", "multimodal_cache_queries",
        "multimodal_cache_hits", "spec_decode_drafts", "spec_decode_draft_tokens",
        "spec_decode_accepted_tokens", "spec_decode_accepted_at_tokens", "lora_adapters_running",
        "lora_adapters_waiting", "lora_adapters_max", "requests_corrupted",
        "estimated_gpu_flops", "estimated_gpu_memory_bytes",
    },
)
