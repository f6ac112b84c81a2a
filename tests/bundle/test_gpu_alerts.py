"""Alerts about GPUs, each shown to fire and to be silent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from alerts import gpu
from alerts.model import GPU_DRIVER, Alert
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
    gpu_in_words = IN_WORDS if "node" in shown else "GPU GPU-a"
    return (Firing(shown, f"{gpu_in_words} reported XID {code} in the last 30m, {times} since its "
                   f"exporter started. {text}"),)


def advice(action: str) -> str:
    return f"NVIDIA's catalogue says: {action}."


def lost(percent: str, before: str = "", *, index: str = "0", uuid: str = "GPU-a",
         node: str = "node-1") -> tuple[Firing, ...]:
    """`before`: the percentage where ranges are closed on the left."""
    labels = {"cluster": "east", "node": node, "gpu": index, "uuid": uuid}
    text = (f"GPU {uuid or index} on {node} in east answered for {percent}% of the last 30m. It is "
            "lost, or calls to its driver hang.")
    return (Firing({name: value for name, value in labels.items() if value}, text,
                   text.replace(f" {percent}%", f" {before}%") if before else ""),)


def fewer(gpus: int) -> tuple[Firing, ...]:
    return (Firing(NODE, f"node-1 in east has {gpus} GPUs; it had more in the last 6h. The driver "
                   "does not list the others."),)


def looking(values: str = "1x300", scrape: Mapping[str, str] = SCRAPE) -> Series:
    """An exporter that looks for GPUs, whether there are some or not."""
    return series(c.COLLECTOR_SUCCESS, values, scrape=scrape, collector="gpu")


DRIVER = {name: SCRAPE[name] for name in GPU_DRIVER.scope}
NODE_NAMES = {"cluster": "east", "node": "node-1"}


def driver(values: str, reason: str = "", scrape: Mapping[str, str] = SCRAPE) -> Series:
    """The driver's state of an exporter, while it has this reason."""
    labels = {"reason": reason} if reason else {}
    return series(c.GPU_DRIVER_UP, values, scrape=scrape, **labels)


def no_driver(percent: str, why: str, before: str = "",
              labels: Mapping[str, str] = DRIVER) -> tuple[Firing, ...]:
    node, place = ("node-1 in east", "inferometer-abcde in east/chat") if "node" in labels else (
        "a node", labels["instance"])
    text = (f"The GPU driver of {node} answered {place} for {percent}% of the last 30m"
            f"{why and f'; now it does not: {why}'}. What its GPUs do may not be seen meanwhile.")
    return (Firing(labels, text, text.replace(f" {percent}%", f" {before}%") if before else ""),)


def unlisted(number: int) -> tuple[Firing, ...]:
    return (Firing(NODE_NAMES, f"The kubelet of node-1 in east has given containers {number} "
                   "devices that are no GPU or MIG instance of its driver. What they run on is "
                   "not seen."),)


IN_WORDS = "GPU GPU-a on node-1 in east"
DRAIN = f"{advice('drain and reset the GPU')} It still takes new work."
REBOOT = DRAIN.replace("reset the GPU", "restart the node")
SUPPORT = advice("contact NVIDIA's support")
RESTART, IGNORE = advice("restart the process on it"), advice("ignore it")
FLAPPING = 8 * " 0 0 0 0 1 1"
MEMORY_ERROR = (Firing(SCOPE, f"{IN_WORDS} counted 1 uncorrectable memory errors in the last 30m. "
                       "The process that held the memory has failed."),)
