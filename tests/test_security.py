"""SECURITY.md says what anybody may ask of an exporter that nobody has configured."""

from __future__ import annotations

from pathlib import Path

from inferometer.app import App
from inferometer.config import Config
from inferometer.settings import Flags

TEXT = (Path(__file__).parents[1] / "SECURITY.md").read_text(encoding="utf-8")
OFF = {"/-/reload", "/v1/alerts"}


def test_all_that_is_served_by_default_is_listed() -> None:
    paths = {route.path for route in App(None, Flags()).routes()}
    assert "/metrics" in paths
    assert [path for path in sorted(paths) if f"`{path}`" not in TEXT] == []


def test_what_it_calls_off_is_off_and_there_is_neither_password_nor_other_machine() -> None:
    assert OFF.isdisjoint(route.path for route in App(None, Flags()).routes())
    assert all(f"`{path}`" in TEXT for path in OFF)
    web = Config().web
    assert f"listens on {web.listen}:" in TEXT
    assert not web.config_file
