"""Every generated file: which writer makes it, its text, and whether a folder has it.

The same definitions always give the same bytes: no time, no host, nothing at random.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from alerts import routing
from deploy.build.bundle import Bundle
from deploy.build.writers import (
    alerts,
    compose,
    elastic,
    kibana,
    kubernetes,
    metrics_page,
    prometheus,
    recording_rules,
    scaling,
)
from inferometer.bundle.folder import ORIGIN
from inferometer.bundle.options import Options
from inferometer.bundle.places import written


def render(bundle: Bundle, options: Options) -> dict[str, str]:
    """The text of every file by its path, as `inferometer bundle` has it of a wheel's.

    Raises ValueError for options that cannot be.
    """
    return written(defined(bundle, Options()), options)


def defined(bundle: Bundle, options: Options) -> dict[str, str]:
    """The text of every file by its path, at its usual pace, as definitions and chart give it."""
    contents = {
        f"prometheus/{prometheus.RECORDING}": _yaml(recording_rules.document(bundle.groups)),
        f"prometheus/{prometheus.ALERTING}": _yaml(
            alerts.document(bundle.alert_groups, bundle.boards, options)),
        "prometheus/prometheus.yml": _yaml(prometheus.configuration(options), prometheus.REMARKS),
        "alertmanager/alertmanager.yml": _yaml(routing.configuration(options.addresses)),
        **{f"compose/{name}": _yaml(document)
           for name, document in compose.documents(bundle, options).items()},
        **{f"dashboards/{uid}.json": _json(board) for uid, board in bundle.boards.items()},
        **{f"scaling/{name}": _stream(example.documents, example.remarks)
           for name, example in scaling.examples().items()},
        **{f"elastic/{path}.json": _json(document)
           for path, document in elastic.documents().items()},
        "elastic/kibana.ndjson": kibana.text(),
        **{f"elastic/{name}": f"# {ORIGIN}\n{text}" for name, text in elastic.shippers().items()},
        "metrics.md": f"<!-- {ORIGIN} -->\n{metrics_page.page(bundle)}",
    }
    in_kubernetes = _yaml(prometheus.configuration_in_kubernetes(kubernetes.adapted(options)),
                          prometheus.REMARKS_IN_KUBERNETES)
    return contents | {f"kubernetes/{path}": f"# {ORIGIN}\n{manifest}" for path, manifest in
                       kubernetes.files(contents, in_kubernetes, options).items()}


def differences(contents: Mapping[str, str], folder: Path) -> list[str]:
    """Which files the folder lacks, has too much, or has otherwise."""
    present = {file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8")
               for file in folder.rglob("*") if file.is_file()}
    return sorted((
        *(f"missing: {path}" for path in contents.keys() - present.keys()),
        *(f"extra: {path}" for path in present.keys() - contents.keys()),
        *(f"different: {path}" for path in contents.keys() & present.keys()
          if contents[path] != present[path]),
    ))


def _yaml(document: Mapping[str, Any], remarks: Iterable[str] = ()) -> str:
    return _stream([document], remarks)


def _stream(documents: Iterable[Mapping[str, Any]], remarks: Iterable[str] = ()) -> str:
    head = "".join(f"# {line}\n" for line in (ORIGIN, *remarks))
    return head + "---\n".join(
        yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100)
        for document in documents)


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


class _Plain(yaml.SafeDumper):
    """Writes a value that occurs twice twice, instead of a reference to it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
