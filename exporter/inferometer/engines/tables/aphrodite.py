"""Aphrodite, a fork of vLLM with its names under another prefix.

From aphrodite/v1/metrics/loggers.py (0.24.1): its families are among vLLM's, prefix apart.
"""

from dataclasses import replace

from inferometer.engines.tables import vllm

ENGINE = replace(
    vllm.ENGINE,
    name="aphrodite",
    title="Aphrodite",
    evidence="documented",
    spelling=replace(vllm.ENGINE.spelling, pattern=r"aphrodite[:_]"),
)
