"""Pods: which of them the kubelet has given each GPU or MIG instance, as of now.

Device plugins name a device in several ways: `GPU-…` and `MIG-…` are NVML's UUIDs, `MIG-GPU-…/3/0`
is NVIDIA's older name of a MIG instance, `tegra` its name of the one GPU of a Jetson. Google's
plugin takes the device file, `nvidia0`, with `/gi3` for a MIG instance.

A share of a device is the device's name with a number of its own. Sources, as of 2026:
`::1` NVIDIA (k8s-device-plugin, internal/rm/devices.go), `/vgpu1` Google; `-1` HAMi (HAMi,
pkg/device-plugin/nvidiadevice/nvinternal/rm/devices.go), volcano (volcano-vgpu-device-plugin,
pkg/plugin/vgpu/plugin.go, also `-memory-1` and `-core-1`) and AWS (aws-virtual-gpu-device-plugin,
pkg/gpu/nvidia/nvidia.go); `-_-1` Aliyun (gpushare-device-plugin, pkg/gpu/nvidia/nvidia.go). The
ids of Tencent's gpu-manager (`tencent.com/vcuda-core-1`) name no GPU.

A shared device is marked so, because no pod may be given all of it. It is shared if it has
shares, or if two pods have it; for an old kubelet that includes a pod that has ended and is not
yet deleted. Two containers of one pod do not share.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Container, Iterable, Mapping

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.families import Family
from inferometer.gpu.kubelet import MOST_DEVICES, MOST_PODS, Allowance, Holding, Kubelet
from inferometer.gpu.registry import Gpu
from inferometer.gpu.sampler import Sampler
from inferometer.values import Key, Value

ANSWER_SECONDS = 3.0  # a kubelet in good health takes a few milliseconds
ANSWER_SHARE = 0.6  # of the collector's time at most, so that it can say why there is no answer
RESOURCES = ("nvidia.com/", "volcano.sh/vgpu-", "aliyun.com/gpu-", "k8s.amazonaws.com/vgpu")
# Whose devices the driver of the node has to list: not those of virtual machines, for instance.
LISTED = re.compile(r"nvidia\.com/(?:gpu|mig-.*?)(?:\.shared)?")
SHARE = re.compile(r"(?:::|/vgpu|-_-|-(?:memory-|core-)?)\d+$")
LONGEST_NAME = 200  # characters; no device plugin's is half as long
NAMED, SHOWN = 3, 60  # how many names of devices a line has at most, and characters of each
TEGRA = "tegra"

log = logging.getLogger(__name__)


class PodsCollector:
    """Asks the kubelet in each scrape. Without an answer there are no series."""

    name = "pods"
    punctual = False

    def __init__(self, kubelet: Kubelet, sampler: Sampler) -> None:
        self._kubelet = kubelet
        self._sampler = sampler
        self._instances_seen: dict[str, set[str]] = {}  # their names, by the GPU's UUID
        self._logged: dict[str, object] = {}  # what was true of each line last

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """The containers that have each device. Raises KubeletError."""
        seconds = min(ANSWER_SECONDS, deadline.left() * ANSWER_SHARE)
        allowance = Allowance(lambda resource: resource.startswith(RESOURCES))
        holdings = self._kubelet.holdings(seconds, allowance)
        devices = self._devices()
        self._say("the kubelet's answer has more than is read of one", allowance.cut,
                  pods=MOST_PODS, devices=MOST_DEVICES)
        points: dict[Key, Value] = {key: 1.0 for key in _keys(holdings, devices)}
        return [Family(c.GPU_POD_INFO, points), *self._unlisted(holdings, devices)]

    def _devices(self) -> dict[str, Key]:
        """Each name that a device plugin may have for a GPU or MIG instance, with its labels."""
        devices: dict[str, Key] = {}
        gpus = self._sampler.gpus()
        for gpu in sorted(gpus, key=lambda gpu: not gpu.gone):  # a device file may be another's now
            if gpu.uuid:
                devices |= _names(gpu, self._instances(gpu))
        if len(gpus) == 1 and gpus[0].uuid:  # one without would be every Jetson's
            devices[TEGRA] = (str(gpus[0].index), gpus[0].uuid, "")
        return devices

    def _unlisted(self, holdings: Iterable[Holding],
                  devices: Mapping[str, Key]) -> Iterable[Family]:
        """How many devices were given out that no GPU has; nothing while GPUs are looked for."""
        strange = {name for holding in holdings for name in holding.devices
                   if _device_of(name, devices) not in devices}
        listed = {name for holding in holdings if LISTED.fullmatch(holding.resource)
                  for name in holding.devices}
        gpus = self._sampler.gpus()
        if not self._sampler.looked.is_set() or any(map(self._sampler.settling, gpus)):
            return
        self._say("the kubelet has given out devices of no GPU known here", len(strange),
                  devices=len(strange), such_as=[name[:SHOWN] for name in sorted(strange)[:NAMED]])
        present = {*devices, *self._lost_instances(gpus), *([TEGRA] if len(gpus) == 1 else [])}
        present -= {name for name, key in devices.items()
                  if any(gpu.gone and gpu.uuid == key[1] for gpu in gpus)}
        missing = [name for name in listed if _device_of(name, present) not in present]
        yield Family(c.GPU_UNLISTED, {(): float(len(missing))})

    def _lost_instances(self, gpus: Iterable[Gpu]) -> set[str]:
        """Names of MIG instances whose GPU does not answer now; it had them when it did."""
        names: set[str] = set()
        for gpu in gpus:
            if gpu.uuid and self._sampler.fresh(gpu):
                self._instances_seen[gpu.uuid] = {*_names(gpu, self._instances(gpu))}
            elif not gpu.gone:
                names |= self._instances_seen.get(gpu.uuid, set())
        return names

    def _instances(self, gpu: Gpu) -> Mapping[str, str]:
        """The UUIDs of the GPU's MIG instances, by the value of the label `mig`."""
        fresh = self._sampler.fresh(gpu)
        return {labels[0]: labels[1] for metric, labels in (fresh.points if fresh else ())
                if metric is c.GPU_MIG_INFO}

    def _say(self, line: str, now: object, **more: object) -> None:
        """One line for all that is so, and another once that is not the same any more."""
        if now and now != self._logged.get(line):
            log.warning(line, extra=more)
        self._logged[line] = now


