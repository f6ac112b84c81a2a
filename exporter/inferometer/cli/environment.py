"""Flags from the environment: `INFEROMETER_LISTEN` is `--listen` where that is not given.

So it is for every flag of every verb, by its name. A flag goes before a variable, and a variable
before the file. Variables that an orchestrator sets of its own accord are nobody's.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NoReturn

from inferometer.engines.access import MODEL_VARIABLE

PREFIX = "INFEROMETER_"
NO_ENVIRONMENT: Mapping[str, str] = MappingProxyType({})
# Variables that are read elsewhere: by the exporter itself, and by deploy/compose for itself.
ELSEWHERE = (MODEL_VARIABLE, "INFEROMETER_FOLDER")
SWITCHES = {"true": True, "yes": True, "on": True, "1": True,
            "false": False, "no": False, "off": False, "0": False}
# What Kubernetes and Docker tell of services called inferometer or inferometer-NAME. Source:
# pkg/kubelet/envvars/envvars.go of Kubernetes; Docker's links have the same names.
_SERVICE = re.compile(r"INFEROMETER_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|"
                      r"PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)")
_SERVICE_URL = re.compile(r"(tcp|udp|sctp)://.*")


def variable(action: argparse.Action) -> str:
    """The variable of a flag; empty for positionals, and for flags that only show something."""
    flag = next((name for name in action.option_strings if name.startswith("--")), "")
    if not flag or action.default is argparse.SUPPRESS:  # as --help and --version have it
        return ""
    return PREFIX + flag.removeprefix("--").replace("-", "_").upper()


def is_repeatable(action: argparse.Action) -> bool:
    """Whether a flag may be given several times; its variable has values with spaces between."""
    return isinstance(action.default, list)


class FlagParser(argparse.ArgumentParser):
    """A parser whose flags may come from an environment."""

    environ: Mapping[str, str] = NO_ENVIRONMENT

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does it, with a flag that is not given as the environment has it."""
        flags = {action: text for action in self._actions
                 if (text := self._text(action)) is not None}
        for action in flags:
            action.required = False
        namespace = namespace or argparse.Namespace()
        unset: dict[str, list[object]] = {action.dest: [] for action in flags}
        for name, marker in unset.items():
            setattr(namespace, name, marker)
        parsed, rest = super().parse_known_args(args, namespace)
        for action, text in flags.items():
            if getattr(parsed, action.dest) is unset[action.dest]:
                setattr(parsed, action.dest, self._value(action, text))
        return parsed, rest

    def _text(self, action: argparse.Action) -> str | None:
        """What the environment has for a flag; an empty variable is as good as none."""
        name = variable(action)
        text = self.environ.get(name, "") if name else ""
        return None if not text or is_of_a_service(name, text) else text

    def _value(self, action: argparse.Action, text: str) -> object:
        """What a flag would make of the text. Ends the process where that cannot be."""
        if action.nargs == 0:
            if text.lower() not in SWITCHES:
                self._refuse(action, f"{text!r} is not true or false")
            return action.const if SWITCHES[text.lower()] else action.default
        if is_repeatable(action):
            return [self._converted(action, word) for word in text.split()]
        return self._converted(action, text)

    def _converted(self, action: argparse.Action, text: str) -> object:
        convert = action.type if callable(action.type) else str
        value: object = None
        try:
            value = convert(text)
        except argparse.ArgumentTypeError as error:
            self._refuse(action, error.args[0])
        except ValueError:
            self._refuse(action, f"{text!r} is not {action.metavar or 'usable'}")
        if action.choices is not None and value not in action.choices:
            self._refuse(action, f"{text!r} is none of {', '.join(map(str, action.choices))}")
        return value

    def _refuse(self, action: argparse.Action, why: str) -> NoReturn:
        self.error(f"environment variable {variable(action)}: {why}")


def is_of_a_service(name: str, text: str) -> bool:
    """Whether an orchestrator has set this variable, because of a service's name."""
    return bool(_SERVICE.fullmatch(name)
                or (name.endswith("_PORT") and _SERVICE_URL.fullmatch(text)))


def variables(parser: argparse.ArgumentParser) -> set[str]:
    """Those of all flags of a parser."""
    return {variable(action) for action in parser._actions} - {""}


def strangers(environ: Mapping[str, str], readable: Collection[str],
              named: Iterable[str] = ()) -> list[str]:
    """Variables with our prefix that nobody reads, with the one that may be meant.

    `named` are those that a file speaks of.
    """
    read = {*readable, *ELSEWHERE, *named}
    names = sorted(name for name, text in environ.items() if name.startswith(PREFIX)
                   and name not in read and not is_of_a_service(name, text))
    return [f"{name}{_suggestion(name, read)}" for name in names]


def _suggestion(name: str, read: Collection[str]) -> str:
    import difflib  # for a mistake alone: the exporter at work has no use for it

    own = [other.removeprefix(PREFIX) for other in read]
    close = difflib.get_close_matches(name.removeprefix(PREFIX), own, n=1)
    return f" (did you mean {PREFIX}{close[0]}?)" if close else ""


def help_lines(parser: argparse.ArgumentParser) -> Iterator[str]:
    """What `--help` says of the variables."""
    flags = [(variable(action), action) for action in parser._actions if variable(action)]
    if not flags:
        return
    yield "Environment variables, used where the flag is not given:"
    width = max(len(name) for name, _ in flags)
    for name, action in flags:
        more = "; several with spaces between" if is_repeatable(action) else (
            "; true or false" if action.nargs == 0 else "")
        yield f"  {name:{width}}  {action.option_strings[-1]}{more}"
