"""What a GPU can do at most, by its name."""

from __future__ import annotations

import pytest

from inferometer import catalogue as c
from inferometer.gpu.peaks import PEAKS, Peak, peaks_of

every_peak = pytest.mark.parametrize(("name", "peak"), PEAKS.items(), ids=PEAKS)


def test_a_gpu_of_a_data_sheet_has_its_peaks() -> None:
    assert peaks_of("NVIDIA H200") == {(c.GPU_PEAK_FLOPS, ()): 989.5e12,
                                       (c.GPU_PEAK_BANDWIDTH, ()): 4.8e12}


@pytest.mark.parametrize("name", ["", "NVIDIA A10G", "NVIDIA H200 MIG 1g.18gb", "nvidia h200"])
def test_a_gpu_of_another_name_has_none(name: str) -> None:
    assert peaks_of(name) == {}


@every_peak
def test_a_peak_cites_nvidia(name: str, peak: Peak) -> None:
    assert peak.source.startswith(("https://www.nvidia.com/", "https://images.nvidia.com/",
                                   "https://resources.nvidia.com/"))


@every_peak
def test_a_peak_is_in_base_units(name: str, peak: Peak) -> None:
    assert 1e13 < peak.flops < 1e16
    assert 1e11 < peak.bandwidth < 1e14
    assert 50 < peak.flops / peak.bandwidth < 500  # operations for each byte, of any GPU so far
