"""The deployment's files, as data: rules, alerts, boards and manifests for what was chosen.

They are those of deploy/generated, made of the definitions for the default options; `written` is
all that becomes of an option, here and when the build is asked for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from inferometer.bundle.options import RUNBOOK, Addresses, Options

__all__ = ["RUNBOOK", "Addresses", "Options", "render", "runbook"]


def render(options: Options | None = None, only: Sequence[str] = ("*",)) -> dict[str, str]:
    """The text of every generated file by its path, of those alone that a pattern meets.

    Raises OptionError for options that cannot be.
    """
    # Not at the top: a running exporter knows the options, by their flags, and none of this.
    from inferometer.bundle.carried import carried
    from inferometer.bundle.places import written

    files = {path: text for path, text in carried().items()
             if any(fnmatchcase(path, pattern) for pattern in only)}
    return written(files, options or Options())


def runbook() -> str:
    """The text of runbook.md."""
    from inferometer.bundle.carried import runbook as text

    return text()
