"""The changelog's section of a version, which is what its release notes say."""

from __future__ import annotations

import re


def section(text: str, version: str) -> str:
    """What stands under the version's heading, which may have a date; empty if there is none."""
    match = re.search(rf"^## {re.escape(version)}(?: [^\n]*)?\n(.*?)(?=^## |\Z)", text,
                      re.MULTILINE | re.DOTALL)
    return match[1].strip() if match else ""
