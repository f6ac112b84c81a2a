"""The table of services: each row is whole, and says how its headers are made."""

from __future__ import annotations

import re

import pytest

from inferometer.config import Config, DestinationEntry
from inferometer.sinks.destinations import trace_address
from inferometer.sinks.presets import PRESETS, Preset, trace_link

TRACE = "0af7651916cd43dd8448eb211c80319c"
rows = pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)


@rows
def test_a_row_names_its_page_and_the_day_it_was_read(preset: Preset) -> None:
    assert preset.docs.startswith("https://")
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", preset.read)


@rows
def test_a_row_has_an_address_or_says_how_one_looks(preset: Preset) -> None:
    assert preset.url or preset.url_example
    for url in filter(None, (preset.url, preset.url_example)):
        assert re.match(r"https?://[a-z0-9.-]+(:\d+)?(/|$)", url)
        assert not url.endswith("/")
        assert preset.url_of("traces", url) == f"{url}/v1/traces"


@rows
def test_headers_are_in_small_letters_and_hold_the_key_where_one_is_asked_for(
        preset: Preset) -> None:
    made = preset.headers_with("public:secret")

    assert all(name == name.lower() for name in (*made, *preset.asked, *preset.optional))
    assert set(made) == {*preset.headers, *filter(None, [preset.key_header])}
    assert preset.headers_with("") == dict(preset.headers)


def test_a_key_stands_as_each_service_has_it() -> None:
    assert {name: preset.headers_with("pk:sk").get(preset.key_header)
            for name, preset in PRESETS.items()} == {
        "otlp": "Bearer pk:sk", "langsmith": "pk:sk", "phoenix": "Bearer pk:sk",
        "honeycomb": "pk:sk", "datadog": "pk:sk", "datadog-agent": None,
        "langfuse": "Basic cGs6c2s=", "grafana-cloud": "Basic cGs6c2s=",
        "elasticsearch": "ApiKey pk:sk", "mlflow": None}
    assert PRESETS["langfuse"].headers_with("cGs6c2s=")["authorization"] == "Basic cGs6c2s="


@rows
def test_a_link_has_the_trace_and_nothing_left_to_fill_in(preset: Preset) -> None:
    made = preset.link_to(TRACE, preset.url_example)

    assert "{" not in made
    assert (TRACE in made) == bool(preset.link)
    assert preset.link or "{trace_id}" in preset.link_example or preset.name == "langsmith"


def test_a_link_is_made_from_the_address_or_from_a_template_of_the_user() -> None:
    phoenix = PRESETS["phoenix"]

    assert phoenix.link_to(TRACE, "http://phoenix:6006") == \
        f"http://phoenix:6006/redirects/traces/{TRACE}"
    assert phoenix.link_to(TRACE, "http://phoenix:6006", "https://ui.example/{trace_id}") == \
        f"https://ui.example/{TRACE}"
    assert trace_link('{"query":"{trace_id}"}', TRACE) == f'{{"query":"{TRACE}"}}'


def test_a_trace_is_read_in_the_first_destination_that_shows_any() -> None:
    phoenix = DestinationEntry(preset="phoenix", url="http://phoenix:6006")
    elsewhere = DestinationEntry(url="http://collector:4318", link="https://ui.example/{trace_id}")
    logs = DestinationEntry(preset="datadog-agent", url="http://agent:4318", signals=("logs",))
    langsmith = DestinationEntry(preset="langsmith")
    assert trace_address(Config(), TRACE) == ""
    assert trace_address(Config(destinations=(langsmith, logs)), TRACE) == ""
    assert trace_address(Config(destinations=(langsmith, logs, phoenix, elsewhere)), TRACE) == \
        f"http://phoenix:6006/redirects/traces/{TRACE}"
    assert trace_address(Config(destinations=(elsewhere, phoenix)), TRACE) == \
        f"https://ui.example/{TRACE}"