def _names(gpu: Gpu, instances: Mapping[str, str]) -> dict[str, Key]:
    """The names of the GPU and of its MIG instances, each with its `gpu`, `uuid` and `mig`."""
    labels = (str(gpu.index), gpu.uuid)
    names: dict[str, Key] = {gpu.uuid: (*labels, "")}
    if gpu.minor:
        names[f"nvidia{gpu.minor}"] = (*labels, "")
    parts = [mig.partition("/")[0] for mig in instances]
    for mig, uuid in instances.items():
        part = mig.partition("/")[0]
        names |= {f"MIG-{gpu.uuid}/{mig}": (*labels, mig)}
        if uuid:
            names[uuid] = (*labels, mig)
        if gpu.minor and parts.count(part) == 1:  # else it is several compute instances
            names[f"nvidia{gpu.minor}/gi{part}"] = (*labels, mig)
    return names


def _device_of(name: str, devices: Container[str]) -> str:
    """The device's name, given that of one of the devices or of a share of it."""
    return name if name in devices or len(name) > LONGEST_NAME else SHARE.sub("", name)


def _keys(holdings: Iterable[Holding], devices: Mapping[str, Key]) -> Iterable[Key]:
    """A key for each device and container that has it; its last value: is the device shared?"""
    containers: dict[Key, set[tuple[str, str, str]]] = {}  # by device
    parted: set[Key] = set()
    for holding in holdings:
        for name in holding.devices:
            device = devices.get(_device_of(name, devices))
            if device is None:
                continue
            containers.setdefault(device, set()).add(
                (holding.namespace, holding.pod, holding.container))
            if name not in devices:
                parted.add(device)
    for device, holders in containers.items():
        pods = {(namespace, pod) for namespace, pod, _ in holders}
        shared = "true" if device in parted or len(pods) > 1 else "false"
        for holder in sorted(holders):
            yield (*device, *holder, shared)
