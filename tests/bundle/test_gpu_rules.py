"""GPUs: each counted once, whoever sees it, and all that is summed over nodes and the fleet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.gpus import (
    BUSY,
    FLEET_BUSY,
    FLEET_DRIVERS_DOWN,
    FLEET_ENERGY,
    FLEET_GPUS,
    FLEET_MEMORY,
    FLEET_POWER,
    FLEET_THROTTLED,
    FLEET_UNLISTED,
    FLEET_UP,
    LOST,
    MEMORY,
    NODE_BUSY,
    NODE_BUSY_HOUR,
    NODE_ECC,
    NODE_ENERGY,
    NODE_GPUS,
    NODE_MEMORY,
    NODE_POWER,
    NODE_TEMPERATURE,
    NODE_THROTTLED,
    NODE_UP,
    NODE_XIDS,
)
from tests.bundle.alert_inputs import BARE, OTHER
from tests.bundle.promtool import SCRAPE, Series, growing, series
from tests.bundle.rule_cases import BOTH_VERSIONS, NOTHING, Case, Recorded, cases, one, prove

EAST = {"cluster": "east"}
NODE = {"cluster": "east", "node": "node-1"}
NODE_2 = {"cluster": "east", "node": "node-2"}
AFAR = OTHER | {"node": "node-2"}
A = {**NODE, "gpu": "0", "uuid": "GPU-a"}
B = {**NODE, "gpu": "1", "uuid": "GPU-b"}


def of(metric: Metric, values: str, *, scrape: Mapping[str, str] = SCRAPE, gpu: str = "0",
       uuid: str = "GPU-a", **labels: str) -> Series:
    return series(metric, values, scrape=scrape, gpu=gpu, uuid=uuid, **labels)


def gpu(index: str = "0", uuid: str = "GPU-a", *, scrape: Mapping[str, str] = SCRAPE,
        busy: float = 0.5, memory: float = 60, watts: float = 600, celsius: float = 70,
        throttled: float = 0.1) -> tuple[Series, ...]:
    """A GPU that is well: its share of busy time, its memory of 80, heat and power."""
    def emit(metric: Metric, values: str, **labels: str) -> Series:
        return of(metric, values, scrape=scrape, gpu=index, uuid=uuid, **labels)

    return (
        emit(c.GPU_INFO, "1x90", name="H100", driver_version="570", pci_bus_id=index),
        emit(c.GPU_UP, "1x90"), emit(c.GPU_BUSY, growing(60 * busy, 90)),
        emit(c.GPU_OBSERVED, growing(60, 90)), emit(c.GPU_MEMORY_USED, f"{memory}x90"),
        emit(c.GPU_MEMORY_TOTAL, "80x90"), emit(c.GPU_POWER, f"{watts}x90"),
        emit(c.GPU_ENERGY, growing(60 * watts, 90)), emit(c.GPU_TEMPERATURE, f"{celsius}x90"),
        *(emit(c.GPU_THROTTLED, growing(60 * throttled * (reason == "power_cap"), 90),
               reason=reason) for reason in c.THROTTLE.values),
        *(emit(c.GPU_XID, "0x90", xid=xid) for xid in c.XIDS_DRAIN),
        *(emit(c.GPU_ECC, "0x90", kind=kind) for kind in c.ECC_KIND.values),
    )


def reasons(power_cap: float) -> Recorded:
    return [({**EAST, "reason": reason}, power_cap * (reason == "power_cap"))
            for reason in c.THROTTLE.values]


def without(gpu: tuple[Series, ...], *metrics: Metric) -> tuple[Series, ...]:
    return tuple(one for one in gpu
                 if one["series"].partition("{")[0] not in {metric.name for metric in metrics})


TWO = (*gpu(), *gpu("1", "GPU-b", busy=1, memory=40, watts=400, celsius=50, throttled=0.3))


@BOTH_VERSIONS
@cases(
    Case("two GPUs", TWO, {
        BUSY: [(A, 0.5), (B, 1)], MEMORY: [(A, 0.75), (B, 0.5)], LOST: NOTHING,
        NODE_GPUS: one(2, **NODE), NODE_UP: one(2, **NODE), NODE_BUSY: one(0.75, **NODE),
        NODE_MEMORY: one(0.75, **NODE), NODE_POWER: one(1000, **NODE),
        NODE_ENERGY: one(1000, **NODE), NODE_TEMPERATURE: one(70, **NODE),
        NODE_THROTTLED: one(0.3, **NODE), NODE_XIDS: one(0, **NODE), NODE_ECC: one(0, **NODE),
        NODE_BUSY_HOUR: one(0.75, **NODE), FLEET_GPUS: one(2, **EAST), FLEET_UP: one(2, **EAST),
        FLEET_BUSY: one(0.75, **EAST),
        FLEET_MEMORY: one(0.625, **EAST), FLEET_POWER: one(1000, **EAST),
        FLEET_ENERGY: one(1000, **EAST), FLEET_THROTTLED: reasons(0.2)}, time="80m"),
    Case("two exporters that see the same GPUs", (
        *TWO, *({**one, "values": one["values"]} for one in gpu(scrape=OTHER))), {
            BUSY: [(A, 0.5), (B, 1)], MEMORY: [(A, 0.75), (B, 0.5)], NODE_GPUS: one(2, **NODE),
            NODE_UP: one(2, **NODE), NODE_POWER: one(1000, **NODE), NODE_ENERGY: one(1000, **NODE),
            FLEET_GPUS: one(2, **EAST), FLEET_BUSY: one(0.75, **EAST),
            FLEET_THROTTLED: reasons(0.2)}),
    Case("one sees it under another index", (*gpu(), *gpu("7", scrape=OTHER)), {
        NODE_GPUS: one(1, **NODE), NODE_UP: one(1, **NODE), NODE_POWER: one(600, **NODE),
        NODE_BUSY: one(0.5, **NODE), NODE_THROTTLED: one(0.1, **NODE), FLEET_GPUS: one(1, **EAST)}),
    Case("one is scraped without a node", (
        *gpu(), *gpu(scrape={name: OTHER[name] for name in OTHER if name != "node"})), {
            FLEET_GPUS: one(1, **EAST), FLEET_UP: one(1, **EAST), FLEET_POWER: one(600, **EAST),
            FLEET_BUSY: one(0.5, **EAST), FLEET_MEMORY: one(0.75, **EAST),
            FLEET_ENERGY: one(600, **EAST)}),
    Case("two nodes", (*gpu(), *gpu(uuid="GPU-b", busy=1, scrape=AFAR)), {
        NODE_GPUS: [(NODE, 1), (NODE_2, 1)], NODE_BUSY: [(NODE, 0.5), (NODE_2, 1)],
        FLEET_GPUS: one(2, **EAST), FLEET_BUSY: one(0.75, **EAST)}),
    Case("two clusters", (*gpu(), *gpu(uuid="GPU-b", scrape=SCRAPE | {"cluster": "west"})), {
        FLEET_GPUS: [(EAST, 1), ({"cluster": "west"}, 1)]}),
    Case("neither cluster nor node", gpu(scrape=BARE), {
        BUSY: one(0.5, gpu="0", uuid="GPU-a"), NODE_GPUS: one(1), NODE_POWER: one(600),
        FLEET_GPUS: one(1), FLEET_UP: one(1), FLEET_BUSY: one(0.5), FLEET_ENERGY: one(600),
        NODE_ENERGY: one(600)}),
    Case("MIG instances", (
        *without(gpu(), c.GPU_BUSY, c.GPU_OBSERVED, c.GPU_MEMORY_USED, c.GPU_MEMORY_TOTAL),
        of(c.GPU_MEMORY_USED, "30x90", mig="1/0"), of(c.GPU_MEMORY_TOTAL, "40x90", mig="1/0"),
        of(c.GPU_MEMORY_USED, "10x90", mig="2/0"), of(c.GPU_MEMORY_TOTAL, "40x90", mig="2/0")), {
            BUSY: NOTHING, NODE_BUSY: NOTHING, FLEET_BUSY: NOTHING,
            MEMORY: [({**A, "mig": "1/0"}, 0.75), ({**A, "mig": "2/0"}, 0.25)],
            NODE_MEMORY: one(0.75, **NODE), FLEET_MEMORY: one(0.5, **EAST),
            NODE_GPUS: one(1, **NODE), NODE_POWER: one(600, **NODE)}),
    Case("a lost GPU beside one with other memory", (
        of(c.GPU_INFO, "1x90", name="H100", driver_version="570", pci_bus_id="0"),
        of(c.GPU_UP, "1x9 0x90"), of(c.GPU_POWER, "600x9 stale"), *gpu("1", "GPU-b")), {
            LOST: one(0, **A), NODE_GPUS: one(2, **NODE), NODE_UP: one(1, **NODE),
            FLEET_GPUS: one(2, **EAST), FLEET_UP: one(1, **EAST), NODE_POWER: one(600, **NODE),
            NODE_BUSY: one(0.5, **NODE), NODE_ENERGY: one(600, **NODE)}),
    Case("lost to one exporter of two", (
        *gpu(), of(c.GPU_INFO, "1x90", name="H100", driver_version="570", pci_bus_id="0",
                   scrape=OTHER), of(c.GPU_UP, "0x90", scrape=OTHER)), {
            LOST: NOTHING, NODE_UP: one(1, **NODE)}),
    Case("all GPUs of a node are lost", (
        of(c.GPU_INFO, "1x90", name="H100", driver_version="570", pci_bus_id="0"),
        of(c.GPU_UP, "0x90")), {
            NODE_GPUS: one(1, **NODE), NODE_UP: one(0, **NODE), FLEET_UP: one(0, **EAST),
            NODE_BUSY: NOTHING, NODE_POWER: NOTHING, NODE_ENERGY: NOTHING, FLEET_ENERGY: NOTHING}),
    Case("a GPU that was lost before its exporter started, beside one that is well", (
        *gpu(), of(c.GPU_UP, "0x90", gpu="3", uuid="")), {
            LOST: one(0, **NODE, gpu="3"), NODE_GPUS: one(2, **NODE), NODE_UP: one(1, **NODE),
            FLEET_GPUS: one(2, **EAST), FLEET_UP: one(1, **EAST), NODE_BUSY: one(0.5, **NODE)}),
    Case("two GPUs without a UUID", (*gpu(uuid=""), *gpu("1", "", busy=1)), {
        LOST: NOTHING, NODE_GPUS: one(2, **NODE), NODE_UP: one(2, **NODE), BUSY: NOTHING,
        FLEET_GPUS: one(2, **EAST), FLEET_UP: one(2, **EAST)}),
    Case("drivers of four exporters", (
        series(c.GPU_DRIVER_UP, "1x90"), series(c.GPU_DRIVER_UP, "0x90", scrape=AFAR,
                                                reason="no_driver"),
        series(c.GPU_DRIVER_UP, "0x90", scrape=BARE | EAST, reason="no_library"),
        series(c.COLLECTOR_SUCCESS, "1x90", scrape=BARE | EAST, collector="gpu"),
        series(c.GPU_DRIVER_UP, "0x90", scrape=AFAR | {"pod": "of-a-node"}, reason="no_library"),
        series(c.COLLECTOR_SUCCESS, "0x90", scrape=AFAR | {"pod": "of-a-node"}, collector="gpu")), {
            FLEET_DRIVERS_DOWN: one(2, **EAST)}),
    Case("a laptop without a GPU", (
        series(c.GPU_DRIVER_UP, "0x90", scrape=BARE, reason="no_library"),
        series(c.COLLECTOR_SUCCESS, "1x90", scrape=BARE, collector="gpu")), {
            FLEET_DRIVERS_DOWN: NOTHING}),
    Case("devices that no driver lists", (
        series(c.GPU_UNLISTED, "2x90"), series(c.GPU_UNLISTED, "2x90", scrape=OTHER),
        series(c.GPU_UNLISTED, "1x90", scrape=AFAR)), {FLEET_UNLISTED: one(3, **EAST)}),
    Case("one that two exporters look for in vain", (
        of(c.GPU_UP, "0x90", gpu="3", uuid=""),
        of(c.GPU_UP, "0x90", gpu="3", uuid="", scrape=OTHER)), {
            LOST: one(0, **NODE, gpu="3"), NODE_GPUS: one(1, **NODE), NODE_UP: one(0, **NODE)}),
    Case("one that has no name to one exporter, and is well to another", (
        *gpu(), of(c.GPU_UP, "0x90", gpu="5", scrape=OTHER)), {
            LOST: NOTHING, NODE_GPUS: one(1, **NODE), NODE_UP: one(1, **NODE)}),
    Case("a GPU without a counter of energy", without(gpu(), c.GPU_ENERGY), {
        NODE_ENERGY: NOTHING, FLEET_ENERGY: NOTHING, NODE_POWER: one(600, **NODE)}),
    Case("a GPU of which nothing is observed", without(gpu(), c.GPU_OBSERVED), {
        BUSY: NOTHING, NODE_BUSY: NOTHING}),
    Case("an exporter that restarts", tuple(
        {**one, "values": one["values"].replace("0+30x90", "0+30x26 30+30x60")
         .replace("0+60x90", "0+60x26 60+60x60")} for one in gpu()), {
            BUSY: one(0.5, **A), NODE_BUSY: one(0.5, **NODE)}),
    Case("XIDs of one GPU, two of them within the hour", (
        *TWO, of(c.GPU_XID_LAST, "600x40 3000x50")), {NODE_XIDS: one(1, **NODE)}, time="80m"),
    Case("an XID more than an hour ago", (*TWO, of(c.GPU_XID_LAST, "600x90")), {
        NODE_XIDS: one(0, **NODE)}, time="80m"),
    Case("XIDs that the driver does not tell", without(TWO, c.GPU_XID), {NODE_XIDS: NOTHING}),
    Case("uncorrected errors, which two exporters see", (
        *without(TWO, c.GPU_ECC), of(c.GPU_ECC, "0+1x90", kind="uncorrected"),
        of(c.GPU_ECC, "0+1x90", kind="uncorrected", scrape=OTHER),
        of(c.GPU_ECC, "0+9x90", kind="corrected")), {NODE_ECC: one(60, **NODE)}, time="80m"),
)
def test_what_is_recorded_with(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)
