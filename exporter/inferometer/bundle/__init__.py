"""The deployment's files, as data: rules, alerts, boards and manifests for what was chosen.

They are those of deploy/generated, made of the definitions for the default options; `written` is
all that becomes of an option, here and when the build is asked for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from inferometer.bundle.carried import carried, runbook
from inferometer.bundle.options import Addresses, Options
from inferometer.bundle.places import written

__all__ = ["Addresses", "Options", "render", "runbook"]


def render(options: Options | None = None, only: Sequence[str] = ("*",)) -> dict[str, str]:
    """The text of every file by its path, of those alone that one of the patterns meets.

    Raises ValueError, naming the flag, for options that cannot be.
    """
    files = {path: text for path, text in carried().items()
             if any(fnmatchcase(path, pattern) for pattern in only)}
    return written(files, options or Options())
