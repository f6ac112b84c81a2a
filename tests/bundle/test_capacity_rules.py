"""Capacity: how full the engines of a model are, whatever their replicas and ranks."""

from __future__ import annotations

from pathlib import Path

from inferometer import catalogue as c
from recording_rules.capacity import (
    ACCEPTED,
    EXPECTED,
    FLEET_RUNNING,
    FLEET_WAITING,
    KV_CAPACITY,
    KV_USAGE,
    KV_USAGE_MEAN,
    MAX_LENGTH,
    PREEMPTIONS,
    PREFIX_HITS,
    REPLICAS,
    RUNNING,
    WAITING,
    WORKLOAD_REPLICAS,
    WORKLOAD_RUNNING,
)
from tests.bundle.alert_inputs import BARE, MODEL, OTHER, emit
from tests.bundle.promtool import SCRAPE, growing
from tests.bundle.rule_cases import BOTH_VERSIONS, NOTHING, Case, cases, one, prove

EAST = {"cluster": "east"}
UNNAMED = {**EAST, "namespace": "chat", "engine": "tgi", "target": "chat"}
STEADY = growing(60, 60)
HALF = growing(30, 60)


@BOTH_VERSIONS
@cases(
    Case("two replicas", (
        emit(c.SERVER_UP, "1x60"), emit(c.SERVER_UP, "1x60", scrape=OTHER),
        emit(c.SERVER_RUNNING, "3x60"), emit(c.SERVER_RUNNING, "4x60", scrape=OTHER),
        emit(c.SERVER_WAITING, "5x60"), emit(c.SERVER_WAITING, "0x60", scrape=OTHER),
        emit(c.SERVER_KV_USAGE, "0.5x60"), emit(c.SERVER_KV_USAGE, "0.9x60", scrape=OTHER),
        emit(c.SERVER_KV_CAPACITY, "1000x60"), emit(c.SERVER_KV_CAPACITY, "500x60", scrape=OTHER),
        emit(c.SERVER_MAX_LENGTH, "8192x60"), emit(c.SERVER_MAX_LENGTH, "4096x60", scrape=OTHER),
        emit(c.SERVER_PREEMPTIONS, STEADY), emit(c.SERVER_PREEMPTIONS, HALF, scrape=OTHER)), {
            REPLICAS: one(2, **MODEL), EXPECTED: one(2, **MODEL), RUNNING: one(7, **MODEL),
            WAITING: one(5, **MODEL), KV_USAGE: one(0.9, **MODEL),
            KV_USAGE_MEAN: one(0.7, **MODEL), KV_CAPACITY: one(1500, **MODEL),
            MAX_LENGTH: one(4096, **MODEL), PREEMPTIONS: one(1.5, **MODEL),
            FLEET_RUNNING: one(7, **EAST), FLEET_WAITING: one(5, **EAST)}),
    Case("two ranks of one engine", (
        emit(c.SERVER_RUNNING, "3x60", rank="0"), emit(c.SERVER_RUNNING, "4x60", rank="1"),
        emit(c.SERVER_KV_USAGE, "0.5x60", rank="0"), emit(c.SERVER_KV_USAGE, "0.9x60", rank="1"),
        emit(c.SERVER_UP, "1x60")), {
            RUNNING: one(7, **MODEL), KV_USAGE: one(0.9, **MODEL), REPLICAS: one(1, **MODEL)}),
    Case("one replica down", (
        emit(c.SERVER_UP, "1x60"), emit(c.SERVER_UP, "0x60", scrape=OTHER)), {
            REPLICAS: one(1, **MODEL), EXPECTED: one(2, **MODEL)}),
    Case("all replicas down", (
        emit(c.SERVER_UP, "1x5 0x60"), emit(c.SERVER_RUNNING, "3x5 stale")), {
            REPLICAS: one(0, **MODEL), EXPECTED: one(1, **MODEL), RUNNING: NOTHING,
            FLEET_RUNNING: NOTHING}),
    Case("a prefix cache and speculation", (
        emit(c.SERVER_PREFIX_QUERIES, STEADY), emit(c.SERVER_PREFIX_HITS, HALF),
        emit(c.SERVER_DRAFT, STEADY), emit(c.SERVER_ACCEPTED, growing(45, 60))), {
            PREFIX_HITS: one(0.5, **MODEL), ACCEPTED: one(0.75, **MODEL)}),
    Case("both replicas' cache, which weigh by their use", (
        emit(c.SERVER_PREFIX_QUERIES, STEADY), emit(c.SERVER_PREFIX_HITS, HALF),
        emit(c.SERVER_PREFIX_QUERIES, growing(20, 60), scrape=OTHER),
        emit(c.SERVER_PREFIX_HITS, growing(2, 60), scrape=OTHER)), {
            PREFIX_HITS: one(32 / 80, **MODEL)}),
    Case("a cache and speculation that are not used", (
        emit(c.SERVER_PREFIX_QUERIES, "0x60"), emit(c.SERVER_PREFIX_HITS, "0x60"),
        emit(c.SERVER_DRAFT, "7x60"), emit(c.SERVER_ACCEPTED, "5x60")), {
            PREFIX_HITS: NOTHING, ACCEPTED: NOTHING}),
    Case("a cache whose hits are not counted", (emit(c.SERVER_PREFIX_QUERIES, STEADY),), {
        PREFIX_HITS: NOTHING}),
    Case("neither cluster nor namespace", (emit(c.SERVER_RUNNING, "3x60", scrape=BARE),), {
        RUNNING: one(3, engine="vllm", model="tiny"), FLEET_RUNNING: one(3)}),
    Case("several workloads, by the names of their pods", (
        *(emit(metric, f"{value}x60", scrape={**scrape, "pod": pod}, engine="tgi", model="")
          for metric, values in (
              (c.SERVER_UP, (1, 0, 1, 1, 1)), (c.SERVER_RUNNING, (2, 0, 3, 1, 4)))
          for value, scrape, pod in zip(values, (SCRAPE, OTHER, SCRAPE, SCRAPE, OTHER), (
              "mistral-7c9f8d6b54-kqw5b", "mistral-7c9f8d6b54-rx6cj", "qwen-2-kqw5b", "set-0",
              "set-1"), strict=True)),
        emit(c.SERVER_UP, "1x60", scrape=BARE, engine="tgi", model=""),
        emit(c.SERVER_UP, "1x60"), emit(c.SERVER_RUNNING, "5x60")), {
            WORKLOAD_REPLICAS: [
                *((UNNAMED | {"workload": name}, number) for name, number in (
                    ("mistral", 1), ("qwen-2", 1), ("set", 2))),
                ({"engine": "tgi", "target": "chat", "workload": "10.0.0.1:9835"}, 1),
                ({**MODEL, "target": "chat", "workload": "inferometer-abcde"}, 1)],
            WORKLOAD_RUNNING: [
                *((UNNAMED | {"workload": name}, number) for name, number in (
                    ("mistral", 2), ("qwen-2", 3), ("set", 5))),
                ({**MODEL, "target": "chat", "workload": "inferometer-abcde"}, 5)]}),
    Case("a front before its workers", (
        emit(c.SERVER_RUNNING, "3x60"), emit(c.SERVER_RUNNING, "3x60", engine="dynamo")), {
            RUNNING: [(MODEL, 3), ({**MODEL, "engine": "dynamo"}, 3)],
            FLEET_RUNNING: one(3, **EAST)}),
    Case("a front, and workers that do not tell", (
        emit(c.SERVER_UP, "1x60"), emit(c.SERVER_RUNNING, "3x60", engine="dynamo")), {
            FLEET_RUNNING: one(3, **EAST)}),
)
def test_what_is_recorded_with(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)
