"""The ledger: facts in, questions out. One SQLite file, one writer, counters that never fall."""
