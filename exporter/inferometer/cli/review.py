"""`inferometer review`: people's labels of judged answers, and what all of it comes to."""

from __future__ import annotations

import argparse
import getpass
import importlib.util
from contextlib import closing
from pathlib import Path

from inferometer import settings
from inferometer.cli.ledger_flags import add_ledger_flags, named_ledger
from inferometer.cli.verbs import FAILED, Verb, complain
from inferometer.config import ConfigError
from inferometer.documents.mistakes import DocumentError, Mistake
from inferometer.evaluations import FAITHFULNESS, JUDGED
from inferometer.ledger.errors import LedgerError
from inferometer.roles import GATEWAY
from inferometer.settings import COMMAND_LINE, Flags

LABEL, RATES = ACTIONS = ("label", "rates")
FORMATS = ("table", "csv", "json")
MOST_DRAWN = 1000
LONGEST_REVIEWER = 100  # characters


def review(options: argparse.Namespace) -> int:
    """Do the action. Raises ConfigError."""
    if options.file and options.action != LABEL:
        raise _wrong(options.action, f"takes no {str(options.file)!r}")
    if importlib.util.find_spec("sqlalchemy") is None:
        raise _wrong("review", "needs the packages of the extra: pip install "
                               "'inferometer[gateway]'")
    # Here alone: no other verb needs what is in the extra.
    from inferometer.cli import review_actions
    from inferometer.ledger.opening import open_beside

    config, document = settings.load(options.config, Flags(role=GATEWAY))
    document.finish(ConfigError)
    reviewer = _reviewer(options.reviewer) if options.action == LABEL else ""
    try:
        with closing(open_beside(named_ledger(options, config.ledger))) as database:
            if options.action == RATES:
                return review_actions.show_rates(database, config, options.format)
            if options.file:
                return review_actions.take_labels(database, options.file, reviewer)
            return review_actions.draw_answers(
                database, options.evaluation, options.number, reviewer, options.out)
    except DocumentError as error:
        for line in str(error).splitlines():
            complain(line)
    except LedgerError as error:
        complain(str(error))
    return FAILED


def _reviewer(name: str) -> str:
    """Who labels: by the flag, or who is logged in. Raises ConfigError."""
    try:
        name = name or getpass.getuser()
    except (KeyError, OSError) as error:  # which of them depends on the Python
        raise _wrong("--reviewer", "must say who labels: this machine has no name for who is "
                                   "logged in") from error
    if not name.isprintable() or not 0 < len(name.strip()) <= LONGEST_REVIEWER:
        raise _wrong("--reviewer", f"must be a name of at most {LONGEST_REVIEWER} characters")
    return name.strip()


def _wrong(path: str, why: str) -> ConfigError:
    return ConfigError(Mistake(path, why, document=COMMAND_LINE))


def _number(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= MOST_DRAWN:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {MOST_DRAWN}")
    return int(text)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=ACTIONS, metavar="ACTION",
                        help=f"one of {', '.join(ACTIONS)}")
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE",
                        help="of label: a sheet with labels, which are written into the ledger; "
                             "without it answers are drawn")
    parser.add_argument("--evaluation", choices=JUDGED, default=FAITHFULNESS, metavar="NAME",
                        help=f"what the judge was asked: {', '.join(JUDGED)} ({FAITHFULNESS})")
    parser.add_argument("--number", type=_number, default=50, metavar="ANSWERS",
                        help="how many are drawn at most (50)")
    parser.add_argument("--reviewer", default="", metavar="NAME",
                        help="who labels (who is logged in)")
    parser.add_argument("--out", type=Path, metavar="FILE",
                        help="a new file for what is drawn (standard output)")
    parser.add_argument("--format", choices=FORMATS, default="table",
                        help="of rates: table for a person, csv or json for a program (table)")
    add_ledger_flags(parser)


VERB = Verb(
    "review", "label judged answers, and see what judges and people find",
    "Look at judged answers of a gateway, which may be running:\n\n"
    "  label    without a file: draw answers as a sheet of CSV, at random, half of those that\n"
    "           the judge flagged and half of the others, without its verdict. With a file: take\n"
    "           the labels of such a sheet: pass, fail or skip\n"
    "  rates    reckon rates, their intervals and detectors anew from the rows",
    "A sheet's label says whether the answer is good (pass) or bad (fail) in what its evaluation\n"
    "asks; skip, or nothing, leaves it to another time. All labels of a sheet are taken, or none.\n"
    "To take the same sheet again changes nothing. 20 labels of flagged answers and 20 of others\n"
    "make a corrected rate.\n\n"
    "Examples:\n"
    "  inferometer review label --out answers.csv --config /etc/inferometer/gateway.yml\n"
    "  inferometer review label --evaluation refusal --number 100 --reviewer alice > answers.csv\n"
    "  inferometer review label answers.csv --reviewer alice\n"
    "  inferometer review rates --format json --config gateway.yml\n\n"
    "Exit codes: 0 well, 1 the ledger or the sheet cannot be read, or nothing is there, 2 wrong\n"
    "arguments or configuration.",
    _add_arguments, review)
