"""The recipes of docs/destinations.md, followed as they are written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from inferometer.sinks.presets import PRESETS, trace_link
from tests.e2e.receivers.demands import DEMANDS, FEEDBACK, KEYS
from tests.e2e.receivers.sending import PASSED_SECONDS, send_all
from tests.e2e.receivers.strict import receiving
from tests.exporter.intake.gateways import gateway_in
from tests.exporter.sinks.captured import bodies
from tests.exporter.support import wait_for

PAGE = (Path(__file__).parents[2] / "docs" / "destinations.md").read_text(encoding="utf-8")
RECIPES: list[dict[str, Any]] = [
    destination for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    for destination in yaml.safe_load(block)["destinations"]]


def test_there_is_a_recipe_for_each_preset_and_a_row() -> None:
    assert {recipe["preset"] for recipe in RECIPES} == set(PRESETS)
    rows = dict(re.findall(r"^\| \[`([a-z-]+)`\]\(#[a-z-]+\) \| ([a-z, ]+) \|", PAGE, re.MULTILINE))
    assert {name: set(signals.split(", ")) for name, signals in rows.items()} == {
        name: set(preset.signals) for name, preset in PRESETS.items()}
    for preset in PRESETS.values():
        assert f"({preset.docs})" in PAGE, preset.name
        assert preset.read in PAGE


def test_the_page_has_the_address_of_a_trace_for_each_preset_that_knows_one() -> None:
    for name, preset in PRESETS.items():
        for link in filter(None, (preset.link, preset.link_example)):
            as_grafana_has_it = trace_link(link, "$${__value.raw}", preset.url_example)
            assert name == "grafana-cloud" or f"`{as_grafana_has_it}`" in PAGE, name


@pytest.mark.parametrize("recipe", RECIPES[1:], ids=lambda recipe: recipe["preset"])
def test_a_recipe_is_taken_by_its_service(recipe: dict[str, Any], tmp_path: Path) -> None:
    preset = PRESETS[recipe["preset"]]
    with receiving(DEMANDS[preset.name]) as (receiver, port):
        path = urlsplit(recipe.get("url") or preset.url).path
        written = {**recipe, "url": f"http://127.0.0.1:{port}{path}"}
        if "key_file" in recipe:
            key = tmp_path / Path(recipe["key_file"]).name
            key.write_text(f"{KEYS[preset.name]}\n", encoding="utf-8")
            written["key_file"] = str(key)
        with gateway_in(tmp_path, f"destinations: {json.dumps([written])}\n") as gateway:
            sent = {signal for signal in preset.signals if signal != FEEDBACK}  # which none posts
            send_all(gateway, [next(body for body in bodies() if body.signal == signal)
                               for signal in sorted(sent)])

            wait_for(lambda: len(receiver.taken) + len(receiver.refused) >= len(sent),
                     PASSED_SECONDS)
        assert receiver.refused == []
        assert {signal for signal, _ in receiver.taken} == sent
