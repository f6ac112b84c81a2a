"""The C library's heap: one for all threads, and free memory given back."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

M_TRIM_THRESHOLD, M_ARENA_MAX = -1, -8  # of glibc's malloc.h
KEPT_BYTES = 2**20  # of free memory at the end of the heap


def slim() -> None:
    """Make glibc use one heap and return free memory: mostly one thread runs at a time.

    By default glibc gives each thread a heap that grows, and keeps the memory of large pages.
    """
    if mallopt := _function("mallopt"):
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def trim() -> None:
    """Return what is free between what is in use, too; takes milliseconds."""
    if malloc_trim := _function("malloc_trim"):
        malloc_trim(0)


def _function(name: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), name, None)  # not every C library has it
