"""Pods: which of them the kubelet has given each GPU or MIG instance, as of now.

Device plugins name a device in several ways: `GPU-…` and `MIG-…` are NVML's UUIDs, `MIG-GPU-…/3/0`
is NVIDIA's older name of a MIG instance. Google's plugin takes the device file, `nvidia0`, with
`/gi3` for a MIG instance. A replica of a device that is shared ends in `::1` or `/vgpu1`.

A shared device is marked so, because no pod may be given all of it. It is shared if it has
replicas, or if two pods have it; for an old kubelet that includes a pod that has ended and is not
yet deleted. Two containers of one pod do not share.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.families import Family
from inferometer.gpu.kubelet import Holding, Kubelet
from inferometer.gpu.registry import Gpu
from inferometer.gpu.sampler import Sampler
from inferometer.values import Key, Value

ANSWER_SECONDS = 3.0  # a kubelet in good health takes a few milliseconds
ANSWER_SHARE = 0.6  # of the collector's time at most, so that it can say why there is no answer
VENDOR = "nvidia.com/"
REPLICA = re.compile(r"(?:::|/vgpu)\d+$")

log = logging.getLogger(__name__)


class PodsCollector:
    """Asks the kubelet in each scrape. Without an answer there are no series."""

    name = "pods"
    punctual = False

    def __init__(self, kubelet: Kubelet, sampler: Sampler) -> None:
        self._kubelet = kubelet
        self._sampler = sampler
        self._strange: frozenset[str] = frozenset()  # devices of the last answer that no GPU has

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """The containers that have each device. Raises KubeletError."""
        seconds = min(ANSWER_SECONDS, deadline.left() * ANSWER_SHARE)
        holdings = [holding for holding in self._kubelet.holdings(seconds)
                    if holding.resource.startswith(VENDOR)]
        devices = self._devices()
        self._log_strange({name for holding in holdings for name in holding.devices
                           if _device_of(name) not in devices})
        points: dict[Key, Value] = {key: 1.0 for key in _keys(holdings, devices)}
        return [Family(c.GPU_POD_INFO, points)]

    def _devices(self) -> dict[str, Key]:
        """Each name that a device plugin may have for a GPU or MIG instance, with its labels."""
        devices: dict[str, Key] = {}
        for gpu in self._sampler.gpus():
            if gpu.uuid:
                devices |= _names(gpu, self._instances(gpu))
        return devices

    def _instances(self, gpu: Gpu) -> Mapping[str, str]:
        """The UUIDs of the GPU's MIG instances, by the value of the label `mig`."""
        fresh = self._sampler.fresh(gpu)
        return {labels[0]: labels[1] for metric, labels in (fresh.points if fresh else ())
                if metric is c.GPU_MIG_INFO}

    def _log_strange(self, names: set[str]) -> None:
        if not self._sampler.looked.is_set():
            return  # GPUs are still being looked for
        for name in sorted(names - self._strange):
            log.warning("the kubelet speaks of a device that is no GPU known here",
                        extra={"device": name})
        self._strange = frozenset(names)


def _names(gpu: Gpu, instances: Mapping[str, str]) -> dict[str, Key]:
    """The names of the GPU and of its MIG instances, each with its `gpu`, `uuid` and `mig`."""
    labels = (str(gpu.index), gpu.uuid)
    names: dict[str, Key] = {gpu.uuid: (*labels, "")}
    if gpu.minor:
        names[f"nvidia{gpu.minor}"] = (*labels, "")
    parts = [mig.partition("/")[0] for mig in instances]
    for mig, uuid in instances.items():
        part = mig.partition("/")[0]
        names |= {uuid: (*labels, mig), f"MIG-{gpu.uuid}/{mig}": (*labels, mig)}
        if gpu.minor and parts.count(part) == 1:  # else it is several compute instances
            names[f"nvidia{gpu.minor}/gi{part}"] = (*labels, mig)
    return names


def _device_of(name: str) -> str:
    """The device's name, given that of the device or of one of its replicas."""
    return REPLICA.sub("", name)


def _keys(holdings: Iterable[Holding], devices: Mapping[str, Key]) -> Iterable[Key]:
    """A key for each device and container that has it; its last value: is the device shared?"""
    containers: dict[Key, set[tuple[str, str, str]]] = {}  # by device
    replicated: set[Key] = set()
    for holding in holdings:
        for name in holding.devices:
            device = devices.get(_device_of(name))
            if device is None:
                continue
            containers.setdefault(device, set()).add(
                (holding.namespace, holding.pod, holding.container))
            if _device_of(name) != name:
                replicated.add(device)
    for device, holders in containers.items():
        pods = {(namespace, pod) for namespace, pod, _ in holders}
        shared = "true" if device in replicated or len(pods) > 1 else "false"
        for holder in sorted(holders):
            yield (*device, *holder, shared)
