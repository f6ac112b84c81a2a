"""vLLM on Ray Serve, whose metrics go through Ray: one series for each replica and worker.

From vLLM's vllm/v1/metrics/ray_wrappers.py and Ray 2.60's metrics agent, which serves the page of
a node: the HTTP and process families beside vLLM's are not vLLM's. What has not happened yet has
no series. The sums of its histograms are made from the middles of their buckets: averages of them
are rough. Before Ray's move to OpenTelemetry names kept their colon.
"""

from dataclasses import replace

from inferometer import catalogue as c
from inferometer.engines.tables import vllm

ENGINE = replace(
    vllm.ENGINE,
    title="vLLM on Ray Serve",
    spelling=replace(vllm.ENGINE.spelling, pattern=r"ray_vllm[:_]"),
    signals={metric: sources for metric, sources in vllm.ENGINE.signals.items()
             if metric is not c.SERVER_START} | {c.SERVER_KV_CAPACITY: vllm.capacity(sum)},
    http=None,
    documents=(),
    unseen=vllm.ENGINE.unseen | {"requests_rejected", "preemptions"},
)
