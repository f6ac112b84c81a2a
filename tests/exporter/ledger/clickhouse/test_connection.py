"""What keeps a ledger from ClickHouse is said in plain words, and holds nothing else up."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("clickhouse_connect", reason="the extra clickhouse is not installed")

from inferometer.config import ClickHouseSection, LedgerSection
from inferometer.ledger.clickhouse.connection import connect_as
from inferometer.ledger.clickhouse.shipper import RETRY_SECONDS, shipper_of
from inferometer.ledger.errors import LedgerError
from tests.exporter.ledger.making import call, ledger_in

NOBODY = "http://127.0.0.1:9"  # the port of `discard`, where nobody listens


def test_an_address_where_nobody_listens_is_named_with_its_reason() -> None:
    with pytest.raises(LedgerError, match=r"^ClickHouse at http://127\.0\.0\.1:9: "
                                          "connection refused$"):
        connect_as(ClickHouseSection(url=NOBODY))


def test_a_password_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="password: No such file"):
        connect_as(ClickHouseSection(url=NOBODY, password_file=str(tmp_path / "password")))


def test_while_clickhouse_is_down_rows_are_counted_wait_and_are_tried_again(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        shipper = shipper_of(LedgerSection(
            path=str(tmp_path / "ledger.db"), key_file=str(tmp_path / "ledger.key"),
                clickhouse=ClickHouseSection(url=NOBODY)))
        for failures in (1, 2):
            bench.send(call(bytes([failures]) * 16))
            bench.wait()
            bench.turn()
            with pytest.raises(LedgerError, match="connection refused"):
                shipper.turn()
            assert shipper.condition() == (failures, failures)
            assert shipper.loop._pause() == RETRY_SECONDS
        assert bench.counters()["ended", "success/"] == 2
