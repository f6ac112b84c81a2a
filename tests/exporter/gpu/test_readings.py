"""The table of what is read of a GPU: it names what there is, and each series once."""

from __future__ import annotations

import ast
import inspect
from types import ModuleType

import pynvml
import pytest

from inferometer import catalogue as c
from inferometer.gpu import driver, nvml
from inferometer.gpu.readings import (
    CLOCK_REASONS,
    EVERY_ROUND,
    FIELDS,
    OF_INSTANCES,
    SELDOM,
    Call,
    Function,
    GpuValue,
)

INSTEAD = [field.instead for field in FIELDS if field.instead]
CALLS: list[Call] = [*EVERY_ROUND, *SELDOM, *OF_INSTANCES, *INSTEAD]
FUNCTIONS: list[Function] = [*CLOCK_REASONS, *(f for call in CALLS for f in call.functions)]
VALUES: list[GpuValue] = [*(field.value for field in FIELDS),
                          *(value for call in CALLS for value in call.values)]


@pytest.mark.parametrize("name", sorted({
    name for function in FUNCTIONS for name in function} | {
    field.id for field in FIELDS if isinstance(field.id, str)}))
def test_what_the_table_names_is_in_pynvml(name: str) -> None:
    assert hasattr(pynvml, name)


def test_every_value_is_of_the_catalogue_and_has_its_labels() -> None:
    for value in VALUES:
        metric, labels = value.series
        assert metric in c.GPU_METRICS
        for label, given in zip(metric.labels[2:], labels, strict=True):  # after gpu and uuid
            assert given in (label.values or ("",)), metric.name


def test_each_series_is_read_in_one_way() -> None:
    series = [field.value.series for field in FIELDS]
    series += [value.series for call in (*EVERY_ROUND, *SELDOM) for value in call.values]
    assert len(series) == len(set(series))


def test_a_call_in_place_of_a_field_brings_its_series() -> None:
    for field in FIELDS:
        if field.instead:
            assert field.value.series in [value.series for value in field.instead.values]


def test_every_reason_to_throttle_has_its_own_bit() -> None:
    bits = {field.value.series[1]: field.clock_reason for field in FIELDS if field.clock_reason}
    assert set(bits) == {(reason,) for reason in c.THROTTLE.values}
    assert len(set(bits.values())) == len(bits)


def test_values_of_instances_have_a_label_for_them() -> None:
    for call in OF_INSTANCES:
        for value in call.values:
            metric, labels = value.of_instance("1/0")
            assert metric.labels[2] is c.MIG
            assert labels == ("1/0", *value.series[1][1:])


@pytest.mark.parametrize("module", [nvml, driver])
def test_no_other_module_that_reads_a_gpu_knows_the_catalogue(module: ModuleType) -> None:
    tree = ast.parse(inspect.getsource(module))
    imported = {f"{node.module}.{alias.name}" for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert not [name for name in imported if "catalogue" in name]
