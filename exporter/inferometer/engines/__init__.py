"""Inference engines: their own metrics pages, said in one vocabulary."""

from inferometer.engines import llama_cpp, sglang, tgi, vllm

ENGINES = (vllm.ENGINE, tgi.ENGINE, sglang.ENGINE, llama_cpp.ENGINE)
