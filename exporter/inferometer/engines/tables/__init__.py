"""The tables of all engines: one module an engine, named like its folder of fixtures.

Where two tables would fit a page equally well, the first in the list is taken.
"""

from inferometer.engines.tables import (
    dynamo,
    dynamo_worker,
    kserve,
    llama_cpp,
    lmdeploy,
    nim,
    ray_serve,
    sglang,
    sglang_router,
    tensorrt_llm,
    tgi,
    triton,
    vllm,
)

TABLES = (
    vllm.ENGINE, ray_serve.ENGINE, tgi.ENGINE, sglang.ENGINE, llama_cpp.ENGINE,
    tensorrt_llm.ENGINE, tensorrt_llm.FORMER, triton.ENGINE, lmdeploy.ENGINE, nim.ENGINE,
    kserve.ENGINE, dynamo.ENGINE, dynamo_worker.ENGINE, sglang_router.ENGINE,
)
