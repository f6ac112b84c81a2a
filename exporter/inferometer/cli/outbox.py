"""`inferometer outbox`: what waits for destinations of a gateway, and what these refused."""

from __future__ import annotations

import argparse
import importlib.util
from contextlib import closing
from typing import TYPE_CHECKING

from inferometer import settings
from inferometer.cli.ledger_flags import add_ledger_flags, named_ledger
from inferometer.cli.ledger_tables import TableCell, moment, print_as, table
from inferometer.cli.verbs import FAILED, OK, Verb, complain
from inferometer.config import ConfigError
from inferometer.documents.mistakes import Mistake
from inferometer.ledger.errors import LedgerError
from inferometer.roles import GATEWAY
from inferometer.settings import COMMAND_LINE, Flags

if TYPE_CHECKING:  # what it needs at run time is in an extra
    from inferometer.ledger.database import Database

LIST, RETRY, DROP = ACTIONS = ("list", "retry", "drop")
FORMATS = ("table", "csv", "json")
_BACKLOG = ("destination", "gateway", "waiting", "bytes", "oldest")
_REFUSED = ("number", "destination", "gateway", "signal", "bytes", "arrived", "status", "why")


def outbox(options: argparse.Namespace) -> int:
    """Do the action. Raises ConfigError."""
    if options.action != LIST and not options.destination:
        raise ConfigError(Mistake(options.action, "needs the name of a destination: inferometer "
                                  f"outbox {options.action} NAME", document=COMMAND_LINE))
    if importlib.util.find_spec("sqlalchemy") is None:
        raise ConfigError(Mistake("outbox", "needs the packages of the extra: pip install "
                                  "'inferometer[gateway]'", document=COMMAND_LINE))
    # Here alone: no other verb needs what is in the extra.
    from inferometer.ledger.opening import open_beside

    config, document = settings.load(options.config, Flags(role=GATEWAY))
    document.finish(ConfigError)
    try:
        with closing(open_beside(named_ledger(options, config.ledger))) as database:
            return _show(database, options) if options.action == LIST else _decide(
                database, options)
    except LedgerError as error:
        complain(str(error))
        return FAILED


def _show(database: Database, options: argparse.Namespace) -> int:
    """Print what waits, and what was refused."""
    from inferometer.ledger.outbox_care import backlogs, refused_bodies

    waiting: list[list[TableCell]] = [
        [one.destination, one.gateway, one.waiting, one.bytes,
         "" if one.oldest is None else moment(one.oldest)]
        for one in backlogs(database) if options.destination in ("", one.destination)]
    refused: list[list[TableCell]] = [
        [str(one.number), one.destination, one.gateway, one.signal, one.bytes, moment(one.arrived),
         str(one.status or ""), f"to be sent again: {one.why}" if one.again else one.why]
        for one in refused_bodies(database, options.destination, options.number)]
    if options.format != "table":
        print_as(options.format, _REFUSED, refused, {
            "waiting": [dict(zip(_BACKLOG, row, strict=True)) for row in waiting],
            "refused": [dict(zip(_REFUSED, row, strict=True)) for row in refused]})
        return OK
    print("\n".join(table(_BACKLOG, waiting)) if waiting else "No destination has been sent to.")
    print("\n".join(["", *table(_REFUSED, refused)]) if refused else "Nothing was refused.")
    return OK


def _decide(database: Database, options: argparse.Namespace) -> int:
    """Have bodies that were refused sent again, or drop them."""
    from inferometer.ledger.outbox_care import drop, refused_bodies, send_again

    bodies = refused_bodies(database, options.destination, options.number)
    if not bodies:
        complain(f"{options.destination} has refused nothing that is kept")
        return FAILED
    (send_again if options.action == RETRY else drop)(database, bodies)
    print(f"{len(bodies)} bodies " + (
        "are sent again" if options.action == RETRY else "are dropped"))
    return OK


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of a body")
    return int(text)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=ACTIONS, metavar="ACTION",
                        help=f"one of {', '.join(ACTIONS)}")
    parser.add_argument("destination", nargs="?", default="", metavar="NAME",
                        help="of a destination, as the configuration has it")
    parser.add_argument("--number", type=_number, metavar="NUMBER",
                        help="of one body, as list has it (all)")
    add_ledger_flags(parser)
    parser.add_argument("--format", choices=FORMATS, default="table",
                        help="table for a person, csv or json for a program (table)")


VERB = Verb(
    "outbox", "see what waits for destinations, and decide on what they refused",
    "See what a gateway, which may be running, has still to send on:\n\n"
    "  list   what waits for each destination, and what it refused for good\n"
    "  retry  send again what a destination refused, before what came later\n"
    "  drop   delete what a destination refused",
    "What is kept to be sent again goes with the bounds of the outbox, the oldest first:\n"
    "ledger.outbox_max_bytes and ledger.outbox_hours. No body is shown.\n\n"
    "Examples:\n"
    "  inferometer outbox list --config /etc/inferometer/gateway.yml\n"
    "  inferometer outbox retry langsmith --config /etc/inferometer/gateway.yml\n"
    "  inferometer outbox drop langsmith --number 17 --ledger ledger.db\n\n"
    "Exit codes: 0 well, 1 the ledger cannot be read, or there is nothing to decide on,\n"
    "2 wrong arguments or configuration.",
    _add_arguments, outbox)
