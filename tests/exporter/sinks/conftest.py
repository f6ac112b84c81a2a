"""Ledgers in each store there is."""

from tests.exporter.ledger.conftest import each_store, in_postgres, postgres

__all__ = ("each_store", "in_postgres", "postgres")
