"""The engines' pages in tests/fixtures, and what the README beside them says of each.

A page's first folder is the module of the table that reads it. All else that tests need to know of
an engine follows from that, from its table and from the rows of the README.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType

from inferometer.engines import tables
from inferometer.engines.table import Engine
from tests.exporter.support import FIXTURES

FOLDER = FIXTURES / "engines"
README = FOLDER / "README.md"
ROW = re.compile(r"\| `([\w.-]+/[\w.-]+)` \| (\w*) \|(.*?)\| (.*) \|")
GOLDEN = re.compile(r"`([\w.-]+)` as `([\w.-]+)`")


@dataclass(frozen=True)
class Origin:
    """A row of the README: a folder of pages, and where they come from.

    `golden` are the files recorded in tests/golden, each with the page it is made of.
    """

    folder: str
    evidence: str
    text: str
    golden: Mapping[str, str] = field(default_factory=dict)

    @property
    def table(self) -> str:
        """The module of the table that reads these pages."""
        return self.folder.split("/")[0]


def origins(readme: str) -> list[Origin]:
    """The rows of the README's table."""
    return [Origin(folder, evidence, text,
                   {file: f"{folder}/{page}.prom" for page, file in GOLDEN.findall(golden)})
            for folder, evidence, golden, text in ROW.findall(readme)]


BESIDE = frozenset({"kv_connectors", "lmcache"})  # on an engine's page, and no engine


def _modules() -> Iterator[tuple[str, ModuleType]]:
    for module in pkgutil.iter_modules(tables.__path__):
        if module.name not in BESIDE:
            yield module.name, importlib.import_module(f"{tables.__name__}.{module.name}")


ENGINES: dict[str, list[Engine]] = {  # by module; what a module has only imported is not its own
    name: [value for value in vars(module).values() if isinstance(value, Engine)]
    for name, module in _modules()
}
PAGES = sorted(str(page.relative_to(FOLDER)) for page in FOLDER.rglob("*.prom"))
ORIGINS = {origin.folder: origin for origin in origins(README.read_text())}
GOLDEN_PAGES = {file: page for origin in ORIGINS.values() for file, page in origin.golden.items()}


def table_of(page: str) -> str:
    """The module of the table that reads a page."""
    return page.split("/")[0]


def evidence_of(page: str) -> str:
    """How a page is known; empty where no row says it."""
    origin = ORIGINS.get(page.rpartition("/")[0])
    return origin.evidence if origin else ""


def title_of(page: str) -> str:
    """What people call the engine whose page it is; empty where it has no table."""
    engines = ENGINES.get(table_of(page), [])
    return engines[0].title if engines else ""
