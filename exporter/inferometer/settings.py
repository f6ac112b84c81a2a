"""What is in force: the file, the command line over it, and the secrets that they name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from inferometer import config as configuration
from inferometer.config import STANDARD_OUTPUT, Config, ConfigError, EngineTarget
from inferometer.documents.entry import Entry
from inferometer.documents.mistakes import Document, Mistake
from inferometer.documents.readers import read_yaml_file
from inferometer.reasons import reason_of
from inferometer.roles import NO_ROLE, why_not

COMMAND_LINE = "command line"  # what messages call it


@dataclass(frozen=True)
class Flags:
    """What the command line sets over the file."""

    listen: str | None = None
    engines: Sequence[EngineTarget] = ()
    role: str = NO_ROLE

    def apply_to(self, config: Config) -> Config:
        """The configuration with the flags in it. Raises ConfigError."""
        if self.role:
            config = replace(config, role=self.role)
        if self.listen is not None:
            config = replace(config, web=replace(config.web, listen=self.listen))
        if self.engines:
            if why := why_not(config.role, "engines"):
                raise ConfigError(Mistake("--engine", why, document=COMMAND_LINE))
            config = replace(config, engines=replace(config.engines, targets=tuple(self.engines)))
            configuration.check(config, COMMAND_LINE)
        return config


def load(path: Path | None, flags: Flags, top: Entry | None = None) -> tuple[Config, Document]:
    """The file, or the defaults without one, with the command line over it.

    `top` is what the file has, where that is not to be read.

    Names of files in it are seen from the file's own directory. Mistakes are reported to the
    document, where those who look further add theirs; the last of them finishes it. Only mistakes
    of the command line are raised at once, as ConfigError.
    """
    config, document = Config(), Document(COMMAND_LINE)
    if path is not None:
        top = top or read_yaml_file(path)
        config, document = configuration.read(top, flags.role), top.document
    config = _resolve(flags.apply_to(config), path.parent if path else Path())
    for number, target in enumerate(config.engines.targets):
        check_secrets(target, f"engines.targets[{number}].", document)
    return config, document


def check_secrets(target: EngineTarget, prefix: str, document: Document) -> None:
    """Report files and variables that a target names and that are not there.

    `prefix` is the path of the target's keys in the document.
    """
    for key in ("bearer_token_file", "ca_file"):
        file = getattr(target, key)
        if file and document.good(f"{prefix}{key}"):
            try:
                Path(file).read_bytes()
            except OSError as error:
                document.report(f"{prefix}{key}", f"{file}: {reason_of(error)}")
    if target.bearer_token_env and not os.environ.get(target.bearer_token_env):
        document.report(f"{prefix}bearer_token_env", f"{target.bearer_token_env} is not set")


def _resolve(config: Config, folder: Path) -> Config:
    def beside(name: str) -> str:
        return str(folder / name) if name else ""

    targets = tuple(replace(target, bearer_token_file=beside(target.bearer_token_file),
                            ca_file=beside(target.ca_file)) for target in config.engines.targets)
    intake = replace(config.intake, config_file=beside(config.intake.config_file),
                     bearer_token_files=tuple(map(beside, config.intake.bearer_token_files)))
    feedback = replace(
        config.feedback, config_file=beside(config.feedback.config_file),
        bearer_token_files=tuple(map(beside, config.feedback.bearer_token_files)),
        capability_key_file=beside(config.feedback.capability_key_file))
    ledger = replace(config.ledger, path=beside(config.ledger.path),
                     dsn_file=beside(config.ledger.dsn_file),
                     key_file=beside(config.ledger.key_file), clickhouse=replace(
                         config.ledger.clickhouse,
                         password_file=beside(config.ledger.clickhouse.password_file)))
    path = config.request_log.path
    request_log = replace(config.request_log,
                          path=path if path == STANDARD_OUTPUT else beside(path))
    return replace(
        config, web=replace(config.web, config_file=beside(config.web.config_file)), intake=intake,
        feedback=feedback, ledger=ledger, request_log=request_log, judge=replace(
            config.judge, key_file=beside(config.judge.key_file),
            ca_file=beside(config.judge.ca_file)),
        engines=replace(config.engines, targets=targets))
