"""Ledgers in each store there is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.exporter.ledger.making import Stores
from tests.postgres import Server, programs, server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server of PostgreSQL; each test makes a database of its own in it."""
    pytest.importorskip("psycopg")
    if programs() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with server() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def each_store(request: pytest.FixtureRequest) -> Iterator[None]:
    """New ledgers are made in this store."""
    if request.param == "postgresql":
        Stores.server = request.getfixturevalue("postgres")
    yield
    Stores.server = None


@pytest.fixture
def in_postgres(postgres: Server) -> Iterator[Server]:
    """New ledgers are made in databases of this server."""
    Stores.server = postgres
    yield postgres
    Stores.server = None
