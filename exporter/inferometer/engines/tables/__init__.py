"""The tables of all engines: one module an engine, named like its folder of fixtures.

The first whose marks a page has is taken: the special stand before the general, and what wraps an
engine behind it.
"""

from inferometer.engines.tables import (
    aphrodite,
    dynamo,
    dynamo_worker,
    endpoint_picker,
    kserve,
    litellm,
    llama_cpp,
    lmdeploy,
    nim,
    ollama,
    production_stack,
    ray_serve,
    sglang,
    sglang_router,
    tei,
    tensorrt_llm,
    tgi,
    triton,
    vllm,
    vllm_omni,
    vllm_router,
)

TABLES = (
    vllm.ENGINE, ray_serve.ENGINE, sglang.ENGINE, tgi.ENGINE, llama_cpp.ENGINE, tensorrt_llm.ENGINE,
    tensorrt_llm.FORMER, lmdeploy.ENGINE, nim.ENGINE, aphrodite.ENGINE, vllm_omni.ENGINE,
    vllm_omni.FORMER, vllm_omni.STAGES, tei.ENGINE, ollama.ENGINE, production_stack.ENGINE,
    vllm_router.ENGINE, litellm.ENGINE, endpoint_picker.ENGINE, endpoint_picker.FORMER,
    dynamo.ENGINE, dynamo.FORMER, sglang_router.ENGINE, triton.ENGINE, dynamo_worker.ENGINE,
    kserve.ENGINE,
)
