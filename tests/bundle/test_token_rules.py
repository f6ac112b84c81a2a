"""Tokens: per second, per GPU, per joule; nobody's are counted twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.tokens import (
    CACHED,
    CACHED_RATIO,
    FLEET_INPUT,
    FLEET_INPUT_PER_GPU,
    FLEET_JOULES,
    FLEET_OUTPUT,
    FLEET_OUTPUT_PER_GPU,
    INPUT,
    INPUT_HOUR,
    NODE_JOULES,
    NODE_OUTPUT,
    NODE_OUTPUT_PER_GPU,
    OUTPUT,
    OUTPUT_HOUR,
)
from tests.bundle.alert_inputs import BARE, MODEL, OTHER, emit
from tests.bundle.promtool import SCRAPE, Series, growing, series
from tests.bundle.rule_cases import BOTH_VERSIONS, NOTHING, Case, cases, one, prove

EAST = {"cluster": "east"}
NODE = {"cluster": "east", "node": "node-1"}
AFAR = OTHER | {"node": "node-2"}


def tokens(scrape: Mapping[str, str] = SCRAPE, a_minute: float = 60,
           **labels: str) -> tuple[Series, ...]:
    """So many generated, of twice as many read, of which a quarter came from a cache."""
    return tuple(emit(metric, growing(times * a_minute, 90), scrape=scrape, **labels)
                 for metric, times in ((c.SERVER_OUTPUT, 1), (c.SERVER_INPUT, 2),
                                       (c.SERVER_INPUT_CACHED, 0.5)))


def gpu(uuid: str = "GPU-a", watts: float = 600, scrape: Mapping[str, str] = SCRAPE, *,
        energy: bool = True, up: int = 1) -> tuple[Series, ...]:
    def of(metric: Metric, values: str, **labels: str) -> Series:
        return series(metric, values, scrape=scrape, gpu="0", uuid=uuid, **labels)

    return (of(c.GPU_INFO, "1x90", name="H100", driver_version="570", pci_bus_id="0"),
            of(c.GPU_UP, f"{up}x90"),
            *((of(c.GPU_ENERGY, growing(watts * 60, 90)),) if energy else ()))


@BOTH_VERSIONS
@cases(
    Case("an engine on a node of two GPUs", (
        *tokens(), *gpu(), *gpu("GPU-b", 400)), {
            INPUT: one(2, **MODEL), OUTPUT: one(1, **MODEL), CACHED: one(0.5, **MODEL),
            INPUT_HOUR: one(2, **MODEL), OUTPUT_HOUR: one(1, **MODEL),
            CACHED_RATIO: one(0.25, **MODEL),
            FLEET_INPUT: one(2, **EAST), FLEET_OUTPUT: one(1, **EAST),
            NODE_OUTPUT: one(1, **NODE), NODE_OUTPUT_PER_GPU: one(0.5, **NODE),
            FLEET_INPUT_PER_GPU: one(1, **EAST), FLEET_OUTPUT_PER_GPU: one(0.5, **EAST),
            NODE_JOULES: one(1000, **NODE), FLEET_JOULES: one(1000, **EAST)}, time="80m"),
    Case("two nodes", (*tokens(), *gpu(), *tokens(AFAR, 180), *gpu("GPU-b", 900, AFAR)), {
        OUTPUT: one(4, **MODEL),
        NODE_OUTPUT: [(NODE, 1), ({**NODE, "node": "node-2"}, 3)],
        NODE_JOULES: [(NODE, 600), ({**NODE, "node": "node-2"}, 300)],
        FLEET_JOULES: one(1500 / 4, **EAST), FLEET_OUTPUT_PER_GPU: one(2, **EAST)}),
    Case("nothing is generated", (*tokens(a_minute=0), *gpu()), {
        OUTPUT: one(0, **MODEL), FLEET_OUTPUT_PER_GPU: one(0, **EAST), CACHED_RATIO: NOTHING,
        NODE_JOULES: NOTHING, FLEET_JOULES: NOTHING}),
    Case("no GPU is read", tokens(), {
        FLEET_OUTPUT: one(1, **EAST), FLEET_OUTPUT_PER_GPU: NOTHING, NODE_OUTPUT_PER_GPU: NOTHING,
        FLEET_JOULES: NOTHING, NODE_JOULES: NOTHING}),
    Case("cached tokens are not counted", tokens()[:2], {
        INPUT: one(2, **MODEL), CACHED: NOTHING, CACHED_RATIO: NOTHING}),
    Case("one of two GPUs counts no energy", (
        *tokens(), *gpu(), *gpu("GPU-b", energy=False)), {
            NODE_OUTPUT_PER_GPU: one(0.5, **NODE), NODE_JOULES: NOTHING, FLEET_JOULES: NOTHING}),
    Case("a GPU on another node counts none", (
        *tokens(), *gpu(), *gpu("GPU-b", energy=False, scrape=AFAR)), {
            NODE_JOULES: one(600, **NODE), FLEET_JOULES: NOTHING}),
    Case("a lost GPU tells of no energy", (
        *tokens(), *gpu(), *gpu("GPU-b", energy=False, up=0)), {
            NODE_JOULES: one(600, **NODE), FLEET_JOULES: one(600, **EAST)}),
    Case("two exporters see the GPU", (
        *tokens(), *gpu(), *gpu(scrape=OTHER)), {
            NODE_OUTPUT_PER_GPU: one(1, **NODE), NODE_JOULES: one(600, **NODE)}),
    Case("neither cluster, namespace nor node", (*tokens(BARE), *gpu(scrape=BARE)), {
        OUTPUT: one(1, engine="vllm", model="tiny"), FLEET_OUTPUT: one(1), NODE_OUTPUT: one(1),
        NODE_OUTPUT_PER_GPU: one(1), FLEET_JOULES: one(600)}),
    Case("a model of two engines in two namespaces", (
        *tokens(), *tokens(SCRAPE | {"namespace": "test"}), *tokens(engine="sglang")), {
            OUTPUT: [(MODEL, 1), ({**MODEL, "engine": "sglang"}, 1),
                     ({**MODEL, "namespace": "test"}, 1)],
            FLEET_OUTPUT: one(3, **EAST), NODE_OUTPUT: one(3, **NODE)}),
    Case("several ranks", (*tokens(rank="0"), *tokens(rank="1")), {OUTPUT: one(2, **MODEL)}),
    Case("a front before its workers, on a node of its own", (
        *tokens(), *tokens(AFAR, engine="dynamo"), *gpu("GPU-b", scrape=AFAR)), {
            OUTPUT: [(MODEL, 1), ({**MODEL, "engine": "dynamo"}, 1)],
            FLEET_OUTPUT: one(1, **EAST), NODE_OUTPUT: one(1, **NODE),
            NODE_OUTPUT_PER_GPU: NOTHING}),
    Case("a front alone", tokens(engine="dynamo"), {
        FLEET_OUTPUT: one(1, **EAST), FLEET_INPUT: one(2, **EAST), NODE_OUTPUT: NOTHING}),
    Case("an engine that restarts", (
        emit(c.SERVER_OUTPUT, "0+60x26 60+60x60"), *gpu()), {
            OUTPUT: one(1, **MODEL), FLEET_JOULES: one(600, **EAST)}),
    Case("a replica that comes within the window", (
        emit(c.SERVER_OUTPUT, growing(60, 60)),
        emit(c.SERVER_OUTPUT, "_x28 0+60x60", scrape=OTHER)), {OUTPUT: one(1.4, **MODEL)}),
)
def test_what_is_recorded_with(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)
