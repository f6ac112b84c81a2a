"""Alembic's migrations, run on the ledger's file."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

# Before the imports: Alembic logs each of its plugins as it is imported.
logging.getLogger("alembic").setLevel(logging.WARNING)

from alembic import command  # noqa: E402
from alembic.config import Config  # noqa: E402
from alembic.script import ScriptDirectory  # noqa: E402

FOLDER = Path(__file__).parent / "migrations"


def revisions() -> set[str]:
    """All versions that this program knows."""
    return {script.revision
            for script in ScriptDirectory.from_config(_config(FOLDER)).walk_revisions()}


def migrate(path: Path, folder: Path = FOLDER) -> None:
    """Bring the file to the newest version of a folder of migrations, all of it or nothing."""
    _migrate(create_engine("sqlite://", poolclass=NullPool,
                           creator=lambda: sqlite3.connect(path, isolation_level=None)),
             "BEGIN IMMEDIATE", folder)


def migrate_database(dsn: str, folder: Path = FOLDER) -> None:
    """The same of a database of PostgreSQL."""
    import psycopg  # of another extra

    _migrate(create_engine("postgresql+psycopg://", poolclass=NullPool,
                           creator=lambda: psycopg.connect(dsn, autocommit=True)),
             "BEGIN", folder)


def _migrate(engine: Engine, begin: str, folder: Path) -> None:
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(begin)
            config = _config(folder)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.exec_driver_sql("COMMIT")
    finally:
        engine.dispose()


def _config(folder: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config
