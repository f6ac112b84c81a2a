"""What the kubelet's answers call a GPU or MIG instance, and which of the driver's it is.

Device plugins name a device in several ways: `GPU-…` and `MIG-…` are NVML's UUIDs, `MIG-GPU-…/3/0`
is NVIDIA's older name of a MIG instance, `tegra` its name of the one GPU of a Jetson. Google's
plugin takes the device file, `nvidia0`, with `/gi3` for a MIG instance.

A share of a device is the device's name with a number of its own. Sources, as of 2026:
`::1` NVIDIA (k8s-device-plugin, internal/rm/devices.go), `/vgpu1` Google; `-1` HAMi (HAMi,
pkg/device-plugin/nvidiadevice/nvinternal/rm/devices.go), volcano (volcano-vgpu-device-plugin,
pkg/plugin/vgpu/plugin.go, also `-memory-1` and `-core-1`) and AWS (aws-virtual-gpu-device-plugin,
pkg/gpu/nvidia/nvidia.go); `-_-1` Aliyun (gpushare-device-plugin, pkg/gpu/nvidia/nvidia.go). The
ids of Tencent's gpu-manager (`tencent.com/vcuda-core-1`) name no GPU.

Drivers of dynamic resource allocation number GPUs by their device files. NVIDIA's (CanonicalName
in cmd/gpu-kubelet-plugin/deviceinfo.go and mig.go of dra-driver-nvidia-gpu) says `gpu-0`, and of an
instance its profile, the number of that, and the memory slice that it starts at: as in
`gpu-0-mig-1g5gb-19-4`, or, until 2025, `gpu-0-mig-19-4-1`, whose last number is its slices. HAMi's
(hami_core.go of its k8s-dra-driver) says `hami-gpu-0`, and gives out shares only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inferometer import catalogue as c
from inferometer.gpu.kubelet import Holding
from inferometer.gpu.registry import Gpu, Snapshot
from inferometer.values import Key

RESOURCES = ("nvidia.com/", "volcano.sh/vgpu-", "aliyun.com/gpu-", "k8s.amazonaws.com/vgpu")
DRIVERS = {"gpu.nvidia.com": False, "hami-core-gpu.project-hami.io": True}  # only shares?
RESERVATIONS = ("kai-resource-reservation", "runai-reservation")  # namespaces, if not renamed
# Whose devices the driver of the node has to list: not those of virtual machines, for instance.
LISTED = re.compile(r"nvidia\.com/(?:gpu|mig-.*?)(?:\.shared)?")
SHARE = re.compile(r"(?:::|/vgpu|-_-|-(?:memory-|core-)?)\d+$")
CLAIMED = re.compile(
    r"(?:hami-)?(gpu-\d+)(?:-mig-(?:(\d*[a-z][a-z0-9-]*)-)?(\d+)-(\d+)(?:-\d+)?)?")
LONGEST_NAME = 200  # characters; no device plugin's is half as long
LONGEST_CLAIMED = 63  # as Kubernetes demands of the names of DRA drivers' devices
TEGRA = "tegra"
_CLAIM = "claim:"  # begins what a claim's device is looked up by: a plugin's names are others
_PART = "-mig"  # ends it where all that is known is the GPU that it is a part of


@dataclass(frozen=True)
class Candidate:
    """What to look a device up by. `part`: whether that is more than the device itself."""

    name: str
    part: bool


def candidates(holding: Holding, name: str) -> Sequence[Candidate]:
    """What to look one of its devices up by, the best first."""
    if holding.claimed:
        share = holding.share or DRIVERS.get(holding.resource, False)
        return [Candidate(candidate, share or candidate.endswith(_PART))
                for candidate in _of_claim(name)]
    if len(name) > LONGEST_NAME:
        return ()
    return Candidate(name, False), Candidate(SHARE.sub("", name), True)


def _of_claim(name: str) -> Iterator[str]:
    match = _claimed(name)
    if match is None:
        return
    gpu, profile, number, start = match.groups()
    if number is None:
        yield f"{_CLAIM}{gpu}"
        return
    yield f"{_CLAIM}{gpu}{_PART}-{number}-{start}"
    if profile:
        yield f"{_CLAIM}{gpu}{_PART}-{profile}"
    yield f"{_CLAIM}{gpu}{_PART}"


def _claimed(name: str) -> re.Match[str] | None:
    return CLAIMED.fullmatch(name) if len(name) <= LONGEST_CLAIMED else None


def is_reservation(holding: Holding) -> bool:
    """Whether the pod only keeps a GPU for pods with fractions of it, which the kubelet lists not.

    Source: resource_reservation.go of KAI Scheduler; before version 0.6 and in Run:ai the name of
    the namespace is another.
    """
    return holding.namespace in RESERVATIONS or (
        holding.container == "resource-reservation" and holding.pod.startswith("gpu-reservation-"))


def is_listed(holding: Holding, name: str) -> bool:
    """Whether a device is one that the driver of the node has to list."""
    if holding.claimed:
        return _claimed(name) is not None
    return LISTED.fullmatch(holding.resource) is not None


def names(gpu: Gpu, fresh: Snapshot | None) -> dict[str, Key]:
    """The names of the GPU and of its MIG instances, each with its `gpu`, `uuid` and `mig`.

    `fresh`: the GPU's last round, if that is not too old; it has the instances.
    """
    own = (str(gpu.index), gpu.uuid, "")
    keys: dict[str, Key] = {gpu.uuid: own}
    if gpu.minor:
        keys |= {f"nvidia{gpu.minor}": own, f"{_CLAIM}gpu-{gpu.minor}": own}
    return keys | (_instances(gpu, fresh) if fresh else {})


def _instances(gpu: Gpu, fresh: Snapshot) -> dict[str, Key]:
    instances = [labels for metric, labels in fresh.points if metric is c.GPU_MIG_INFO]
    parts = [mig.partition("/")[0] for mig, _, _ in instances]
    keys: dict[str, Key] = {}
    alone: list[tuple[str, Key]] = []
    for (mig, uuid, profile), part in zip(instances, parts, strict=True):
        key = (str(gpu.index), gpu.uuid, mig)
        keys |= {f"MIG-{gpu.uuid}/{mig}": key} | ({uuid: key} if uuid else {})
        if gpu.minor and parts.count(part) == 1:  # else it is several compute instances
            keys[f"nvidia{gpu.minor}/gi{part}"] = key
            alone.append((profile, key))
    begin = f"{_CLAIM}gpu-{gpu.minor}{_PART}"
    if gpu.minor and len(alone) < len(instances):
        keys[begin] = (str(gpu.index), gpu.uuid, "")
    return keys | (_instances_claimed(begin, fresh, alone) if gpu.minor else {})


def _instances_claimed(begin: str, fresh: Snapshot,
                       alone: Sequence[tuple[str, Key]]) -> dict[str, Key]:
    """The instances by their placements, else by their profiles, or else the GPU itself."""
    keys: dict[str, Key] = {}
    unplaced: list[tuple[str, Key]] = []
    for profile, key in alone:
        placement = fresh.placements.get(key[2])
        if placement:
            keys["{}-{}-{}".format(begin, *placement)] = key
        else:
            unplaced.append((_in_a_name(profile), key))
            keys[begin] = (*key[:2], "")
    profiles = [profile for profile, _ in unplaced]
    return keys | {f"{begin}-{profile}": key for profile, key in unplaced
                    if profiles.count(profile) == 1}


def _in_a_name(profile: str) -> str:
    """A profile as in the name of a claim's device: 1g10gb-me of 1g.10gb+me."""
    return re.sub(r"[^a-z0-9-]", "-", profile.lower().replace(".", "")).strip("-")
