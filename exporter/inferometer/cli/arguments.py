"""Arguments that several verbs take: the types of their values, and whole flags."""

from __future__ import annotations

import argparse
import math

from inferometer.addresses import ADDRESS, URL, is_engine_url, split_address
from inferometer.config import EngineTarget
from inferometer.logs import AUTO, FORMATS, LEVELS
from inferometer.outside import masked
from inferometer.roles import NO_ROLE, ROLES

ROLES_HELP = "\n".join((
    "Roles divide the work among exporters. Each has these sections of the file:",
    *(f"  {name:9} {', '.join(role.sections):16} {role.does}"
      for name, role in ROLES.items() if name),
    "Without a role an exporter does all of it."))


def add_role(parser: argparse.ArgumentParser) -> None:
    """The flag for the exporter's role."""
    parser.add_argument("--role", choices=[*filter(None, ROLES)], default=NO_ROLE,
                        help="the part of the work that is this exporter's (all of it)")


def add_log(parser: argparse.ArgumentParser, level: str = "info") -> None:
    """The flags for the log, as `start_logging` takes them, and the level without them."""
    parser.add_argument("--log-level", choices=LEVELS, default=level,
                        help=f"log lines of this level and above ({level})")
    parser.add_argument("--log-format", choices=FORMATS, default=AUTO,
                        help="text for a person, json for a program; auto is text on a "
                             "terminal and json elsewhere (auto)")


def address(text: str) -> str:
    """HOST:PORT. Raises ArgumentTypeError."""
    try:
        split_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{masked(text)!r} is not {ADDRESS}") from error
    return text


def engine(text: str) -> EngineTarget:
    """[NAME=]URL. Raises ArgumentTypeError."""
    name, equals, url = text.partition("=")
    if not equals or "/" in name:  # an equals sign in the URL is part of its query
        name, url = "", text
    return EngineTarget(plain_url(url, text), name)


def plain_url(url: str, text: str = "") -> str:
    """A URL without secrets; `text` is what messages show. Raises ArgumentTypeError."""
    if not is_engine_url(url):
        raise argparse.ArgumentTypeError(f"{masked(text or url)!r} is not {URL}")
    return url


def seconds(text: str) -> float:
    """A number of seconds. Raises ArgumentTypeError."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= 86400:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of seconds above 0 and at most 86400")
    return number
