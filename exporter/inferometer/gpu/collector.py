"""GPUs: the sampler's last snapshots as families. Nothing here waits for the driver."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from inferometer import catalogue as c
from inferometer.collector import Deadline, IncompleteError
from inferometer.families import Family
from inferometer.gpu.sampler import Sampler
from inferometer.rendered.columns import Table


class GpuCollector:
    """Shows what the sampler knows of each GPU, as long as it is fresh."""

    name = "gpu"
    punctual = True

    def __init__(self, sampler: Sampler, required: bool = False) -> None:
        """`required`: whether this exporter is for GPUs, so that no driver is a failure."""
        self._sampler = sampler
        self._required = required
        self._lasting, self._passing = Table(c.GPU_METRICS), Table(c.GPU_METRICS)
        self._lock = threading.Lock()  # over the tables

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """The families of the driver and of all GPUs. Raises IncompleteError, see `required`.

        A lost or hung GPU has only its info, its up at 0, its last sample's time and its XIDs.
        """
        fault = self._sampler.fault
        families = [*self._driver(fault), *self._gpus()]
        if fault and self._required:
            raise IncompleteError(f"{fault}: {self._sampler.state}", families)
        return families

    def _driver(self, fault: str | None) -> Iterable[Family]:
        if fault is not None:
            yield Family(c.GPU_DRIVER_UP, {(fault,): 0.0 if fault else 1.0})

    def _gpus(self) -> Iterable[Family]:
        with self._lock:
            gpus = [((str(gpu.index), gpu.uuid), gpu) for gpu in self._sampler.gpus()
                    if not self._sampler.settling(gpu)]
            lasting = self._lasting.families(
                [(labels, gpu.lasting_points()) for labels, gpu in gpus])
            passing = self._passing.families(
                [(labels, gpu.passing_points(self._sampler.fresh(gpu))) for labels, gpu in gpus])
            return [*lasting, *passing]
