"""Alerts about GPUs, each shown to fire and to be silent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from alerts import gpu
from inferometer import catalogue as c
from inferometer.catalogue import Metric
from tests.bundle.alert_cases import Case, Firing, prove
from tests.bundle.alert_inputs import BARE, OTHER, override
from tests.bundle.promtool import SCRAPE, VERSIONS, Series, growing, series

SCOPE = {"cluster": "east", "node": "node-1", "uuid": "GPU-a"}
NODE = {"cluster": "east", "node": "node-1"}
BUILD = series(c.BUILD_INFO, "1x300", version="1")


def of(metric: Metric, values: str, *, index: str = "0", uuid: str = "GPU-a",
       scrape: Mapping[str, str] = SCRAPE, **labels: str) -> Series:
    return series(metric, values, scrape=scrape, gpu=index, uuid=uuid, **labels)


def info(values: str = "1x300", index: str = "0", uuid: str = "GPU-a",
         scrape: Mapping[str, str] = SCRAPE) -> Series:
    return of(c.GPU_INFO, values, index=index, uuid=uuid, scrape=scrape, name="NVIDIA H100",
              driver_version="570", pci_bus_id="0000:01:00.0")


def xid(code: str, values: str, scrape: Mapping[str, str] = SCRAPE) -> Series:
    return of(c.GPU_XID, values, xid=code, scrape=scrape)


def last_xid(minute: int, until: int = 300, scrape: Mapping[str, str] = SCRAPE) -> Series:
    return of(c.GPU_XID_LAST, f"_x{minute} {60 * minute}x{until - minute - 1} _x300", scrape=scrape)


def came(code: str, times: int, text: str, **labels: str) -> tuple[Firing, ...]:
    shown = {name: value for name, value in {**SCOPE, "xid": code, **labels}.items() if value}
    where = f" on {shown['node']}" if "node" in shown else ""
    return (Firing(shown, f"GPU GPU-a{where}: XID {code} came, of which there are {times} since "
                   f"the exporter started. {text}"),)


DRAIN = "It needs a reset or a repair before it is trusted with work again."
UNUSUAL = "Look it up: it may be the driver's, the firmware's or the hardware's."
WELL = "The GPU itself is well."
LOST = (Firing({**SCOPE, "gpu": "0"},
               "GPU GPU-a on node-1: up is 0. It is lost or a call to its driver hangs."),)
MEMORY_ERROR = (Firing(SCOPE, "GPU GPU-a on node-1: 1 errors in 30m."),)
FULL = (Firing({**SCOPE, "gpu": "0"}, "GPU GPU-a on node-1: 99% of its memory is in use, over the "
               "limit of 98%."),)


def memory(used: str, mig: str = "") -> tuple[Series, ...]:
    return (BUILD, info(), of(c.GPU_MEMORY_USED, used, mig=mig),
            of(c.GPU_MEMORY_TOTAL, "100x60", mig=mig))


def busy(seconds: float, minutes: int = 120) -> tuple[Series, ...]:
    return (BUILD, info(), of(c.GPU_BUSY, growing(seconds, minutes)),
            of(c.GPU_OBSERVED, growing(60, minutes)))


def uncorrected(values: str, scrape: Mapping[str, str] = SCRAPE) -> Series:
    return of(c.GPU_ECC, values, kind="uncorrected", scrape=scrape)


def throttled(per_minute: float, reason: str = "hw_thermal") -> Series:
    return of(c.GPU_THROTTLED, growing(per_minute, 60), reason=reason)


CASES = (
    Case("it no longer answers", gpu.LOST, (info(), of(c.GPU_UP, "1x5 0x60")), LOST),
    Case("it answers", gpu.LOST, (info(), of(c.GPU_UP, "1x60"))),
    Case("for eight minutes", gpu.LOST, (info(), of(c.GPU_UP, "1x20 0x60")), minute=28),
    Case("another exporter reads it", gpu.LOST, (
        info(), of(c.GPU_UP, "1x5 0x60"), of(c.GPU_UP, "1x60", scrape=OTHER))),
    Case("there is no GPU", gpu.LOST, (BUILD,)),
    Case("no labels of Kubernetes", gpu.LOST, (
        info(scrape=BARE), of(c.GPU_UP, "1x5 0x60", scrape=BARE)),
        (Firing({"gpu": "0", "uuid": "GPU-a"},
                "GPU GPU-a: up is 0. It is lost or a call to its driver hangs."),)),
    Case("one of two is gone", gpu.FEWER, (info(), info("1x69 _x60", "1", "GPU-b")),
         (Firing(NODE, "node-1: 1 GPUs are left; the driver no longer lists the others."),),
         minute=90),
    Case("both are there", gpu.FEWER, (info(), info("1x300", "1", "GPU-b")), minute=90),
    Case("its exporter was away", gpu.FEWER, (info("1x69 _x3 1x60"),), minute=90),

    Case("one comes", gpu.XID_DRAIN, (xid("79", "0x19 1x60"), last_xid(20)),
         came("79", 1, DRAIN)),
    Case("as soon as it came", gpu.XID_DRAIN, (xid("79", "0x19 1x60"), last_xid(20)),
         came("79", 1, DRAIN), minute=20),
    Case("before it came", gpu.XID_DRAIN, (xid("79", "0x19 1x60"), last_xid(20)), minute=19),
    Case("an hour ago", gpu.XID_DRAIN, (xid("79", "0x19 1x90"), last_xid(20)), minute=90),
    Case("again, after a day", gpu.XID_DRAIN, (xid("79", "1x39 2x60"), last_xid(40)),
         came("79", 2, DRAIN), minute=45),
    Case("two kinds", gpu.XID_DRAIN, (
        xid("48", "0x19 2x60"), xid("79", "0x19 1x60"), last_xid(20)),
        (*came("48", 2, DRAIN), *came("79", 1, DRAIN))),
    Case("the exporter starts again", gpu.XID_DRAIN, (
        xid("79", "0x9 1x9 0x60"), last_xid(10, 20)), came("79", 1, DRAIN), minute=30),
    Case("the exporter is replaced", gpu.XID_DRAIN, (
        xid("79", "0x9 1x5 _x60"), xid("79", "_x17 0x60", OTHER), last_xid(10, 16)),
        came("79", 1, DRAIN), minute=30),
    Case("in its successor's time", gpu.XID_DRAIN, (
        xid("79", "1x20 _x60"), xid("79", "_x23 0x2 1x60", OTHER),
        last_xid(26, scrape=OTHER)), came("79", 1, DRAIN), minute=30),
    Case("two exporters tell of it", gpu.XID_DRAIN, (
        xid("79", "0x19 1x60"), xid("79", "0x19 1x60", OTHER), last_xid(20),
        last_xid(20, scrape=OTHER)), came("79", 1, DRAIN)),
    Case("before the first scrape", gpu.XID_DRAIN, (xid("79", "_x19 1x60"), last_xid(19)),
         came("79", 1, DRAIN)),
    Case("long before Prometheus came back", gpu.XID_DRAIN, (
        xid("79", "1x5 _x60 1x60"), last_xid(1)), minute=70),
    Case("none ever came", gpu.XID_DRAIN, (xid("79", "0x60"),)),
    Case("one of the application", gpu.XID_DRAIN, (
        xid("31", "0x19 1x60"), xid("79", "0x60"), last_xid(20))),
    Case("one of the application, long after", gpu.XID_DRAIN, (
        xid("31", "0x59 1x60"), xid("79", "1x120"), last_xid(60)), minute=70),
    Case("no labels of Kubernetes", gpu.XID_DRAIN, (
        xid("79", "0x19 1x60", BARE), last_xid(20, scrape=BARE)),
        came("79", 1, DRAIN, cluster="", node="")),
    Case("one comes", gpu.XID_UNUSUAL, (xid("61", "_x19 1x60"), last_xid(19)),
         came("61", 1, UNUSUAL)),
    Case("an unknown one comes again", gpu.XID_UNUSUAL, (xid("other", "1x19 3x60"), last_xid(20)),
         came("other", 3, UNUSUAL)),
    Case("others come", gpu.XID_UNUSUAL, (
        xid("31", "0x9 1x60"), xid("79", "0x9 1x60"), last_xid(10))),
    Case("one comes", gpu.XID_APPLICATION, (xid("31", "_x19 1x60"), last_xid(19)),
         came("31", 1, WELL)),
    Case("others come", gpu.XID_APPLICATION, (
        xid("61", "0x9 1x60"), xid("79", "0x9 1x60"), last_xid(10))),

    Case("one comes", gpu.MEMORY_ERROR, (uncorrected("5x19 6x60"),), MEMORY_ERROR, minute=25),
    Case("it was there before", gpu.MEMORY_ERROR, (uncorrected("_x9 5x60"),)),
    Case("while its exporter was replaced", gpu.MEMORY_ERROR, (
        uncorrected("5x9 _x60"), uncorrected("_x11 6x60", OTHER)), MEMORY_ERROR, minute=25),
    Case("it was corrected", gpu.MEMORY_ERROR, (of(c.GPU_ECC, "5x19 6x60", kind="corrected"),)),
    Case("the GPU counts none", gpu.MEMORY_ERROR, (info(),)),
    Case("it failed", gpu.REMAP_FAILED, (of(c.GPU_REMAP_FAILED, "0x5 1x60"),),
         (Firing(SCOPE, "GPU GPU-a on node-1: remap failure is 1. Have the board replaced."),)),
    Case("it did not", gpu.REMAP_FAILED, (of(c.GPU_REMAP_FAILED, "0x60"),)),
    Case("one waits", gpu.REMAP_PENDING, (of(c.GPU_REMAP_PENDING, "0x5 1x60"),),
         (Firing(SCOPE, "GPU GPU-a on node-1: remaps pending is 1. Reset it when it is idle."),)),
    Case("none waits", gpu.REMAP_PENDING, (of(c.GPU_REMAP_PENDING, "0x60"),)),

    *(Case("for a tenth of the time", gpu.HELD_DOWN, (throttled(6, reason),),
           (Firing({**SCOPE, "reason": reason},
                   f"GPU GPU-a on node-1: {reason} for 10% of the time, more than 5%."),))
      for reason in ("hw_thermal", "hw_power_brake")),
    Case("for a moment now and then", gpu.HELD_DOWN, (throttled(2),)),
    Case("to keep to its power limit", gpu.HELD_DOWN, (throttled(30, "power_cap"),)),
    Case("the exporter starts again", gpu.HELD_DOWN, (
        of(c.GPU_THROTTLED, "0+6x19 0+6x40", reason="hw_thermal"),),
        (Firing({**SCOPE, "reason": "hw_thermal"},
                "GPU GPU-a on node-1: hw_thermal for 10% of the time, more than 5%."),), minute=40),
    Case("it is nearly full", gpu.MEMORY_FULL, memory("99x60"), FULL),
    Case("one of its instances is", gpu.MEMORY_FULL, memory("99x60", mig="1/0"),
         (Firing({**SCOPE, "gpu": "0", "mig": "1/0"}, "GPU GPU-a on node-1, instance 1/0: 99% of "
                 "its memory is in use, over the limit of 98%."),)),
    Case("it is as full as it may be", gpu.MEMORY_FULL, memory("98x60")),
    Case("it may be fuller", gpu.MEMORY_FULL, (
        *memory("99x60"), override(c.LIMIT_RATIO, "gpu_memory", "0.995x60", model=""))),
    Case("its size is not known", gpu.MEMORY_FULL, (BUILD, info(), of(c.GPU_MEMORY_USED, "9x60"))),
    Case("it idles", gpu.UNDERUSED, busy(6), (Firing(
        NODE, "node-1: its GPUs were busy for 10% of an hour, under the limit of 80%."),),
         minute=90),
    Case("it is busy", gpu.UNDERUSED, busy(54), minute=90),
    Case("it may idle", gpu.UNDERUSED, (
        *busy(6), override(c.LIMIT_RATIO, "gpu_busy", "0.05x120", model="")), minute=90),
    Case("it is not read", gpu.UNDERUSED, (BUILD, info()), minute=90),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_gpu_alerts_fire_as_expected(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)


def test_every_alert_is_shown_to_fire_and_to_be_silent() -> None:
    for alert in gpu.GROUP.alerts:
        shown = {bool(case.expected) for case in CASES if case.alert is alert}
        assert shown == {True, False}, alert


def test_every_xid_has_one_alert() -> None:
    codes = (*c.XIDS_DRAIN, *gpu.XIDS_APPLICATION, *gpu.XIDS_UNUSUAL)
    assert sorted(codes) == sorted(c.XID.values)
