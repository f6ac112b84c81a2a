"""Migrations of the ledger's file, which Alembic runs; one a file in `versions`."""
