"""Several works at once, each in a thread of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence

Work = Callable[[], None]


def in_threads(works: Sequence[Work]) -> None:
    """All of them, until each has ended."""
    with while_they_run(works):
        pass


@contextlib.contextmanager
def while_they_run(works: Sequence[Work], over: threading.Event | None = None) -> Iterator[None]:
    """All of them beside the block, whose end `over` tells them; each is waited for then."""
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        if over is not None:
            over.set()
        for thread in threads:
            thread.join()
