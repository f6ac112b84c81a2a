"""GPUs: the sampler's last snapshots as families; nothing here waits for the driver."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.gpu.lines import Joint, Line, Lines, Said
from inferometer.gpu.sampler import Sampler
from inferometer.gpu.state import Gpu
from inferometer.samples import Family, Key


class GpuCollector:
    """Says what the sampler knows of each GPU, as long as it is fresh."""

    name = "gpu"
    punctual = True

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._lock = threading.Lock()  # over what is kept between pages
        self._lines: dict[Key, Lines] = {}
        self._joints = {metric: Joint() for metric in c.GPU_METRICS}
        self._said: Sequence[Said] = ()
        self._families: Sequence[Family] = ()

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """The families of all GPUs.

        Of a lost or hung one only who it is, that it is not up, when it last answered, its XIDs.
        """
        with self._lock:
            said = [self._say(gpu) for gpu in self._sampler.gpus()
                    if not self._sampler.settling(gpu)]
            if said != self._said:
                self._said, self._families = said, self._join(said)
            return self._families

    def _say(self, gpu: Gpu) -> Said:
        who = (str(gpu.index), gpu.uuid)
        if who not in self._lines:
            self._lines[who] = Lines(who)
        return self._lines[who].of(gpu.say(self._sampler.fresh(gpu)))

    def _join(self, said: Iterable[Said]) -> Sequence[Family]:
        families: dict[c.Metric, list[Line]] = {metric: [] for metric in c.GPU_METRICS}
        for lines in said:
            for metric, line in lines:
                families[metric].append(line)
        return [Family(metric, blocks=[self._joints[metric].of(lines)])
                for metric, lines in families.items() if lines]
