"""Engines that tests of a running exporter turn to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.exporter.support import Engine, fixture


@pytest.fixture
def vllm() -> Iterator[Engine]:
    with Engine(fixture("vllm/0.32.0/busy.prom")) as engine:
        yield engine


@pytest.fixture
def tgi() -> Iterator[Engine]:
    with Engine(fixture("tgi/datadog/3.3.5.prom")) as engine:
        yield engine
