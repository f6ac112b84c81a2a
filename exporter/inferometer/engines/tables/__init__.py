"""Inference engines: their own metrics pages, said in one vocabulary."""

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
