"""Inferometer measures LLM inference: GPUs, engines, and what they cost."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("inferometer")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"
