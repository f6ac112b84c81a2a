"""What a package index, a chart's page and an image's labels say of the project is said once."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.release import hashes, places
from inferometer.about import PROJECT_URL
from tests.dockerfile import instructions
from tests.pythons import supported

ROOT = Path(__file__).parents[1]
ICON = "deploy/chart/icon.svg"
OURS = re.compile(r"https://github\.com/inferometer\b[\w./-]*")
DOCUMENTS = ("README.md", "SECURITY.md", "pyproject.toml", "deploy/chart/Chart.yaml",
             "deploy/Dockerfile")
RELATIVE = re.compile(r"(?:\]\(|<(?:img|source|a) [^>]*(?:src|srcset|href)=\")(?![a-z]+:|#)")


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def pyproject() -> dict[str, Any]:
    return tomllib.loads(text("pyproject.toml"))


def chart() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(text("deploy/chart/Chart.yaml"))
    return document


def on_an_index(readme: str) -> str:
    """The README as the build backend has it for an index."""
    hook = pyproject()["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    for rule in hook["substitutions"]:
        readme = re.sub(rule["pattern"], rule["replacement"], readme)
    return readme.replace("$HFPR_VERSION", pyproject()["project"]["version"])


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_address_of_ours_is_in_the_one_repository(document: str) -> None:
    assert [url for url in OURS.findall(text(document))
            if not re.match(rf"{re.escape(PROJECT_URL)}(?:/|$)", url)] == []


def test_the_package_says_where_it_is_and_who_made_it() -> None:
    project = pyproject()["project"]
    assert project["urls"]["Homepage"] == project["urls"]["Source"] == PROJECT_URL
    assert {"Changelog", "Documentation", "Issues", "Security"} <= {*project["urls"]}
    (author,) = project["authors"]
    (maintainer,) = chart()["maintainers"]
    assert author["name"] == maintainer["name"]
    assert project["keywords"] == sorted(project["keywords"])
    assert (ROOT / "exporter/inferometer/py.typed").exists()


def test_the_chart_says_where_it_is_and_has_an_icon() -> None:
    assert chart()["home"] == chart()["maintainers"][0]["url"] == PROJECT_URL
    assert chart()["sources"] == [PROJECT_URL]
    assert chart()["icon"] == f"{PROJECT_URL}/raw/main/{ICON}"
    assert text(ICON).startswith("<svg ")


def test_the_pythons_of_the_package_are_those_that_make_takes() -> None:
    taken = re.search(r"^PYTHONS := (.*)$", text("Makefile"), re.MULTILINE)
    assert taken is not None
    assert supported() == sorted(taken[1].split())
    assert pyproject()["project"]["requires-python"] == f">={supported()[0]}"


def test_the_backend_is_one_version_for_whoever_builds() -> None:
    required = pyproject()["build-system"]["requires"]
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", line) for line in required)
    assert {*required} <= {*pyproject()["project"]["optional-dependencies"]["release"]}


@pytest.mark.parametrize(("file", "lines"), [*hashes.requirements(pyproject())])
def test_what_the_image_installs_has_versions_that_are_tested_and_hashes(
        file: str, lines: list[str]) -> None:
    versions, constraints = hashes.pinned(text(file)), hashes.pinned(text("constraints.txt"))
    assert versions == {name: constraints[name] for name in versions}
    assert {re.split(r"[\[><=~]", line)[0] for line in lines} <= {*versions}
    entries = re.split(r"\n(?=\w)", re.sub(r"^#.*\n", "", text(file), flags=re.MULTILINE))
    assert len(entries) == len(versions)
    for entry in entries:
        assert re.fullmatch(r"\S+==\S+(?: ; [^\\\n]+)?"
                            r"(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n?", entry)


def test_all_that_is_needed_at_run_time_is_among_it() -> None:
    versions = hashes.pinned(text(hashes.RUNTIME))
    needed = {re.split(r"[^\w.-]", line)[0].lower().replace("_", "-")
              for name in versions for line in requires(name) or () if "extra ==" not in line}
    assert needed <= {*versions}


def test_no_link_of_the_readme_is_dead_on_an_index() -> None:
    assert RELATIVE.search(text("README.md"))  # else this test could not fail
    assert RELATIVE.search(on_an_index(text("README.md"))) is None


@pytest.mark.parametrize(("link", "expected"), [
    ("[a](docs/a.md#b)", "[a]({url}/blob/v{version}/docs/a.md#b)"),
    ("![a](docs/a.png)", "![a]({url}/raw/v{version}/docs/a.png)"),
    ("[![a](a.png)](b.md)", "[![a]({url}/raw/v{version}/a.png)]({url}/blob/v{version}/b.md)"),
    ('<img alt="a" src="a.png">', '<img alt="a" src="{url}/raw/v{version}/a.png">'),
    ('<source media="m" srcset="a.png">', '<source media="m" srcset="{url}/raw/v{version}/a.png">'),
    ('<a href="a.md">', '<a href="{url}/blob/v{version}/a.md">'),
    ("[a](#here) [b](https://example.org/) [c](mailto:d@e)",
     "[a](#here) [b](https://example.org/) [c](mailto:d@e)"),
])
def test_a_link_leads_to_the_repository_of_that_version(link: str, expected: str) -> None:
    assert on_an_index(link) == expected.format(
        url=PROJECT_URL, version=pyproject()["project"]["version"])


def test_the_version_is_one_wherever_it_stands() -> None:
    stated = [*places.versions()]
    assert {version for _, version in stated} == {pyproject()["project"]["version"]}
    assert {file for file, _ in stated} >= {
        "pyproject.toml", "deploy/chart/Chart.yaml", "deploy/Dockerfile",
        "deploy/compose/compose.yml", "examples/kustomize/kustomization.yaml"}


def test_the_image_says_who_made_it() -> None:
    (author,) = pyproject()["project"]["authors"]
    labels = next(step.words() for step in instructions(ROOT / "deploy/Dockerfile")
                  if step.word == "LABEL")
    assert f"org.opencontainers.image.vendor={author['name']}" in labels
