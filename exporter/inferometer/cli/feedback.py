"""`inferometer feedback`: capabilities, by which browsers cast votes."""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path

from inferometer import settings
from inferometer.capabilities import LEAST_KEY, LONGEST, MOST_SECONDS, sign
from inferometer.cli.verbs import FAILED, OK, Verb, complain
from inferometer.config import ConfigError
from inferometer.documents.mistakes import Mistake
from inferometer.reasons import reason_of
from inferometer.roles import GATEWAY
from inferometer.settings import COMMAND_LINE, Flags
from inferometer.votes import KINDS

ACTIONS = ("token",)
# As a vote names it, in lower case where it is hex: the gateway compares texts.
_SUBJECT = re.compile(r"trace:[0-9a-f]{32}|span:[0-9a-f]{16}|(?:response|request):.{1,512}")


def feedback(options: argparse.Namespace) -> int:
    """Print a capability. Raises ConfigError."""
    path = options.capability_key_file
    if path is None:
        config, document = settings.load(options.config, Flags(role=GATEWAY))
        document.finish(ConfigError)
        if not config.feedback.capability_key_file:
            raise ConfigError(Mistake("feedback.capability_key_file", "names no file; --config "
                                      "names the configuration that does, --capability-key-file "
                                      "the file itself", document=COMMAND_LINE))
        path = Path(config.feedback.capability_key_file)
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        complain(f"{path}: {reason_of(error)}")
        return FAILED
    if not LEAST_KEY <= len(key) <= LONGEST:
        complain(f"{path}: must hold a key of {LEAST_KEY} to {LONGEST} characters")
        return FAILED
    print(sign(key, options.name or KINDS, options.subject, int(time.time()) + options.seconds))
    return OK


def _subject(text: str) -> str:
    if _SUBJECT.fullmatch(text):
        return text
    raise argparse.ArgumentTypeError(
        f"{text!r} is none of trace:<32 hex digits>, span:<16 hex digits>, response:<id>, "
        "request:<id>")


def _seconds(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number of seconds from 1 to {MOST_SECONDS}")
    return int(text)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=ACTIONS, metavar="ACTION",
                        help=f"one of {', '.join(ACTIONS)}")
    parser.add_argument("subject", type=_subject, metavar="SUBJECT",
                        help="what the vote is of: trace:HEX, span:HEX, response:ID, request:ID")
    parser.add_argument("--name", action="append", choices=KINDS, default=[], metavar="NAME",
                        help=f"a name that the vote may have, of {', '.join(KINDS)}; may be "
                             "repeated (all)")
    parser.add_argument("--seconds", type=_seconds, default=3600, metavar="SECONDS",
                        help="for which it is good (3600)")
    parser.add_argument("--config", type=Path, metavar="FILE",
                        help="the gateway's configuration file, which names the key")
    parser.add_argument("--capability-key-file", type=Path, metavar="FILE",
                        help="the key itself")


VERB = Verb(
    "feedback", "make a capability, by which a browser casts one vote",
    "Make a capability: a text that lets whoever has it cast one vote, of one of some names, on\n"
    "one answer, until it expires. An application's backend makes them itself, by fifteen lines\n"
    "that docs/feedback.md has in Python, TypeScript and Go; this is to try one.",
    "Examples:\n"
    "  inferometer feedback token trace:4bf92f3577b34da6a3ce929d0e0e4736 --config gateway.yml\n"
    "  inferometer feedback token response:chatcmpl-1 --name thumbs_up --name thumbs_down \\\n"
    "    --seconds 600 --capability-key-file feedback.key\n\n"
    "Exit codes: 0 well, 1 the key cannot be read, 2 wrong arguments or configuration.",
    _add_arguments, feedback)
