"""`inferometer cost`: a provider's bill against what was tracked, and our own costs as FOCUS."""

from __future__ import annotations

import argparse
import importlib.util
import math
import re
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from inferometer.cli.ledger_flags import add_ledger_flags
from inferometer.cli.verbs import FAILED, Verb, complain
from inferometer.config import ConfigError
from inferometer.documents.mistakes import Mistake
from inferometer.settings import COMMAND_LINE

ACTIONS = ("reconcile", "export")
FORMATS = ("markdown", "csv")
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


def cost(options: argparse.Namespace) -> int:
    """Do the action. Raises ConfigError."""
    if importlib.util.find_spec("sqlalchemy") is None:
        raise _wrong("cost", "needs the packages of the extra: pip install "
                             "'inferometer[gateway]'")
    # Here alone: no other verb needs what is in the extra.
    from inferometer.cli import cost_actions
    from inferometer.cost.bill_table import BillError
    from inferometer.ledger.errors import LedgerError

    if options.month is None:
        raise _wrong(options.action, "needs --month, as --month 2026-11")
    if options.action == "reconcile" and options.bill is None:
        raise _wrong("reconcile", "needs --bill, the file of the bill")
    if options.action == "export" and not options.focus:
        raise _wrong("export", "needs --focus: that is the one form there is")
    if options.prometheus and options.gpu_hours:
        raise _wrong("--gpu-hours", "excludes --prometheus: one of them tells the hours of GPUs")
    try:
        return cost_actions.ACTIONS[options.action](options)
    except (BillError, LedgerError) as error:
        complain(str(error))
        return FAILED


def _wrong(path: str, why: str) -> ConfigError:
    return ConfigError(Mistake(path, why, document=COMMAND_LINE))


def _month(text: str) -> date:
    match = _MONTH.fullmatch(text)
    if not match or match[1] < "1970":
        raise argparse.ArgumentTypeError(f"{text!r} is no month, as 2026-11")
    return date(int(match[1]), int(match[2]), 1)


def _rate(text: str) -> Decimal:
    try:
        rate = Decimal(text)
    except InvalidOperation:
        rate = Decimal(0)
    if not (math.isfinite(rate) and 0 < rate < 10**6):
        raise argparse.ArgumentTypeError(f"{text!r} is no amount of USD, as 1.0842")
    return rate


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=ACTIONS, metavar="ACTION",
                        help=f"one of {', '.join(ACTIONS)}")
    parser.add_argument("--bill", type=Path, metavar="FILE",
                        help="the bill: FOCUS 1.0 to 1.4 or a simple CSV, gzipped or not, or "
                             "Parquet where pyarrow is installed")
    parser.add_argument("--month", type=_month, metavar="YYYY-MM", help="the month, in UTC")
    add_ledger_flags(parser, "a configuration file without a role, with cost, fleet, prices and "
                             "ledger")
    parser.add_argument("--prometheus", default="", metavar="URL",
                        help="which Prometheus to ask for the hours of GPUs")
    parser.add_argument("--prometheus-token-file", type=Path, metavar="FILE",
                        help="a file with a bearer token for it")
    parser.add_argument("--gpu-hours", type=Path, metavar="FILE",
                        help="a CSV file with columns gpu and hours in its place, and usd_per_hour")
    parser.add_argument("--basis", choices=("billed", "effective"), default="billed",
                        help="what of a FOCUS bill is compared: BilledCost, or EffectiveCost, "
                             "which spreads commitments over their use (billed)")
    parser.add_argument("--decimal-mark", choices=(".", ","), default=None,
                        help="of amounts that may be read in two ways, as 1,234")
    parser.add_argument("--exchange-rate", type=_rate, metavar="USD",
                        help="USD for one unit of the bill's currency, if it is another one")
    parser.add_argument("--allow-unmapped", action="store_true",
                        help="compare though no rule is for more than 1 %% of the bill")
    parser.add_argument("--dry-run", action="store_true",
                        help="print only: keep nothing, publish nothing")
    parser.add_argument("--format", choices=FORMATS, default="markdown",
                        help="what is printed: markdown, csv (markdown)")
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="a folder for the report as Markdown, CSV and HTML, or the export")
    parser.add_argument("--focus", action="store_true", help="export as FOCUS 1.4")
    parser.add_argument("--account", default="inferometer", metavar="NAME",
                        help="BillingAccountId of the export (inferometer)")


VERB = Verb(
    "cost", "explain a provider's bill by what was tracked, and export costs as FOCUS",
    "Hold a bill against what was tracked, or write what was tracked as a bill:\n\n"
    "  reconcile  a month's bill by category against the ledger, hours of GPUs and fixed costs;\n"
    "             the gap, and what it is made of: what is not tracked, usage, price, calls\n"
    "             without usage, overhead. The parts sum to the gap. Of a complete month it is\n"
    "             kept in the ledger for 13 months, and published by its gateway.\n"
    "  export     calls, GPUs and fixed costs as FOCUS 1.4 Cost and Usage",
    "Which lines are about what, the rules in cost.bill of the configuration say. A bill in two\n"
    "currencies is refused, and one of which no rule is for more than 1 %.\n\n"
    "Examples:\n"
    "  inferometer cost reconcile --bill bill.csv --month 2026-11 --config cost.yml\n"
    "  inferometer cost reconcile --bill focus.csv.gz --month 2026-11 --config cost.yml \\\n"
    "    --prometheus http://127.0.0.1:9090 --out reports\n"
    "  inferometer cost reconcile --bill bill.csv --month 2026-11 --gpu-hours hours.csv --dry-run\n"
    "  inferometer cost export --focus --month 2026-11 --config cost.yml > costs.csv\n\n"
    "Exit codes: 0 well, 1 the bill, the ledger or Prometheus cannot be read, or the bill is\n"
    "refused, 2 wrong arguments or configuration.",
    _add_arguments, cost)
