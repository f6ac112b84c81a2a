"""Rules under `promtool test rules`, of each supported version: real PromQL in virtual time.

`check` runs a document of promtool's own kind and fails with what it says. `ask` returns what
queries give, so that a test can compare in Python, with a tolerance where one is due. All files
are JSON, which is YAML.

promtool evaluates every group at one interval and knows no order among groups but the one that it
is told: here it is the order in which they are given.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from inferometer.catalogue import Metric
from recording_rules.model import Group

TOOLS = Path(os.environ.get("TOOLS", Path(__file__).parents[2] / ".cache" / "tools"))
VERSIONS = ("2.42", "3")  # the oldest supported, and a current one
Document = Mapping[str, Any]
Series = Mapping[str, str]
Samples = list[tuple[dict[str, str], float]]

# What a scrape puts on every series of a target; each caller changes what it needs.
SCRAPE = {"job": "inferometer", "instance": "10.0.0.1:9835", "cluster": "east",
          "namespace": "chat", "node": "node-1", "pod": "inferometer-abcde"}
_SUFFIXES = {"histogram": ("_bucket", "_count", "_sum")}
_NEVER = {"labels": "never{}", "value": 0}
_ANSWER = re.compile(r'^ +expr: .*\n(?: +exp: .*\n)? +got: *(.*)$', re.MULTILINE)
_SAMPLE = re.compile(r'\{((?:[^"}]|"(?:\\.|[^"\\])*")*)\} (\S+?)(?:, |$)')
_LABEL = re.compile(r'(\w+)=("(?:\\.|[^"\\])*")')


def documents(groups: Iterable[Group]) -> list[Document]:
    """Recording rules as a rule file has them."""
    return [{
        "name": group.name, "interval": group.interval,
        "rules": [{"record": rule.name, "expr": rule.expr}
                  | ({"labels": dict(rule.fixed)} if rule.fixed else {}) for rule in group.rules],
    } for group in groups]


def series(metric: Metric, values: str, /, *, scrape: Mapping[str, str] = SCRAPE,
           suffix: str = "", **labels: str) -> Series:
    """One input series as a scrape with `honor_labels: false` delivers it.

    `values` is in promtool's notation. Labels must be the family's own; `le` goes with `_bucket`.
    """
    assert suffix in _SUFFIXES.get(metric.kind, ("",)), f"{metric.name}: no {suffix!r}"
    allowed = {*metric.label_names, *(("le",) if suffix == "_bucket" else ())}
    required = {label.name for label in metric.labels if not label.optional}
    assert required <= set(labels) <= allowed, f"{metric.name}: {sorted(labels)}"
    for label in metric.labels:
        if label.values and label.name in labels:
            assert labels[label.name] in label.values, f"{metric.name}: {labels}"
    assert not set(labels) & set(scrape)
    return {"series": selector(metric.name + suffix, {**scrape, **labels}), "values": values}


def selector(name: str, labels: Mapping[str, str]) -> str:
    """A series as PromQL writes it."""
    inner = ", ".join(f"{label}={json.dumps(value)}" for label, value in labels.items())
    return f"{name}{{{inner}}}"


def growing(per_minute: float, minutes: int, start: float = 0) -> str:
    """A counter's values, one a minute."""
    return f"{start:g}+{per_minute:g}x{minutes}"


def check(version: str, folder: Path, groups: Iterable[Document], tests: Iterable[Document],
          interval: str = "1m") -> None:
    """Run promtool's own kind of tests. Raises AssertionError with what it says."""
    process = _run(version, folder, groups, tests, interval)
    assert process.returncode == 0, process.stdout + process.stderr


def ask(version: str, folder: Path, groups: Iterable[Document], inputs: Iterable[Series],
        queries: Iterable[str], time: str, interval: str = "1m",
        scraped: str = "1m") -> dict[str, Samples]:
    """What each query gives after the rules have run until `time`; inputs come once in `scraped`.

    A rule that fails, or a query that does, raises AssertionError.
    """
    asked = list(queries)
    test = {"interval": scraped, "input_series": list(inputs), "promql_expr_test": [
        {"expr": query, "eval_time": time, "exp_samples": [_NEVER]} for query in asked]}
    process = _run(version, folder, groups, [test], interval)
    output = process.stdout + process.stderr
    answers: list[str] = _ANSWER.findall(output)
    assert len(answers) == len(asked), output
    assert "err:" not in output, output
    return dict(zip(asked, map(_samples, answers), strict=True))


def _run(version: str, folder: Path, groups: Iterable[Document], tests: Iterable[Document],
         interval: str) -> subprocess.CompletedProcess[str]:
    rules = list(groups)
    document = {
        "rule_files": ["rules.json"], "evaluation_interval": interval,
        "group_eval_order": [group["name"] for group in rules], "tests": list(tests),
    }
    (folder / "rules.json").write_text(json.dumps({"groups": rules}))
    (folder / "tests.json").write_text(json.dumps(document))
    tool = TOOLS / f"promtool-{version}" / "promtool"
    return subprocess.run([tool, "test", "rules", "tests.json"], cwd=folder, capture_output=True,
                          text=True, check=False, timeout=300)


def _samples(answer: str) -> Samples:
    samples = [({name: json.loads(value) for name, value in _LABEL.findall(labels)}, float(number))
               for labels, number in _SAMPLE.findall(answer)]
    assert answer == "nil" or samples, answer
    return samples
