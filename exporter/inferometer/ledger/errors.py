"""Why a ledger cannot be used. Light: who has no ledger may catch these."""

from __future__ import annotations


class LedgerError(Exception):
    """The ledger cannot be used; the message says why in one line."""


class LedgerLostError(LedgerError):
    """The server cannot be reached now: what came is not kept, and may be sent again."""


class LedgerFullError(Exception):
    """What came is not taken, and may be sent again. `lag`: seconds by which the ledger is behind.
    """

    def __init__(self, why: str, lag: float = 0.0) -> None:
        super().__init__(why)
        self.lag = lag


class KeyFileError(Exception):
    """The key file cannot be used."""
