"""What a GPU can do at most, by its product name as NVML gives it: NVIDIA's own figures.

Operations are dense BF16 ones on tensor cores, FP16 ones where a GPU has no BF16 (V100, T4). Where
NVIDIA prints them with sparsity they are half of that, as its own footnotes have it. A name that is
not here has no peak: clouds rename and cut down GPUs, and a guess would look like a measurement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inferometer import catalogue as c
from inferometer.families import Series

_TERA, _GIGA = 1e12, 1e9
_PDF = "https://www.nvidia.com/content/dam/en-zz/Solutions"
_A100 = f"{_PDF}/Data-Center/a100/pdf/nvidia-a100-datasheet.pdf"
_A100_80 = f"{_PDF}/Data-Center/a100/pdf/nvidia-a100-datasheet-us-nvidia-1758950-r4-web.pdf"
_A10 = f"{_PDF}/Data-Center/a10/pdf/a10-datasheet.pdf"
_A30 = f"{_PDF}/data-center/products/a30-gpu/pdf/a30-datasheet.pdf"
_T4 = f"{_PDF}/Data-Center/tesla-t4/t4-tensor-core-datasheet-951643.pdf"
_V100 = ("https://images.nvidia.com/content/technologies/volta/pdf/"
         "volta-v100-datasheet-update-us-1165301-r5.pdf")
_L4 = "https://www.nvidia.com/en-us/data-center/l4/"
_L40 = "https://www.nvidia.com/en-us/data-center/l40/"
_L40S = "https://www.nvidia.com/en-us/data-center/l40s/"
_H100_PCIE = "https://resources.nvidia.com/en-us-tensor-core/nvidia-tensor-core-gpu-datasheet"
_H100 = "https://www.nvidia.com/en-us/data-center/h100/"
_H200 = "https://www.nvidia.com/en-us/data-center/h200/"
_GH200 = "https://resources.nvidia.com/en-us-grace-cpu/grace-hopper-superchip"
# For eight: 36 PFLOPS with sparsity; and 64 TB/s, at ../dgx-b200/ beside it.
_B200 = "https://www.nvidia.com/en-us/data-center/hgx/"
_ADA = ("https://images.nvidia.com/aem-dam/Solutions/Data-Center/l4/"
        "nvidia-ada-gpu-architecture-whitepaper-v2.1.pdf")


@dataclass(frozen=True)
class Peak:
    """A data sheet's figures: operations and bytes of memory per second, and where they stand."""

    flops: float
    bandwidth: float
    source: str


def _peak(tera_flops: float, giga_bytes: float, source: str) -> Peak:
    return Peak(tera_flops * _TERA, giga_bytes * _GIGA, source)


PEAKS: Mapping[str, Peak] = {
    "Tesla V100-PCIE-16GB": _peak(112, 900, _V100),
    "Tesla V100-PCIE-32GB": _peak(112, 900, _V100),
    "Tesla V100-SXM2-16GB": _peak(125, 900, _V100),
    "Tesla V100-SXM2-32GB": _peak(125, 900, _V100),
    "Tesla V100S-PCIE-32GB": _peak(130, 1134, _V100),
    "Tesla T4": _peak(65, 300, _T4),
    "NVIDIA A10": _peak(125, 600, _A10),
    "NVIDIA A30": _peak(165, 933, _A30),
    "NVIDIA A100-PCIE-40GB": _peak(312, 1555, _A100),
    "NVIDIA A100-SXM4-40GB": _peak(312, 1555, _A100),
    "NVIDIA A100 80GB PCIe": _peak(312, 1935, _A100_80),
    "NVIDIA A100-SXM4-80GB": _peak(312, 2039, _A100_80),
    "NVIDIA L4": _peak(242 / 2, 300, _L4),
    "NVIDIA L40": _peak(181.05, 864, _L40),
    "NVIDIA L40S": _peak(362.05, 864, _L40S),
    "NVIDIA GeForce RTX 4090": _peak(165.2, 1008, _ADA),
    "NVIDIA H100 PCIe": _peak(1513 / 2, 2000, _H100_PCIE),
    "NVIDIA H100 80GB HBM3": _peak(1979 / 2, 3350, _H100),
    "NVIDIA H100 NVL": _peak(1671 / 2, 3900, _H100),
    "NVIDIA H200": _peak(1979 / 2, 4800, _H200),
    "NVIDIA H200 NVL": _peak(1671 / 2, 4800, _H200),
    "NVIDIA GH200 480GB": _peak(1979 / 2, 4000, _GH200),
    "NVIDIA B200": _peak(36_000 / 8 / 2, 64_000 / 8, _B200),
}


def peaks_of(name: str) -> Mapping[Series, float]:
    """The series of a whole GPU's peaks; none where they are not known."""
    peak = PEAKS.get(name)
    if peak is None:
        return {}
    return {(c.GPU_PEAK_FLOPS, ()): peak.flops, (c.GPU_PEAK_BANDWIDTH, ()): peak.bandwidth}
