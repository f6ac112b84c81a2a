"""The way to ClickHouse: by its URL, as a user, into a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error

from inferometer.config import ClickHouseSection
from inferometer.ledger.errors import LedgerError
from inferometer.outside import masked, shown
from inferometer.reasons import reason_of

CONNECT_SECONDS = 10
ANSWER_SECONDS = 120  # for the sums of many batches, too


def connect_as(section: ClickHouseSection) -> Client:
    """The client that a configuration describes. Raises LedgerError."""
    try:
        password = Path(section.password_file).read_text(encoding="utf-8").rstrip("\r\n") \
            if section.password_file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError(f"{section.password_file}: {reason_of(error)}") from error
    with plain_words(section):
        return connect(section.url, section.database, section.user, password)


@contextmanager
def plain_words(section: ClickHouseSection) -> Iterator[None]:
    """Errors of the client as a LedgerError, which says where it was and what the server says."""
    try:
        yield
    except Error as error:
        raise LedgerError(f"ClickHouse at {masked(section.url)}: "
                          f"{shown(reason_of(error))}") from error


def connect(url: str, database: str, user: str = "", password: str = "") -> Client:
    """A client whose database is there. Raises clickhouse_connect's errors, OSError."""
    options: dict[str, Any] = {"dsn": url}
    if url.startswith("http"):
        options |= {"connect_timeout": CONNECT_SECONDS, "send_receive_timeout": ANSWER_SECONDS,
                    # A session would let one query in at a time.
                    "autogenerate_session_id": False}
        if user:
            options |= {"username": user, "password": password}
    client = clickhouse_connect.get_client(**options)
    try:
        name = "`" + database.replace("\\", "\\\\").replace("`", "\\`") + "`"
        if not client.command(f"EXISTS DATABASE {name}"):
            client.command(f"CREATE DATABASE IF NOT EXISTS {name}")
        client.database = database
    except BaseException:
        client.close()
        raise
    return client
