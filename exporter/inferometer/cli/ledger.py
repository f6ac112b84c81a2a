"""`inferometer ledger`: ask the ledger of a gateway, and look after it."""

from __future__ import annotations

import argparse
import importlib.util
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from inferometer import settings
from inferometer.cli.ledger_flags import add_ledger_flags, named_ledger
from inferometer.cli.verbs import FAILED, Verb, complain
from inferometer.config import ConfigError
from inferometer.documents.mistakes import Mistake
from inferometer.durations import DurationError, milliseconds
from inferometer.ledger.errors import LedgerError
from inferometer.roles import GATEWAY
from inferometer.settings import COMMAND_LINE, Flags

if TYPE_CHECKING:  # what it needs at run time is in an extra
    pass

FORMATS = ("table", "csv", "json")
GROUPS = ("model", "service", "user", "provider", "operation", "tool", "agent")
ACTIONS = {  # and whether they are about something that must be named
    "top": "", "verify": "", "backup": "FILE", "trace": "ID", "who": "USER",
    "forget": "USER|CONVERSATION", "copy": "", "check": "", "vacuum": "", "clickhouse": "",
}
STORES = ("ledger", "clickhouse")  # that may be asked


def ledger(options: argparse.Namespace) -> int:
    """Do the action. Raises ConfigError."""
    wish = ACTIONS[options.action]
    if wish and not options.subject:
        raise _wrong(options.action, f"needs {wish}: inferometer ledger {options.action} {wish}")
    if options.subject and not wish:
        raise _wrong(options.action, f"takes no {options.subject!r}")
    if importlib.util.find_spec("sqlalchemy") is None:
        raise _wrong("ledger", "needs the packages of the extra: pip install "
                               "'inferometer[gateway]'")
    # Here alone: no other verb needs what is in the extra.
    from inferometer.cli import ledger_actions
    from inferometer.ledger.opening import open_beside

    config, document = settings.load(options.config, Flags(role=GATEWAY))
    document.finish(ConfigError)
    if options.action == "clickhouse" or options.on == "clickhouse":
        _check_clickhouse(config.ledger.clickhouse.url)
    try:
        named = named_ledger(options, config.ledger)
        if options.action == "copy":
            return ledger_actions.copy(replace(named, dsn_file=""), config.ledger)
        with closing(open_beside(named)) as database:
            return ledger_actions.ACTIONS[options.action](
                database, options, config.ledger.clickhouse)
    except LedgerError as error:
        complain(str(error))
        return FAILED


def _check_clickhouse(url: str) -> None:
    """Raise ConfigError where there is none to be asked."""
    if not url:
        raise ConfigError(Mistake("ledger.clickhouse.url", "names no ClickHouse; --config names "
                                  "the file that does", document=COMMAND_LINE))
    if importlib.util.find_spec("clickhouse_connect") is None:
        raise _wrong("ledger", "needs the packages of the extra: pip install "
                               "'inferometer[clickhouse]'")


def _wrong(path: str, why: str) -> ConfigError:
    return ConfigError(Mistake(path, why, document=COMMAND_LINE))


def _last(text: str) -> str:
    try:
        milliseconds(text)
    except DurationError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration, as 24h or 30d") from error
    return text


def _limit(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 1000000")
    return int(text)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=[*ACTIONS], metavar="ACTION",
                        help=f"one of {', '.join(ACTIONS)}")
    parser.add_argument("subject", nargs="?", default="", metavar="WHAT",
                        help="of backup the file to write, of trace the id, of who and forget "
                             "the user as applications name it; of forget also a conversation")
    add_ledger_flags(parser)
    parser.add_argument("--by", choices=GROUPS, default="model",
                        help=f"what top groups by: {', '.join(GROUPS)} (model)")
    parser.add_argument("--last", type=_last, default="24h", metavar="DURATION",
                        help="how far back top looks, in whole hours: 24h, 30d (24h)")
    parser.add_argument("--on", choices=STORES, default="ledger",
                        help="which store top asks: ledger, or clickhouse, to which it gives "
                             "what is counted (ledger)")
    parser.add_argument("--limit", type=_limit, default=20, metavar="ROWS",
                        help="how many rows top shows at most (20)")
    parser.add_argument("--format", choices=FORMATS, default="table",
                        help="table for a person, csv or json for a program (table)")


VERB = Verb(
    "ledger", "ask what applications used, and look after what a gateway keeps",
    "Ask the ledger of a gateway, which may be running:\n\n"
    "  top      who used most: calls, tokens, tools, by model, service or user\n"
    "  trace    one trace as a tree: each step, how long it took, its tokens\n"
    "  who      what is kept of one user, who is in the ledger by a hash alone\n"
    "  forget   remove a user or a conversation from it; counts and sums stay as they are\n"
    "  verify   reckon all counters and roll-ups anew from the rows, and compare\n"
    "  backup   write a copy that is whole while the gateway goes on; of a database, pg_dump does\n"
    "  copy     move a file into the database of ledger.dsn_file, while no gateway runs\n"
    "  check    read all of a file, and say what is damaged and how much of it is unused\n"
    "  vacuum   give back what deleted rows have left: all of it while no gateway has the file\n"
    "           and the disk has room for a second one, else piece by piece beside it\n"
    "  clickhouse  how much is in ClickHouse, and how much waits for it",
    "Calls count once their trace has been quiet for a while (intake.settle_seconds), by the\n"
    "hour in which they arrived. A user's or conversation's name never reaches the ledger:\n"
    "who and forget make its hash with the gateway's key.\n\n"
    "Examples:\n"
    "  inferometer ledger top --by model --last 24h\n"
    "  inferometer ledger top --by user --last 30d --format csv > users.csv\n"
    "  inferometer ledger top --by service --format json | jq '.rows[].input'\n"
    "  inferometer ledger trace 4bf92f3577b34da6a3ce929d0e0e4736\n"
    "  inferometer ledger who alice@example.com --config /etc/inferometer/gateway.yml\n"
    "  inferometer ledger forget alice@example.com\n"
    "  inferometer ledger verify --ledger /var/lib/inferometer/ledger.db\n"
    "  inferometer ledger backup /backup/ledger.db\n"
    "  inferometer ledger copy --config gateway.yml --ledger ledger.db\n"
    "  inferometer ledger check --ledger /backup/ledger.db --key-file ledger.key\n"
    "  inferometer ledger vacuum --config /etc/inferometer/gateway.yml\n"
    "  inferometer ledger clickhouse --config /etc/inferometer/gateway.yml\n"
    "  inferometer ledger top --on clickhouse --by user --last 400d --config gateway.yml\n\n"
    "Exit codes: 0 well, 1 the ledger or ClickHouse cannot be read, the ledger is damaged or\n"
    "differs, or nothing is known of what was asked for, 2 wrong arguments or configuration.",
    _add_arguments, ledger)
