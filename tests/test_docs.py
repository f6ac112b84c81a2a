"""The documents say what is so: links, files, modules, commands and figures they name are there."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from alerts import ALERT_GROUPS
from deploy.build.vocabulary import series_of
from inferometer.catalogue import METRICS
from inferometer.cli import VERBS
from inferometer.engines.discovery import USUAL_PORTS
from recording_rules import GROUPS

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", *sorted(
    str(file.relative_to(ROOT)) for file in (ROOT / "docs").glob("*.md")))
README_WORDS = 900
# From which a name in backticks is seen, beside the document's own folder.
FOLDERS = ("", "exporter/inferometer", "deploy", "deploy/chart", "deploy/generated", "dashboards",
           "tests", "examples")
KEYS = {"gpu_hour_usd", "gpu_prices"}  # of the configuration, and of answers
CODE = re.compile(r"^```.*?^```$|^(?: {4}[^\n]*\n)+", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?:\]\(|src=\"|srcset=\")([^)\"\s]+)[)\"]")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def anchors(text: str) -> set[str]:
    """The headings' names in links, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", CODE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: str) -> Iterator[str]:
    """Links of a page that lead to no file or no heading here; those to other hosts are left."""
    for link in LINK.findall(CODE.sub("", text_of(page))):
        path, _, anchor = link.partition("#")
        if "://" in path:
            continue
        target = (ROOT / page).parent / path if path else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            yield link


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_heading(page: str) -> None:
    assert [*broken_links(page)] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_module_and_file_in_backticks_is_there(page: str) -> None:
    """Named as a path from the root, or from a folder that the text is about."""
    named = re.findall(r"`([\w./-]+(?:\.py|\.yml|\.yaml|\.md|\.c|/))`", text_of(page))
    folders = ((ROOT / page).parent, *(ROOT / folder for folder in FOLDERS))
    assert [path for path in named if not path.startswith("/")
            and not any((folder / path).exists() for folder in folders)] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_target_of_make_that_is_named_is_one(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    named = re.findall(r"(?:`|^    )make ((?:[a-z-]+(?: |`|$))+)", text_of(page), re.MULTILINE)
    assert {word for words in named for word in words.strip("`").split()} <= targets


@pytest.mark.parametrize("page", PAGES)
def test_every_verb_of_the_command_that_is_named_is_one(page: str) -> None:
    named = re.findall(r"(?:`|^    |&& )inferometer ([a-z-]+)", text_of(page), re.MULTILINE)
    assert {*named} <= {verb.name for verb in VERBS}


@pytest.mark.parametrize("page", PAGES)
def test_every_module_that_is_run_is_there(page: str) -> None:
    for module in re.findall(r"python -m ([\w.]+)", text_of(page)):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists() or (
            module == "json.tool"), module


@pytest.mark.parametrize("page", PAGES)
def test_every_metric_series_and_alert_that_is_named_is_one(page: str) -> None:
    text = text_of(page)
    named = set(re.findall(r"`((?:gpu|llm_server|llm_cost|inferometer|model|fleet|node)"
                           r"(?:_[a-z]|:)[\w:]*)(?=[`{])", text))
    series = {name for metric in METRICS for name in series_of(metric)}
    recorded = {rule.name for group in GROUPS for rule in group.rules}
    families = {metric.name for metric in METRICS}
    assert named - series - recorded - families - KEYS == set()
    alerts = {str(alert) for group in ALERT_GROUPS for alert in group.alerts}
    assert set(re.findall(r"\b(?:LLM|Gpu|Cost|Inferometer)[A-Z]\w+(?<!Event)\b", text)) <= alerts


def test_every_page_can_be_reached_from_the_readme() -> None:
    linked = {link.partition("#")[0] for link in LINK.findall(text_of("README.md"))}
    assert {page for page in PAGES if page != "README.md"} <= linked


@pytest.mark.parametrize("page", ["docs/install.md", "examples/inferometer.yml"])
def test_every_port_that_is_searched_is_named(page: str) -> None:
    assert [port for port in USUAL_PORTS if not re.search(rf"\b{port}\b", text_of(page))] == []


def test_the_readme_is_one_page() -> None:
    assert len(CODE.sub("", text_of("README.md")).split()) <= README_WORDS


def test_the_excerpt_in_the_readme_is_on_the_golden_page() -> None:
    excerpt = re.search(r"a test compares them -->\n```\n(.*?)```", text_of("README.md"), re.DOTALL)
    assert excerpt is not None
    golden = set(text_of("tests/golden/vllm.prom").splitlines())
    assert [line for line in excerpt[1].splitlines() if line not in golden] == []


def test_every_dependency_is_in_contributing_with_its_reason() -> None:
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    dependencies = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    names = [re.split(r"[><=~[]", line)[0] for line in dependencies]
    assert [name for name in names if name not in text_of("CONTRIBUTING.md")] == []
