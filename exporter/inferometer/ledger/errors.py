"""Why a ledger cannot be used. Light: who has no ledger may catch these."""

from __future__ import annotations


class LedgerError(Exception):
    """The ledger cannot be used; the message says why in one line."""


class LedgerLostError(LedgerError):
    """The server cannot be reached now: what came is not kept, and may be sent again."""


class LedgerFullError(Exception):
    """Too much is pending: what came is not taken, and may be sent again."""


class KeyFileError(Exception):
    """The key file cannot be used."""
