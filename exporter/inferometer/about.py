"""Where the project is, the exporter's version, and how reloads of its configuration went."""

from __future__ import annotations

import time
from collections.abc import Callable

from inferometer import __version__
from inferometer import catalogue as c
from inferometer.families import Family

DEMO_SUFFIX = "+demo"  # of the version, as a local one of PEP 440
PROJECT_URL = "https://github.com/inferometer/inferometer"


class About:
    """Counts reloads. The start is not counted, but the configuration is good from then on.

    `demo`: whether what the exporter watches is made up.
    """

    def __init__(self, wall: Callable[[], float] = time.time, *, demo: bool = False) -> None:
        self.demo = demo
        self.version = f"{__version__}{DEMO_SUFFIX}" if demo else __version__
        self._wall = wall
        self._reloads = {"success": 0.0, "failure": 0.0}
        self._in_force = True  # whether the file, as it was read last, is in force
        self.started_at = self._loaded_at = wall()  # Unix seconds

    def reloaded(self) -> None:
        """Count a reload: the configuration was read again, and is in force."""
        self._reloads["success"] += 1
        self._in_force, self._loaded_at = True, self._wall()

    def failed_to_reload(self) -> None:
        """Count a failed reload: the configuration was read again, and was not good."""
        self._reloads["failure"] += 1
        self._in_force = False

    def families(self) -> list[Family]:
        """Build information and how reloads went, as families."""
        build, reloads = Family(c.BUILD_INFO), Family(c.CONFIG_RELOADS)
        in_force, loaded_at = Family(c.CONFIG_RELOAD_OK), Family(c.CONFIG_RELOAD_TIME)
        build.add(1.0, version=self.version)
        for result, count in self._reloads.items():
            reloads.add(count, result=result)
        in_force.add(1.0 if self._in_force else 0.0)
        loaded_at.add(self._loaded_at)
        return [build, reloads, in_force, loaded_at]
