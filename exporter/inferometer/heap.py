"""The heap: one for all threads, free memory given back, and seldom searched for circles."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable

M_TRIM_THRESHOLD, M_ARENA_MAX = -1, -8  # of glibc's malloc.h
KEPT_BYTES = 2**20  # of free memory at the end of the heap
# Objects that are made before the youngest, those that outlived one search, and all are searched.
SEARCHES = (20_000, 10, 10)


def slim() -> None:
    """Make glibc use one heap and return free memory: mostly one thread runs at a time.

    By default glibc gives each thread a heap that grows, and keeps the memory of large pages.
    """
    if mallopt := _function("mallopt"):
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def search_seldom() -> None:
    """Have Python look for circles of objects less often, for who makes many that have none."""
    gc.set_threshold(*SEARCHES)


def trim() -> None:
    """Return what is free between what is in use, too; takes milliseconds."""
    if malloc_trim := _function("malloc_trim"):
        malloc_trim(0)


def _function(name: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), name, None)  # not every C library has it
