"""NVIDIA Dynamo's worker, where the engine in it shows no families of its own on the page.

From lib/runtime/src/metrics/prometheus_names.rs and the page of 1.6.1. Its requests are counted as
they come, and its cancelled ones as errors as well: nothing tells how they ended. Those in flight
are waiting, too.
"""

import re

from inferometer import catalogue as c
from inferometer.engines.sources import Series
from inferometer.engines.table import Engine

ENGINE = Engine(
    name="dynamo_worker",
    title="Dynamo worker",
    evidence="run",
    prefix="dynamo_",
    spelling=re.compile(r"dynamo_(?!frontend_)"),
    wraps=True,
    models=("model", "model_name"),
    rank="dp_rank",
    signals={
        # A component has other endpoints, which do no inference.
        c.SERVER_DURATION: (
            Series("dynamo_component_request_duration_seconds",
                   where={"dynamo_endpoint": ("generate",)}),
        ),
        c.SERVER_KV_USAGE: (
            Series("dynamo_component_gpu_cache_usage_percent", combine=max, most=1.0),
            Series("dynamo_component_kvstats_gpu_cache_usage_percent", combine=max, most=1.0),
        ),
    },
    unused=(
        r"component_.*|work_handler_.*|engine_.*|rejection_.*|request_.*|router_.*|routing_.*"
        r"|tokio_.*|transport_.*|kvindexer_.*|preprocessor_.*"
    ),
)
