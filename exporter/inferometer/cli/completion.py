"""`inferometer completion`: a script with which a shell completes this command."""

from __future__ import annotations

import argparse

from inferometer.cli.shells import SHELLS
from inferometer.cli.verbs import OK, Verb
from inferometer.cli.words import CommandWords, words_of


def completion(options: argparse.Namespace) -> int:
    """Print the script of a shell, made of the parser that reads the arguments."""
    print(SHELLS[options.shell](_commands(options.parser)), end="")
    return OK


def _commands(parser: argparse.ArgumentParser) -> list[CommandWords]:
    verbs = next(action.choices for action in parser._actions
                 if isinstance(action.choices, dict))
    return [CommandWords(name, command.get_default("verb").help,
                         [words_of(action) for action in command._actions])
            for name, command in verbs.items()]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=[*SHELLS], metavar="SHELL", help=", ".join(SHELLS))


VERB = Verb(
    "completion", "print a script that completes commands, flags and files in a shell",
    "Print a script with which a shell completes this program's commands, their flags,\n"
    "the values that these may have, and files.",
    "Examples:\n"
    "  source <(inferometer completion bash)       now; in ~/.bashrc, for every shell\n"
    "  inferometer completion bash > ~/.local/share/bash-completion/completions/inferometer\n"
    "  inferometer completion zsh > \"${fpath[1]}/_inferometer\"\n"
    "  inferometer completion fish > ~/.config/fish/completions/inferometer.fish\n\n"
    "Exit codes: 0 well, 2 wrong arguments.", _add_arguments, completion)
