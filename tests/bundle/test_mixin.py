"""The mixin gives what the files say, joins other mixins, and is extended rather than copied."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import _jsonnet
import pytest
import yaml

from deploy.build.command import GENERATED
from deploy.build.proofs.alerts import NAME
from deploy.build.proofs.conventions import MAX_NAME_LENGTH, SENTENCE
from deploy.build.proofs.groups import MAX_RULES
from tests.bundle.promtool import TOOLS, VERSIONS

DEPLOY = GENERATED.parent
WRITTEN = {
    kind: yaml.safe_load((GENERATED / "prometheus" / f"{kind}.rules.yml").read_text())["groups"]
    for kind in ("recording", "alerts")
}
SUM = "(mixin.prometheusRules + mixin.prometheusAlerts).groups"


def given(expression: str, library: Path = DEPLOY, file: str = "mixin.libsonnet",
          **own: Any) -> Any:
    """What jsonnet makes of an expression of `mixin`; `own` is what a user has configured."""
    configured = f"{{ _config+:: {{ inferometer+: {json.dumps(own)} }} }}"
    return json.loads(_jsonnet.evaluate_snippet(
        "user", f"local mixin = (import '{file}') + {configured}; {expression}",
        jpathdir=[str(library)]))


def alerts(name: str = "", **own: Any) -> list[Any]:
    """The alerts of that name, or all."""
    return [rule for group in given("mixin.prometheusAlerts.groups", **own)
            for rule in group["rules"] if name in ("", rule["alert"])]


def written(name: str = "") -> list[Any]:
    return [rule for group in WRITTEN["alerts"] for rule in group["rules"]
            if name in ("", rule["alert"])]


def test_rules_and_alerts_are_those_of_the_files_to_the_last_character() -> None:
    assert given("mixin.prometheusRules.groups") == WRITTEN["recording"]
    assert given("mixin.prometheusAlerts.groups") == WRITTEN["alerts"]


def test_boards_are_those_of_the_folder_and_all_of_them() -> None:
    folder = (GENERATED / "dashboards").glob("*.json")
    assert given("mixin.grafanaDashboards") == {
        file.name: json.loads(file.read_text()) for file in folder}
    assert given("mixin.grafanaDashboardFolder") == "Inferometer"


def test_the_sum_of_rules_and_alerts_keeps_both() -> None:
    assert given(SUM) == WRITTEN["recording"] + WRITTEN["alerts"]


def test_a_print_of_the_mixin_alone_shows_nothing() -> None:
    assert given("mixin") == {}


def test_it_joins_other_mixins_and_leaves_theirs_alone() -> None:
    other = """{
      _config+:: { runbook_url: 'theirs', inferometer+: { alert_labels: { tier: 'gold' } } },
      prometheusRules+:: { groups+: [{ name: 'their-rules', rules: [] }] },
      prometheusAlerts+:: { groups+: [{ name: 'their-alerts', rules: [
        { alert: 'Theirs', expr: 'vector(1)', annotations: { runbook_url: $._config.runbook_url } },
      ] }] },
      grafanaDashboards+:: { 'theirs.json': { uid: 'theirs' } },
    }"""
    theirs = {"alert": "Theirs", "expr": "vector(1)", "annotations": {"runbook_url": "theirs"}}
    for both in (f"(mixin + {other})", f"({other} + mixin + {other})"):
        joined = given(f"local both = {both}; {{ rules: both.prometheusRules.groups,"
                       "alerts: both.prometheusAlerts.groups, boards: both.grafanaDashboards }")
        ours = [group for group in joined["rules"] if group["name"] != "their-rules"]
        assert ours == WRITTEN["recording"]
        assert len(joined["rules"]) > len(ours)
        by_name = {rule["alert"]: rule for group in joined["alerts"] for rule in group["rules"]}
        assert by_name["Theirs"] == theirs
        assert {name for name in by_name if name != "Theirs"} == {
            rule["alert"] for rule in written()}
        assert by_name["LLMModelDown"]["labels"]["tier"] == "gold"
        assert "theirs.json" in joined["boards"]
        assert "inferometer-fleet.json" in joined["boards"]


def test_it_works_from_where_jsonnet_bundler_puts_it(tmp_path: Path) -> None:
    vendored = Path("github.com/someone/inferometer/deploy")
    for part in ("mixin.libsonnet", "generated"):
        copy = shutil.copytree if (DEPLOY / part).is_dir() else shutil.copy
        (tmp_path / vendored).mkdir(parents=True, exist_ok=True)
        copy(DEPLOY / part, tmp_path / vendored / part)
    groups = given(SUM, tmp_path, f"{vendored}/mixin.libsonnet")
    assert groups == WRITTEN["recording"] + WRITTEN["alerts"]


# Extended by its configuration.


def test_links_lead_to_where_the_reader_keeps_runbook_and_grafana() -> None:
    moved = alerts(runbook_url="https://books.example/d/x", grafana_url="https://g.example/sub")
    for rule, before in zip(moved, written(), strict=True):
        links, earlier = rule["annotations"], before["annotations"]
        assert links["runbook_url"] == (
            "https://books.example/d/x/runbook.md#" + rule["alert"].lower())
        assert links["dashboard_url"] == (
            "https://g.example/sub/d/" + earlier["dashboard_url"].partition("/d/")[2])
        assert links["description"] == earlier["description"]


def test_labels_are_put_on_every_alert_beside_its_own() -> None:
    for rule, before in zip(alerts(alert_labels={"tier": "gold"}), written(), strict=True):
        assert rule["labels"] == {**before["labels"], "tier": "gold"}
        assert rule["expr"] == before["expr"]


def test_one_alert_is_dropped_and_every_other_stays() -> None:
    left = [rule for rule in written() if rule["alert"] != "Watchdog"]
    assert alerts(alerts={"Watchdog": None}) == left
    assert len(left) == len(written()) - 1


def test_one_alert_is_changed_only_where_its_patch_says() -> None:
    patch = {"for": "30m", "labels": {"severity": "info"}}
    assert alerts("LLMModelDown", alerts={"LLMModelDown": patch}) == [
        {**rule, "for": "30m", "labels": {**rule["labels"], "severity": "info"}}
        for rule in written("LLMModelDown")]
    assert [rule for rule in alerts(alerts={"LLMModelDown": patch})
            if rule["alert"] != "LLMModelDown"] == [
        rule for rule in written() if rule["alert"] != "LLMModelDown"]


def test_a_patch_of_an_unknown_alert_is_an_error_with_its_name() -> None:
    with pytest.raises(RuntimeError, match="no such alert: LLMModelDwon"):
        alerts(alerts={"LLMModelDwon": None})


def test_any_other_change_is_plain_jsonnet() -> None:
    only = given("""(mixin + { prometheusAlerts+:: { groups: [
        group { rules: [rule for rule in super.rules if rule.labels.severity == 'critical'] }
        for group in super.groups] } }).prometheusAlerts.groups""")
    assert [rule for group in only for rule in group["rules"]] == [
        rule for rule in written() if rule["labels"]["severity"] == "critical"]


# Taken by those it is for.


@pytest.mark.parametrize("own", [{}, {
    "alerts": {"LLMServiceDegraded": None, "LLMModelDown": {"for": "1m"}},
    "runbook_url": "https://books.example", "alert_labels": {"tier": "gold"},
}], ids=["as it is", "extended"])
@pytest.mark.parametrize("version", VERSIONS)
def test_promtool_takes_the_sum(version: str, own: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": given(SUM, **own)}))
    process = subprocess.run(
        [TOOLS / f"promtool-{version}" / "promtool", "check", "rules", "--lint=all",
         "--lint-fatal", tmp_path / "rules.yml"],
        capture_output=True, text=True, check=False, timeout=60)
    assert process.returncode == 0, process.stdout + process.stderr


def test_what_mixtool_lints_for_holds_of_what_the_mixin_gives() -> None:
    rendered = given(f"{{ groups: {SUM}, boards: mixin.grafanaDashboards }}")
    for group in rendered["groups"]:
        assert len(group["name"]) <= MAX_NAME_LENGTH
        assert len(group["rules"]) <= MAX_RULES
    for rule in (rule for group in rendered["groups"] for rule in group["rules"]):
        if "alert" in rule:
            assert NAME.fullmatch(rule["alert"])
            assert len(rule["alert"]) <= MAX_NAME_LENGTH
            assert rule["labels"]["severity"] in ("warning", "critical", "info")
            assert "{{" in rule["annotations"]["description"]
            assert SENTENCE.fullmatch(rule["annotations"]["summary"])
            assert "{{" not in rule["annotations"]["summary"]
        else:
            assert re.fullmatch(r"\w+:\w+:\w+", rule["record"])
    assert all(board["title"] and board["uid"] for board in rendered["boards"].values())
