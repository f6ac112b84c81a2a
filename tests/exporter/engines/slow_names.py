"""Names that are not resolved for as long as a test likes, in a real process."""

from __future__ import annotations

import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
FLAGS = ("-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror")


class SlowNames:
    """All names under `.slow`, which are this host: they hang, or are resolved.

    A process that has `env()` from its start on is ruled by it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._library = folder / "slow_names.so"
        self._control = folder / "hangs"
        done = subprocess.run(["gcc", *FLAGS, "-o", self._library, SOURCE, "-ldl"],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)

    def env(self) -> dict[str, str]:
        """What the process needs in its environment."""
        return {"LD_PRELOAD": str(self._library), "SLOW_NAMES": str(self._control)}

    def hang(self) -> None:
        """Answer no more."""
        self._control.touch()

    def answer(self) -> None:
        """Answer, also those that wait."""
        self._control.unlink(missing_ok=True)