FULL = (Firing({**SCOPE, "gpu": "0"}, f"{IN_WORDS} has 99% of its memory in use, limit 98%."),)


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
    Case("a node starts without one", gpu.DRIVER, (driver("0x60", "no_driver"), looking("0x60")),
         no_driver("0", "no_driver"), minute=40),
    Case("it goes away", gpu.DRIVER, (driver("1x29 stale"), driver("_x30 0x60", "version_mismatch"),
                                      looking("1x29 0x60")),
         no_driver("0", "version_mismatch"), minute=70),
    Case("a library is there and hangs, without a role", gpu.DRIVER, (
        driver("0x60", "no_answer"), looking()), no_driver("0", "no_answer"), minute=40),
    Case("a node without the library", gpu.DRIVER, (driver("0x60", "no_library"), looking("0x60")),
         no_driver("0", "no_library"), minute=40),
    Case("the reason changes all the time", gpu.DRIVER, (
        driver(20 * "0 stale _ " + "0", "other"), driver("_ " + 20 * "0 0 stale ", "no_answer"),
        looking("0x70")), no_driver("0", "no_answer"), minute=40),
    Case("a scrape without labels of Kubernetes", gpu.DRIVER, (
        driver("0x60", "no_driver", BARE), looking("1x60", BARE)),
         no_driver("0", "no_driver", labels=BARE), minute=40),
    Case("a laptop without a GPU", gpu.DRIVER, (driver("0x90", "no_library"), looking()),
         minute=80),
    Case("it answers", gpu.DRIVER, (driver("1x60"), looking()), minute=40),
    Case("an upgrade of six minutes", gpu.DRIVER, (
        driver("1x29 _x6 1x60"), driver("_x30 0x5 stale", "no_driver"),
        looking("1x29 0x6 1x60")), minute=38),
    Case("there is no exporter of GPUs", gpu.DRIVER, (BUILD,)),
    Case("one of two nodes", gpu.DRIVER, (
        driver("0x60", "no_driver"), looking("0x60"),
        driver("1x60", scrape=OTHER | {"node": "node-2"}),
        looking(scrape=OTHER | {"node": "node-2"})), no_driver("0", "no_driver"), minute=40),
    Case("a GPU fell off", gpu.UNLISTED, (series(c.GPU_UNLISTED, "0x9 2x60"),), unlisted(2),
         minute=30),
    Case("all are listed", gpu.UNLISTED, (series(c.GPU_UNLISTED, "0x60"),), minute=30),
    Case("for some minutes", gpu.UNLISTED, (series(c.GPU_UNLISTED, "0x9 2x7 0x60"),), minute=18),
    Case("nobody asks a kubelet", gpu.UNLISTED, (looking(),), minute=30),
    Case("it does not answer", gpu.LOST, (info(), of(c.GPU_UP, "1x5 0x90")), lost("0"), minute=60),
    Case("for some minutes", gpu.LOST, (info(), of(c.GPU_UP, "1x14 0x90")),
         lost("46.67", "48.39"), minute=30),
    Case("it answers", gpu.LOST, (info(), of(c.GPU_UP, "1x60"))),
    Case("for eight minutes", gpu.LOST, (info(), of(c.GPU_UP, "1x20 0x60")), minute=28),
    Case("back after an outage", gpu.LOST, (info(), of(c.GPU_UP, "1x20 0x15 1x60")), minute=45),
    *(Case("away four of six minutes", gpu.LOST, (info(), of(c.GPU_UP, f"1x19{FLAPPING}")),
           lost(*percents), minute=minute)
      for minute, percents in ((40, ("50", "51.61")), (50, ("33.33", "32.26")))),
    Case("away one of six minutes", gpu.LOST, (
        info(), of(c.GPU_UP, f"1x19{6 * ' 0 1 1 1 1 1'}")), minute=50),
    Case("to one of two exporters it comes and goes", gpu.LOST, (
        info(), of(c.GPU_UP, f"1x19{FLAPPING}"), of(c.GPU_UP, "1x90", scrape=OTHER)), minute=50),
    Case("another exporter reads it", gpu.LOST, (
        info(), of(c.GPU_UP, "1x5 0x60"), of(c.GPU_UP, "1x60", scrape=OTHER))),
    Case("its exporter was replaced since", gpu.LOST, (
        info("1x20 stale"), of(c.GPU_UP, "1x15 0x5 stale"), info("_x22 1x60", scrape=OTHER),
        of(c.GPU_UP, "_x22 0x60", scrape=OTHER)), lost("0"), minute=35),
    Case("it was lost before its exporter started", gpu.LOST, (
        info(), of(c.GPU_UP, "1x60"), of(c.GPU_UP, "0x60", index="3", uuid="")),
         lost("0", index="3", uuid="")),
    Case("its UUID alone is known", gpu.LOST, (
        of(c.GPU_UP, "0x60", index="3", uuid="GPU-d"),), lost("0", index="3", uuid="GPU-d")),
    Case("one without a name on each of two nodes", gpu.LOST, (
        of(c.GPU_UP, "0x60", uuid=""),
        of(c.GPU_UP, "0x60", uuid="", scrape=OTHER | {"node": "node-2"})),
         (*lost("0", uuid=""), *lost("0", uuid="", node="node-2"))),
    Case("there is no GPU", gpu.LOST, (BUILD,)),
    Case("no labels of Kubernetes", gpu.LOST, (
        info(scrape=BARE), of(c.GPU_UP, "1x5 0x90", scrape=BARE)),
        (Firing({"gpu": "0", "uuid": "GPU-a"},
                "GPU GPU-a answered for 0% of the last 30m. It is lost, or calls to its driver "
                "hang."),), minute=60),
    Case("one of two is gone", gpu.FEWER, (info(), info("1x69 _x60", "1", "GPU-b")), fewer(1),
         minute=90),
    Case("all are gone", gpu.FEWER, (info("1x69 stale"), looking()), fewer(0), minute=90),
    *(Case("all are gone, for hours", gpu.FEWER, (info("1x69 stale"), looking("1x600")),
           expected, minute=minute) for minute, expected in ((400, fewer(0)), (440, ()))),
    Case("all are gone, and the exporter starts again", gpu.FEWER, (
        info("1x69 stale"), looking("1x75 _x3 1x300")), fewer(0), minute=95),
    Case("the node is removed", gpu.FEWER, (info("1x69 stale"), looking("1x69 stale")), minute=90),
    Case("its exporter is gone, another's is there", gpu.FEWER, (
        info("1x69 stale"), looking("1x69 stale"), looking(scrape=OTHER | {"node": "node-2"})),
         minute=90),
    Case("it never had GPUs", gpu.FEWER, (looking(),), minute=90),
    Case("in another cluster a node of that name has none", gpu.FEWER, (
        info("1x69 stale"), looking("1x69 stale"), looking(scrape=OTHER | {"cluster": "west"})),
         minute=90),
    Case("one is lost", gpu.FEWER, (
        info("1x69 _x1 1x60"), of(c.GPU_UP, "1x60 0x90"), looking()), minute=90),
    Case("one is lost, and then the exporter starts again", gpu.FEWER, (
        info("1x69 stale"), of(c.GPU_UP, "1x60 0x9 stale"), of(c.GPU_UP, "_x72 0x60", uuid=""),
        looking()), minute=95),
    Case("both are there", gpu.FEWER, (info(), info("1x300", "1", "GPU-b")), minute=90),
    Case("its exporter was away", gpu.FEWER, (info("1x69 _x3 1x60"),), minute=90),

    Case("one comes", gpu.XID_DRAIN, (xid("79", "0x19 1x60"), last_xid(20)),
         came("79", 1, REBOOT)),
    Case("as soon as it came", gpu.XID_DRAIN, (xid("79", "0x19 1x60"), last_xid(20)),
         came("79", 1, REBOOT), minute=20),
    Case("before it came", gpu.XID_DRAIN, (xid("79", "0x19 1x60"), last_xid(20)), minute=19),
    Case("an hour ago", gpu.XID_DRAIN, (xid("79", "0x19 1x90"), last_xid(20)), minute=90),
    Case("again, after a day", gpu.XID_DRAIN, (xid("79", "1x39 2x60"), last_xid(40)),
         came("79", 2, REBOOT), minute=45),
    Case("two kinds", gpu.XID_DRAIN, (
        xid("48", "0x19 2x60"), xid("79", "0x19 1x60"), last_xid(20)),
        (*came("48", 2, DRAIN), *came("79", 1, REBOOT))),
    Case("the exporter starts again", gpu.XID_DRAIN, (
        xid("79", "0x9 1x9 0x60"), last_xid(10, 20)), came("79", 1, REBOOT), minute=30),
    Case("the exporter is replaced", gpu.XID_DRAIN, (
        xid("79", "0x9 1x5 _x60"), xid("79", "_x17 0x60", OTHER), last_xid(10, 16)),
        came("79", 1, REBOOT), minute=30),
    Case("in its successor's time", gpu.XID_DRAIN, (
        xid("79", "1x20 _x60"), xid("79", "_x23 0x2 1x60", OTHER),
        last_xid(26, scrape=OTHER)), came("79", 1, REBOOT), minute=30),
    Case("two exporters tell of it", gpu.XID_DRAIN, (
        xid("79", "0x19 1x60"), xid("79", "0x19 1x60", OTHER), last_xid(20),
        last_xid(20, scrape=OTHER)), came("79", 1, REBOOT)),
    Case("before the first scrape", gpu.XID_DRAIN, (xid("79", "_x19 1x60"), last_xid(19)),
         came("79", 1, REBOOT)),
    Case("long before Prometheus came back", gpu.XID_DRAIN, (
        xid("79", "1x5 _x60 1x60"), last_xid(1)), minute=70),
    Case("none ever came", gpu.XID_DRAIN, (xid("79", "0x60"),)),
    Case("one of the application", gpu.XID_DRAIN, (
        xid("31", "0x19 1x60"), xid("79", "0x60"), last_xid(20))),
    Case("one of the application, long after", gpu.XID_DRAIN, (
        xid("31", "0x59 1x60"), xid("79", "1x120"), last_xid(60)), minute=70),
    Case("no labels of Kubernetes", gpu.XID_DRAIN, (
        xid("79", "0x19 1x60", BARE), last_xid(20, scrape=BARE)),
        came("79", 1, REBOOT, cluster="", node="")),
    Case("one comes", gpu.XID_UNUSUAL, (xid("61", "_x19 1x60"), last_xid(19)),
         came("61", 1, SUPPORT)),
    Case("a link fails", gpu.XID_UNUSUAL, (xid("74", "_x19 1x60"), last_xid(19)),
         came("74", 1, advice("follow its NVLink workflow"))),
    Case("an unknown one comes again", gpu.XID_UNUSUAL, (xid("other", "1x19 3x60"), last_xid(20)),
         came("other", 3, "The exporter does not know the code; the kernel's log has it.")),
    Case("others come", gpu.XID_UNUSUAL, (
        xid("31", "0x9 1x60"), xid("79", "0x9 1x60"), last_xid(10))),
    Case("one comes", gpu.XID_APPLICATION, (xid("31", "_x19 1x60"), last_xid(19)),
         came("31", 1, RESTART)),
    Case("a memory error is contained", gpu.XID_APPLICATION, (
        xid("94", "_x19 1x60"), xid("63", "_x19 1x60"), last_xid(19)), came("94", 1, RESTART)),
    Case("it follows from another", gpu.XID_APPLICATION, (xid("45", "_x19 1x60"), last_xid(19)),
         came("45", 1, advice("go by the XID that came with it, else restart the process on it"))),
    Case("others come", gpu.XID_APPLICATION, (
        xid("61", "0x9 1x60"), xid("79", "0x9 1x60"), last_xid(10))),
    Case("a row is remapped", gpu.XID_RECORDED, (xid("63", "_x19 1x60"), last_xid(19)),
         came("63", 1, "A memory row was remapped: reset the GPU when it is idle.")),
    Case("one to ignore", gpu.XID_RECORDED, (xid("43", "_x19 1x60"), last_xid(19)),
         came("43", 1, IGNORE)),
    Case("it explains another", gpu.XID_RECORDED, (xid("154", "_x19 1x60"), last_xid(19)),
         came("154", 1, advice("go by the XID that came with it"))),
    Case("others come", gpu.XID_RECORDED, (
        xid("94", "0x9 1x60"), xid("64", "0x9 1x60"), last_xid(10))),
    *(Case("a row is remapped", alert, (
        xid("63", "_x19 1x60"), last_xid(19), of(c.GPU_REMAP_PENDING, "0x19 1x60")), minute=35)
      for alert in (gpu.XID_DRAIN, gpu.XID_UNUSUAL, gpu.XID_APPLICATION, gpu.REMAP_FAILED)),

    Case("one comes", gpu.MEMORY_ERROR, (uncorrected("5x19 6x60"),), MEMORY_ERROR, minute=25),
    Case("it was there before", gpu.MEMORY_ERROR, (uncorrected("_x9 5x60"),)),
    Case("while its exporter was replaced", gpu.MEMORY_ERROR, (
        uncorrected("5x9 _x60"), uncorrected("_x11 6x60", OTHER)), MEMORY_ERROR, minute=25),
    Case("it was corrected", gpu.MEMORY_ERROR, (of(c.GPU_ECC, "5x19 6x60", kind="corrected"),)),
    Case("the GPU counts none", gpu.MEMORY_ERROR, (info(),)),
    Case("it failed", gpu.REMAP_FAILED, (of(c.GPU_REMAP_FAILED, "0x5 1x60"),),
         (Firing(SCOPE, f"A row remapping of {IN_WORDS} failed; the failing memory stays in use. "
                 "Have the board replaced."),)),
    Case("it did not", gpu.REMAP_FAILED, (of(c.GPU_REMAP_FAILED, "0x60"),)),
    Case("one waits", gpu.REMAP_PENDING, (of(c.GPU_REMAP_PENDING, "0x5 1x60"),),
         (Firing(SCOPE, f"{IN_WORDS} has a row remapping pending. Reset it when it is idle."),)),
    Case("none waits", gpu.REMAP_PENDING, (of(c.GPU_REMAP_PENDING, "0x60"),)),

    *(Case("for a tenth of the time", gpu.HELD_DOWN, (throttled(6, reason),),
           (Firing({**SCOPE, "reason": reason},
                   f"Clocks of {IN_WORDS} were held down by {reason} for 10% of the last 5m, "
                   "limit 5%."),))
      for reason in ("hw_thermal", "hw_power_brake")),
    Case("for a moment now and then", gpu.HELD_DOWN, (throttled(2),)),
    Case("to keep to its power limit", gpu.HELD_DOWN, (throttled(30, "power_cap"),)),
    Case("the exporter starts again", gpu.HELD_DOWN, (
        of(c.GPU_THROTTLED, "0+6x19 0+6x40", reason="hw_thermal"),),
        (Firing({**SCOPE, "reason": "hw_thermal"},
                f"Clocks of {IN_WORDS} were held down by hw_thermal for 10% of the last 5m, limit "
                "5%."),), minute=40),
    Case("it is nearly full", gpu.MEMORY_FULL, memory("99x60"), FULL),
    Case("one of its instances is", gpu.MEMORY_FULL, memory("99x60", mig="1/0"),
         (Firing({**SCOPE, "gpu": "0", "mig": "1/0"}, f"{IN_WORDS}, instance 1/0, has 99% "
                 "of its memory in use, limit 98%."),)),
    Case("it is as full as it may be", gpu.MEMORY_FULL, memory("98x60")),
    Case("it may be fuller", gpu.MEMORY_FULL, (
        *memory("99x60"), override(c.LIMIT_RATIO, "gpu_memory", "0.995x60", model=""))),
    Case("its size is not known", gpu.MEMORY_FULL, (BUILD, info(), of(c.GPU_MEMORY_USED, "9x60"))),
    Case("it idles", gpu.UNDERUSED, busy(6), (Firing(
        NODE, "The GPUs of node-1 in east were busy for 10% of the last 1h, limit 80%."),),
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


def test_every_xid_has_one_alert_and_the_grave_ones_page() -> None:
    tiers = {alert: re.findall(r'xid=~"([^"]+)"', alert.expr)[0].split("|")
             for alert in gpu.GROUP.alerts if c.GPU_XID.name in alert.expr}
    assert sorted(xid for xids in tiers.values() for xid in xids) == sorted(c.XID.values)
    assert [alert.severity for alert in tiers] == ["critical", "warning", "info", "info"]
    assert {*tiers[gpu.XID_DRAIN]} == {*c.XIDS_DRAIN}


@pytest.mark.parametrize(("action", "alert"), [
    ("RESET_GPU", gpu.XID_DRAIN), ("WORKFLOW_NVLINK_ERR", gpu.XID_UNUSUAL),
    ("CONTACT_SUPPORT", gpu.XID_UNUSUAL), ("RESTART_APP", gpu.XID_APPLICATION),
    ("IGNORE", gpu.XID_RECORDED),
])
def test_the_tier_of_an_xid_is_that_of_the_action_its_maker_asks_for(
        action: str, alert: Alert) -> None:
    xids, = {*re.findall(r'xid=~"([^"]+)"', alert.expr)}
    assert {*c.XID_ACTIONS[action]} <= {*xids.split("|")}
