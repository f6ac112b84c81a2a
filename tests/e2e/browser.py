"""Debian's chromium, driven by playwright; no browser of playwright's own is downloaded."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

from playwright.sync_api import Browser, sync_playwright


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window. RuntimeError where there is none."""
    path = shutil.which("chromium")
    if path is None:
        raise RuntimeError("there is no chromium; `make browser` installs it")
    sandbox = [] if os.getuid() else ["--no-sandbox"]  # which root cannot have
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=sandbox)
        try:
            yield browser
        finally:
            browser.close()
