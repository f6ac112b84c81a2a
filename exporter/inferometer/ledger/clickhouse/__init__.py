"""ClickHouse, for what one database cannot hold: counted rows go there, and are asked there too.

ClickHouse does not decide what counts once: no key of it is unique, and what it drops as repeated
it drops for a while. The ledger gives rows out in numbered batches (`outbox`). What arrives of a
batch is a copy, complete or not, and there may be several; a table of batches names one of them
(`archive`), and whoever asks reads that one alone (`answers`). So it may be sent again at any time.
"""
