"""A terminal that a test looks at: what a program shows there, and what is typed into it."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence


class Terminal:
    """A program on a terminal of its own; `shown` is all that it has written there."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self.shown = ""
        self._descriptor = descriptor

    def type(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def wait_for(self, text: str, seconds: float = 20.0) -> str:
        """All that was shown up to this text, which then is forgotten with it."""
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < deadline, f"no {text!r} within {seconds} s: {self.shown!r}"
            assert self._read(), f"it ended without {text!r}: {self.shown!r}"
        before, _, self.shown = self.shown.partition(text)
        return before + text

    def rest(self, seconds: float = 20.0) -> str:
        """All that is shown until the program ends."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._read():
            pass
        self.process.wait(5)
        return self.shown

    def _read(self) -> bool:
        """Whether there may be more."""
        if select.select([self._descriptor], [], [], 0.1)[0]:
            try:
                self.shown += os.read(self._descriptor, 65536).decode(errors="replace")
            except OSError:  # Linux has no end of file here
                return False
        return True


@contextlib.contextmanager
def on_a_terminal(command: Sequence[str], env: Mapping[str, str]) -> Iterator[Terminal]:
    """The program on a terminal; ended by its pid."""
    descriptor, end = pty.openpty()
    process = subprocess.Popen(command, stdin=end, stdout=end, stderr=end, start_new_session=True,
                               env={**os.environ, "TERM": "xterm", **env})
    os.close(end)
    try:
        yield Terminal(process, descriptor)
    finally:
        process.kill()
        process.wait()
        os.close(descriptor)
