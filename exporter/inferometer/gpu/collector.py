"""GPUs: the sampler's last snapshots as families; nothing here waits for the driver."""

from __future__ import annotations

from collections.abc import Iterable

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.gpu.sampler import Sampler
from inferometer.gpu.state import Gpu
from inferometer.samples import Family


class GpuCollector:
    """Says what the sampler knows of each GPU, as long as it is fresh."""

    name = "gpu"

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """The families of all GPUs.

        Of a lost or hung one only who it is, that it is not up, when it last answered, its XIDs.
        """
        said = {metric: Family(metric) for metric in c.GPU_METRICS}
        for gpu in self._sampler.gpus():
            if not self._sampler.settling(gpu):
                self._say(said, gpu)
        return said.values()

    def _say(self, said: dict[c.Metric, Family], gpu: Gpu) -> None:
        who = (str(gpu.index), gpu.uuid)
        snapshot = self._sampler.fresh(gpu)
        said[c.GPU_UP].points[who] = 1.0 if snapshot else 0.0
        if gpu.name:
            info = (*who, gpu.name, gpu.driver_version, gpu.pci_bus_id)
            said[c.GPU_INFO].points[info] = 1.0
        for xid, count in gpu.xids.items():
            said[c.GPU_XID].points[*who, xid] = float(count)
        if gpu.last_xid_time is not None:
            said[c.GPU_XID_LAST].points[who] = gpu.last_xid_time
        if gpu.last_read is not None:
            said[c.GPU_LAST_SAMPLE].points[who] = gpu.last_read
        for metric, points in (snapshot.points if snapshot else {}).items():
            family = said[metric]
            for extra, value in points.items():
                family.points[*who, *extra] = value
