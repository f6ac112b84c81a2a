"""The flags by which verbs name a ledger, and the ledger that they name."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from inferometer.config import LedgerSection

OF_GATEWAY = "the gateway's configuration file, which says where its ledger is"


def add_ledger_flags(parser: argparse.ArgumentParser, config: str = OF_GATEWAY) -> None:
    """Add them. `config`: what is said of --config."""
    parser.add_argument("--config", type=Path, metavar="FILE", help=config)
    parser.add_argument("--ledger", type=Path, metavar="FILE",
                        help="the ledger itself (inferometer-ledger.db)")
    parser.add_argument("--key-file", type=Path, metavar="FILE",
                        help="the file with its key (that of the ledger with .key behind it)")


def named_ledger(options: argparse.Namespace, section: LedgerSection) -> LedgerSection:
    """The ledger that flags name, or the configuration."""
    if options.ledger:
        section = replace(section, path=str(options.ledger), dsn_file="")
    return replace(section, key_file=str(options.key_file)) if options.key_file else section
