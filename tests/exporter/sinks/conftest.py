"""Ledgers in each store there is, as the ledger's own tests have them."""

from __future__ import annotations

from tests.exporter.ledger.conftest import each_store, in_postgres, postgres

__all__ = ("each_store", "in_postgres", "postgres")
