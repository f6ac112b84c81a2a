"""Builds the fake `libnvidia-ml.so.1` of fake_nvml.c and says what it answers.

The control file's language is described at the top of fake_nvml.c.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
SONAME = "libnvidia-ml.so.1"
DRIVER = "570.00.01"
FLAGS = ("-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", f"-Wl,-soname,{SONAME}")


def build(folder: Path, driver: str = DRIVER) -> Path:
    """Compile a driver's library into `folder`, for any number of FakeNvml to share."""
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / SONAME
    unfinished = folder / f"{SONAME}.{os.getpid()}.tmp"
    command = ["gcc", *FLAGS, f'-DDRIVER="{driver}"', "-pthread",
               "-o", str(unfinished), str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
    unfinished.replace(library)
    return library


class FakeNvml:
    """One fake driver: its library, its control file and its record of calls, all in `folder`.

    The loader reads LD_LIBRARY_PATH when a process starts, so `env()` is for a child process;
    inside this one, `ctypes.CDLL(str(fake.library))` first makes pynvml find the same library.
    """

    def __init__(self, folder: Path, library: Path | None = None) -> None:
        """Take a `library` from `build`, or compile one; either way it is installed."""
        self.folder = folder
        self.library = folder / "lib" / SONAME
        self.control_file = folder / "control"
        self.calls_file = folder / "calls"
        self.library.parent.mkdir(parents=True, exist_ok=True)
        self._built = library if library is not None else build(folder / "build")
        self._lines: list[str] = []
        self._last_stamp = 0
        self.install()

    def env(self) -> dict[str, str]:
        """What a process needs in its environment to load this library and be ruled by it."""
        inherited = os.environ.get("LD_LIBRARY_PATH")
        path = str(self.library.parent)
        return {
            "LD_LIBRARY_PATH": f"{path}:{inherited}" if inherited else path,
            "FAKE_NVML_CONTROL": str(self.control_file),
            "FAKE_NVML_CALLS": str(self.calls_file),
        }

    def write(self, *lines: str) -> None:
        """Make these the control file's only lines."""
        self._lines = list(lines)
        unfinished = self.control_file.with_suffix(".tmp")
        unfinished.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        # The library looks at the inode and the time to see a change. Within one tick of the
        # file system's clock a freed inode can come back, so no two versions share a time.
        self._last_stamp = max(time.time_ns(), self._last_stamp + 1)
        os.utime(unfinished, ns=(self._last_stamp, self._last_stamp))
        unfinished.replace(self.control_file)

    def add(self, *lines: str) -> None:
        """Add lines at the end, where they win over earlier ones."""
        self.write(*self._lines, *lines)

    def remove(self, line_prefix: str) -> None:
        """Remove the lines that begin with these words: "lost 1" leaves "lost 10" alone."""
        words = line_prefix.split()
        self.write(*(line for line in self._lines if line.split()[: len(words)] != words))

    def calls(self) -> list[str]:
        """The calls so far, oldest first: "FUNCTION GPU", or "FUNCTION -" without a device.

        Each is followed by the values it asked for, if any: "field FIELD GPU".
        """
        if not self.calls_file.exists():
            return []
        return self.calls_file.read_text(encoding="utf-8").splitlines()

    def install(self, library: Path | None = None) -> None:
        """Make the library, or another build of it, appear: a driver is installed."""
        self._built = library or self._built
        # Replaced and not written over: a process may be running the one that is there.
        unfinished = self.library.with_suffix(".tmp")
        shutil.copyfile(self._built, unfinished)
        unfinished.replace(self.library)

    def uninstall(self) -> None:
        """Make the library disappear; a process that has loaded it keeps it."""
        self.library.unlink(missing_ok=True)
