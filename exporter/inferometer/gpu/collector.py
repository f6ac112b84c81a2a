"""GPUs: the sampler's last snapshots as families; nothing here waits for the driver."""

from __future__ import annotations

from collections.abc import Iterable

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.gpu.sampler import Sampler
from inferometer.samples import Family


class GpuCollector:
    """Says what the sampler knows of each GPU, as long as it is fresh."""

    name = "gpu"
    quick = True

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """The families of all GPUs.

        Of a lost or hung one only who it is, that it is not up, when it last answered, its XIDs.
        """
        said = {metric: Family(metric) for metric in c.GPU_METRICS}
        for gpu in self._sampler.gpus():
            if not self._sampler.settling(gpu):
                for metric, block in gpu.say(self._sampler.fresh(gpu)):
                    said[metric].blocks.append(block)
        return said.values()
