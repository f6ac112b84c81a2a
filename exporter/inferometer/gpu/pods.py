"""Pods: which of them the kubelet has given each GPU or MIG instance, as of now.

Device plugins call a device in several ways: `GPU-…` and `MIG-…` by NVML's UUID, NVIDIA's older
one `MIG-GPU-…/3/0`, Google's by the device file `nvidia0`, with `/gi3` for a MIG instance. One of
several that share a device has `::1` or `/vgpu1` behind it.

A device that is shared is marked so, as nobody may be given the whole of it: one that has replicas,
and one that two pods have, which an old kubelet says too when one of them has ended and is not yet
deleted. Two containers of one pod do not share.
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
    """Asks the kubelet in each scrape. What it does not answer is not known, and not said."""

    name = "pods"
    punctual = False

    def __init__(self, kubelet: Kubelet, sampler: Sampler) -> None:
        self._kubelet = kubelet
        self._sampler = sampler
        self._strange: frozenset[str] = frozenset()  # names of devices that no GPU here has

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """Who has what. Raises KubeletError."""
        seconds = min(ANSWER_SECONDS, deadline.left() * ANSWER_SHARE)
        held = [holding for holding in self._kubelet.holdings(seconds)
                if holding.resource.startswith(VENDOR)]
        devices = self._devices()
        self._tell_of_strange({name for holding in held for name in holding.devices
                               if _plain(name) not in devices})
        points: dict[Key, Value] = {key: 1.0 for key in _points(held, devices)}
        return [Family(c.GPU_POD_INFO, points)]

    def _devices(self) -> dict[str, Key]:
        """Every name that a device plugin may have for a GPU or MIG instance that is known here."""
        devices: dict[str, Key] = {}
        for gpu in self._sampler.gpus():
            if gpu.uuid:
                devices |= _names(gpu, self._instances(gpu))
        return devices

    def _instances(self, gpu: Gpu) -> Mapping[str, str]:
        """The UUIDs of the GPU's MIG instances, by what they are called here."""
        fresh = self._sampler.fresh(gpu)
        return {extra[0]: extra[1] for metric, extra in (fresh.points if fresh else ())
                if metric is c.GPU_MIG_INFO}

    def _tell_of_strange(self, names: set[str]) -> None:
        if not self._sampler.looked.is_set():
            return  # GPUs are still being looked for
        for name in sorted(names - self._strange):
            log.warning("the kubelet speaks of a device that is no GPU known here",
                        extra={"device": name})
        self._strange = frozenset(names)


def _names(gpu: Gpu, instances: Mapping[str, str]) -> dict[str, Key]:
    """The names of the GPU and of its MIG instances, each with its `gpu`, `uuid` and `mig`."""
    who = (str(gpu.index), gpu.uuid)
    names: dict[str, Key] = {gpu.uuid: (*who, "")}
    if gpu.minor:
        names[f"nvidia{gpu.minor}"] = (*who, "")
    parts = [mig.partition("/")[0] for mig in instances]
    for mig, uuid in instances.items():
        part = mig.partition("/")[0]
        names |= {uuid: (*who, mig), f"MIG-{gpu.uuid}/{mig}": (*who, mig)}
        if gpu.minor and parts.count(part) == 1:  # else it is several compute instances
            names[f"nvidia{gpu.minor}/gi{part}"] = (*who, mig)
    return names


def _plain(name: str) -> str:
    """The device that one of several replicas of it stands for."""
    return REPLICA.sub("", name)


def _points(held: Iterable[Holding], devices: Mapping[str, Key]) -> Iterable[Key]:
    """Each device with each container that has it, and whether others may have it too."""
    holders: dict[Key, set[tuple[str, str, str]]] = {}
    replicated: set[Key] = set()
    for holding in held:
        for name in holding.devices:
            device = devices.get(_plain(name))
            if device is None:
                continue
            holders.setdefault(device, set()).add(
                (holding.namespace, holding.pod, holding.container))
            if _plain(name) != name:
                replicated.add(device)
    for device, containers in holders.items():
        pods = {(namespace, pod) for namespace, pod, _ in containers}
        shared = "true" if device in replicated or len(pods) > 1 else "false"
        for container in sorted(containers):
            yield (*device, *container, shared)
