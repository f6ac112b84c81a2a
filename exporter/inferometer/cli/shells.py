"""Scripts with which bash, zsh and fish complete a command, made of the words that it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from inferometer.cli.words import CHOICE, FILE, FOLDER, NOTHING, OTHER, CommandWords, Words

NAME = "inferometer"


def bash(commands: Sequence[CommandWords]) -> str:
    """For bash 4 and newer."""
    cases = [line for command in commands for line in _bash_cases(command)]
    names = " ".join(command.name for command in commands)
    return "\n".join((
        f"# Completes {NAME} in bash.",
        f"_{NAME}() {{",
        "  local IFS=$'\\n' verb=${COMP_WORDS[1]} words=''",
        "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}",
        "  if [[ $current == = ]]; then current=''; fi",
        "  if [[ $previous == = ]]; then previous=${COMP_WORDS[COMP_CWORD-2]}; fi",
        "  COMPREPLY=()",
        f"  (( COMP_CWORD > 1 )) || {{ verb=''; words='{names} --help --version'; }}",
        '  case "$verb $previous" in',
        *(f"    {line}" for line in cases),
        "  esac",
        "  words=${words// /$'\\n'}",
        "  local -a ways=(-W \"$words\")",
        '  case "$words" in',
        "    FILE) compopt -o filenames; ways=(-f) ;;",
        "    DIR) compopt -o filenames; ways=(-d) ;;",
        "  esac",
        '  mapfile -t COMPREPLY < <(compgen "${ways[@]}" -- "$current")',
        "}",
        f"complete -F _{NAME} {NAME}", ""))


def _bash_cases(command: CommandWords) -> Iterator[str]:
    """What may come after each flag that has a value; after all else, flags and positionals."""
    for words in command.flags:
        if words.value != NOTHING:
            yield f"'{command.name} {words.long}') words='{_bash_words(words)}' ;;"
    flags = " ".join(words.long for words in command.flags)
    rest = _bash_words(command.positional) if command.positional else ""
    yield (f"'{command.name} '*) words='{rest}'; "
           f"if [[ $current == -* || -z $words ]]; then words='{flags}'; fi ;;")


def _bash_words(words: Words) -> str:
    return {FILE: "FILE", FOLDER: "DIR"}.get(words.value, " ".join(words.choices))


def zsh(commands: Sequence[CommandWords]) -> str:
    """For zsh."""
    return "\n".join((
        f"#compdef {NAME}",
        f"_{NAME}() {{",
        "  if (( CURRENT == 2 )); then",
        "    local -a commands=(",
        *(f"      {_quoted(f'{command.name}:{command.help}')}" for command in commands),
        "    )",
        "    _describe command commands",
        "    return",
        "  fi",
        "  shift words; (( CURRENT-- ))",
        '  case "$words[1]" in',
        *(line for command in commands for line in _zsh_case(command)),
        "  esac",
        "}",
        f'if [[ "$funcstack[1]" == _{NAME} ]]; then _{NAME} "$@"; '
        f"else compdef _{NAME} {NAME}; fi", ""))


def _zsh_case(command: CommandWords) -> Iterator[str]:
    yield f"    {command.name}) _arguments \\"
    for words in command.flags:
        help_text = _escaped(words.help, "[]:")
        yield (f"      {_quoted(('*' if words.several else '') + words.long)}"
               f"{_quoted(f'[{help_text}]{_zsh_value(words)}')} \\")
    if command.positional:
        yield f"      {_quoted(f'1{_zsh_value(command.positional)}')} \\"
    yield "      ;;"


def _zsh_value(words: Words) -> str:
    if words.value == NOTHING:
        return ""
    way = {FILE: "_files", FOLDER: "_files -/", CHOICE: f"({' '.join(words.choices)})"}
    return f":{_escaped(words.label, ':')}:{way.get(words.value, ' ')}"


def fish(commands: Sequence[CommandWords]) -> str:
    """For fish."""
    lines = [f"complete -c {NAME} -f"]
    for command in commands:
        lines.append(f"complete -c {NAME} -n __fish_use_subcommand -a {command.name} "
                     f"-d {_fish_quoted(command.help)}")
        where = f"complete -c {NAME} -n '__fish_seen_subcommand_from {command.name}'"
        lines += [f"{where} -l {words.long[2:]}{_fish_value(words)} "
                  f"-d {_fish_quoted(words.help)}" for words in command.flags]
        if command.positional and command.positional.value != OTHER:
            lines.append(f"{where}{_fish_value(command.positional).replace(' -r', '')}")
    return "\n".join((*lines, ""))


def _fish_value(words: Words) -> str:
    return {NOTHING: "", FILE: " -r -F", FOLDER: " -x -a '(__fish_complete_directories)'",
            CHOICE: f" -r -f -a {_fish_quoted(' '.join(words.choices))}",
            OTHER: " -x"}[words.value]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish_quoted(text: str) -> str:
    return "'" + _escaped(text, "\\'") + "'"


def _escaped(text: str, signs: str) -> str:
    return "".join(f"\\{sign}" if sign in signs else sign for sign in text)


SHELLS: Mapping[str, Callable[[Sequence[CommandWords]], str]] = {
    "bash": bash, "zsh": zsh, "fish": fish}
