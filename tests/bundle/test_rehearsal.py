"""A rehearsal is the same bundle with every duration divided, and otherwise the same."""

from __future__ import annotations

import re
from typing import Any

import promql_parser
import pytest
import yaml

from deploy.build.bundle import assemble
from deploy.build.files import render
from inferometer.bundle.options import Options
from inferometer.bundle.rehearsal import rehearsed, rehearsed_expression
from inferometer.durations import divided, milliseconds

BUNDLE = assemble()
FASTER = 60
USUAL, REHEARSED = render(BUNDLE, Options()), render(BUNDLE, Options(faster=FASTER))
DURATION = re.compile(r"\b(\d+(?:\.\d+)?)(ms|s)\b")
STRING = re.compile(r'"(?:\\.|[^"\\])*"')


def documents(contents: dict[str, str]) -> dict[str, Any]:
    return {path: yaml.safe_load(text) for path, text in contents.items() if path.endswith(".yml")}


@pytest.mark.parametrize(("duration", "part"), [
    ("5m", "5s"), ("1m", "1s"), ("30s", "500ms"), ("31d", "44640s"), ("1h30m", "90s"),
    ("0m", "0s"), ("90s", "1500ms"),
])
def test_a_duration_is_divided(duration: str, part: str) -> None:
    assert divided(duration, 60) == part
    assert milliseconds(part) * 60 == milliseconds(duration)


@pytest.mark.parametrize("duration", ["", "5", "m", "5 m", "5min", "-5m", "1.5h"])
def test_what_is_no_duration_is_not_divided(duration: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        divided(duration, 60)


def test_a_duration_just_short_of_another_stays_so() -> None:
    assert (divided("150s", 60), divided("149999ms", 60)) == ("2500ms", "2499ms")


def test_a_duration_that_would_not_come_out_even_is_refused() -> None:
    with pytest.raises(ValueError, match="1s cannot be divided by 60"):
        divided("1s", 60)


@pytest.mark.parametrize(("expr", "shorter"), [
    ("rate(x[5m])", "rate(x[5s])"),
    ("max_over_time(rate(x[5m])[31d:1h])", "max_over_time(rate(x[5s])[44640s:60s])"),
    ("max_over_time(x[1h:])", "max_over_time(x[60s:])"),
    ("x offset 1h or x offset -1h", "x offset 60s or x offset -60s"),
    ("model:x:rate5m > 5 * 60", "model:x:rate5m > 5 * 60"),
    ('x{a="[5m]", b=\'offset 5m\', c=`[5m]`}', 'x{a="[5m]", b=\'offset 5m\', c=`[5m]`}'),
    (r'x{a="\"[5m]"} offset 5m', r'x{a="\"[5m]"} offset 5s'),
    ('x{a=~"[0-9]+"}', 'x{a=~"[0-9]+"}'),
])
def test_an_expression_is_shortened_in_its_durations_alone(expr: str, shorter: str) -> None:
    assert rehearsed_expression(expr, 60) == shorter
    assert rehearsed_expression(expr, 1) == expr


def parts(expr: str) -> tuple[str, list[float]]:
    """An expression's syntax tree without its durations, and these in seconds."""
    written = repr(promql_parser.parse(expr))
    strings = [match[0] for match in STRING.finditer(written)]
    tree = STRING.sub("TEXT", written)
    durations = [float(number) / (1000 if unit == "ms" else 1)
                 for number, unit in DURATION.findall(tree)]
    return DURATION.sub("DURATION", tree) + "".join(strings), durations


def test_rehearsed_rules_have_the_same_trees_but_for_their_durations() -> None:
    compared = 0
    for path in ("prometheus/recording.rules.yml", "prometheus/alerts.rules.yml"):
        usual, rehearsal = (documents(contents)[path]["groups"] for contents in (USUAL, REHEARSED))
        for usual_group, rehearsal_group in zip(usual, rehearsal, strict=True):
            for one, other in zip(usual_group["rules"], rehearsal_group["rules"], strict=True):
                tree, durations = parts(one.pop("expr"))
                rehearsal_tree, rehearsal_durations = parts(other.pop("expr"))
                assert rehearsal_tree == tree
                assert [FASTER * part for part in rehearsal_durations] == pytest.approx(
                    durations, abs=FASTER / 1000)  # a millisecond
                compared += len(durations)
    assert compared > 200


def test_all_else_in_a_rehearsal_is_the_same_but_for_its_durations() -> None:
    compared = 0

    def compare(usual: Any, rehearsal: Any, key: str = "") -> None:
        nonlocal compared
        if isinstance(usual, dict):
            assert [*usual] == [*rehearsal]
            for name in usual:
                compare(usual[name], rehearsal[name], name)
        elif isinstance(usual, list):
            assert len(usual) == len(rehearsal)
            for one, other in zip(usual, rehearsal, strict=True):
                compare(one, other)
        elif key in {"for", "keep_firing_for"} or key.endswith(("interval", "wait", "timeout")):
            assert milliseconds(rehearsal) * FASTER == milliseconds(usual)
            compared += 1
        elif key != "expr":
            assert rehearsal == usual, key

    compare(documents(USUAL), documents(REHEARSED))
    assert compared > 100
    timeless = [path for path in USUAL if path.startswith("dashboards/") or path == "metrics.md"]
    assert {path: USUAL[path] for path in timeless} == {path: REHEARSED[path] for path in timeless}


def test_at_its_usual_pace_nothing_is_changed() -> None:
    assert rehearsed("interval", "1s", 1) == "1s"
    assert rehearsed("expr", "rate(x[5s])", 1) == "rate(x[5s])"
