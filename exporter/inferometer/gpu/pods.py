"""Pods: which of them the kubelet has given each GPU or MIG instance, as of now.

A shared device is marked so, because no pod may be given all of it. It is shared if it has
shares, or if two pods have it; for an old kubelet that includes a pod that has ended and is not
yet deleted. Two containers of one pod do not share. `devices.py` has the names of devices.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Mapping, Sequence

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.families import Family
from inferometer.gpu.devices import (
    DRIVERS,
    RESOURCES,
    TEGRA,
    Candidate,
    candidates,
    is_listed,
    is_reservation,
    names,
)
from inferometer.gpu.kubelet import MOST_DEVICES, MOST_PODS, Allowance, Holding, Kubelet
from inferometer.gpu.registry import Gpu
from inferometer.gpu.sampler import Sampler
from inferometer.values import Key, Value

ANSWER_SECONDS = 3.0  # a kubelet in good health takes a few milliseconds
ANSWER_SHARE = 0.6  # of the collector's time at most, so that it can say why there is no answer
NAMED, SHOWN = 3, 60  # how many names of devices a line has at most, and characters of each

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
        allowance = Allowance(lambda resource: resource.startswith(RESOURCES), DRIVERS.__contains__)
        holdings = self._kubelet.holdings(seconds, allowance)
        devices = self._devices()
        self._say("the kubelet's answer has more than is read of one", allowance.cut,
                  pods=MOST_PODS, devices=MOST_DEVICES)
        self._say("pods have claims by drivers whose devices are not read", allowance.passed_over,
                  logging.INFO, drivers=_shown(allowance.passed_over))
        points: dict[Key, Value] = {key: 1.0 for key in _keys(holdings, devices)}
        return [Family(c.GPU_POD_INFO, points), *self._unlisted(holdings, devices)]

    def _devices(self) -> dict[str, Key]:
        """Each name by which a device may be looked up, with its labels."""
        devices: dict[str, Key] = {}
        gpus = self._sampler.gpus()
        for gpu in sorted(gpus, key=lambda gpu: not gpu.gone):  # a device file may be another's now
            if gpu.uuid:
                devices |= names(gpu, self._sampler.fresh(gpu))
        if len(gpus) == 1 and gpus[0].uuid:  # one without would be every Jetson's
            devices[TEGRA] = (str(gpus[0].index), gpus[0].uuid, "")
        return devices

    def _unlisted(self, holdings: Iterable[Holding],
                  devices: Mapping[str, Key]) -> Iterable[Family]:
        """How many devices were given out that no GPU has; nothing while GPUs are looked for."""
        strange = {name for holding in holdings for name in holding.devices
                   if not _candidate(holding, name, devices)}
        gpus = self._sampler.gpus()
        if not self._sampler.looked.is_set() or any(map(self._sampler.settling, gpus)):
            return
        self._say("the kubelet has given out devices of no GPU known here", len(strange),
                  devices=len(strange), such_as=_shown(strange))
        present = {*devices, *self._lost_instances(gpus), *([TEGRA] if len(gpus) == 1 else [])}
        present -= {name for name, key in devices.items()
                    if any(gpu.gone and gpu.uuid == key[1] for gpu in gpus)}
        missing = {name for holding in holdings for name in holding.devices
                   if is_listed(holding, name) and not _candidate(holding, name, present)}
        yield Family(c.GPU_UNLISTED, {(): float(len(missing))})

    def _lost_instances(self, gpus: Iterable[Gpu]) -> set[str]:
        """Names of MIG instances whose GPU does not answer now; it had them when it did."""
        lost: set[str] = set()
        for gpu in gpus:
            fresh = self._sampler.fresh(gpu)
            if gpu.uuid and fresh:
                self._instances_seen[gpu.uuid] = {*names(gpu, fresh)}
            elif not gpu.gone:
                lost |= self._instances_seen.get(gpu.uuid, set())
        return lost

    def _say(self, line: str, now: object, level: int = logging.WARNING, **more: object) -> None:
        """One line for all that is so, and another once that is not the same any more."""
        if now and now != self._logged.get(line):
            log.log(level, line, extra=more)
        self._logged[line] = now


def _shown(texts: Iterable[str]) -> Sequence[str]:
    """The first few, cut short."""
    return [text[:SHOWN] for text in sorted(texts)[:NAMED]]


def _candidate(holding: Holding, name: str, devices: Container[str]) -> Candidate | None:
    """The best candidate by which the device is among these."""
    return next((one for one in candidates(holding, name) if one.name in devices), None)


def _keys(holdings: Iterable[Holding], devices: Mapping[str, Key]) -> Iterable[Key]:
    """A key for each device and container that has it; its last value: is the device shared?"""
    containers: dict[Key, set[tuple[str, str, str]]] = {}  # by device
    parted: set[Key] = set()
    for holding in holdings:
        for name in holding.devices:
            candidate = _candidate(holding, name, devices)
            if candidate is None:
                continue
            device = devices[candidate.name]
            containers.setdefault(device, set()).add(
                (holding.namespace, holding.pod, holding.container))
            if candidate.part or is_reservation(holding):
                parted.add(device)
    for device, holders in containers.items():
        pods = {(namespace, pod) for namespace, pod, _ in holders}
        shared = "true" if device in parted or len(pods) > 1 else "false"
        for holder in sorted(holders):
            yield (*device, *holder, shared)
