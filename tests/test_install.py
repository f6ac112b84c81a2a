"""What docs/install.md says works; what a document gets wrong is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.install import Trial, blocks, commands, section

ROOT = Path(__file__).parents[1]
VALUES = """
```yaml
# values.yaml
cluster: west
monitoring:
  kind: %s
```

    helm install inferometer deploy/chart --set monitoring.kind=operator
    helm upgrade inferometer deploy/chart -f values.yaml
"""


def test_every_command_of_the_document_is_followed(tmp_path: Path) -> None:
    document = (ROOT / "docs/install.md").read_text()
    followed_elsewhere = section(document, "I already have Prometheus and Grafana")
    assert Trial(tmp_path).follow(document.replace(followed_elsewhere, "")) > 15


@pytest.mark.parametrize(("command", "message"), [
    ("helm install inferometer deploy/charts", "there is no deploy/charts"),
    ("helm install inferometer deploy/chart --set clster=east", "clster"),
    ("helm install inferometer deploy/chart --no-such-flag", "no-such-flag"),
    ("helm instal inferometer deploy/chart", "nobody knows how to prove: helm instal"),
    ("kubectl apply -k deploy/kustomize", "kustomization"),
    ("kubectl apply -k deploy/kustomize/overlays/nod", "there is no deploy/kustomize/overlays/nod"),
    ("kubectl apply --prune -f deploy/chart/values.yaml", "nobody knows how to prove.*--prune"),
    ("kubectl apply -f deploy/generated/kubernetes/node/kustomization.yaml", "nobody knows a Kust"),
    ("kubectl patch deployment engine --patch-file deploy/chart/values.yaml", "not allowed"),
    ("kubectl rollout status daemonset/inferometer-node", "nothing before made a daemonset"),
    ("docker compose -f deploy/chart/values.yaml up", "additional properties"),
    ("docker build -f deploy/Dockerfile -t inferometer:9.9.9 .", "inferometer:9.9.9"),
    ("docker build -f deploy/Dockerfile -t inferometer:0.1.0 deploy", "nothing to build"),
    ("docker build -f deploy/Dockerfile --target gateway -t gateway:0.1.0 .", "no target gateway"),
    ("docker push inferometer-gateway:0.1.0", "nothing before built"),
    ("kubectl create secret generic key --from-litteral=key=1", "from-litteral"),
    ("make instal", "make instal"),
    ("make bundle ARGS=--clster=x", "clster"),
    ("kubectl get configmap inferometer -o yaml > x", "nothing before made a configmap"),
    ("curl http://127.0.0.1:9839/metrics", "nobody knows how to prove: curl"),
    ("pip install deploy", "nothing to install in deploy"),
    ("inferometer runs", "invalid choice: 'runs'"),
    ("prometheus --config.file=deploy/chart/values.yaml", "field image not found"),
    ("alertmanager --config.fil=deploy/chart/values.yaml", "--config.fil"),
])
def test_what_a_document_gets_wrong_is_found(command: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=message):
        Trial(tmp_path).follow(f"    {command}\n")


def test_an_upgrade_keeps_what_there_was(tmp_path: Path) -> None:
    assert Trial(tmp_path).follow(VALUES % "operator") == 2


def test_an_upgrade_that_takes_something_away_is_found(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"takes away .*ServiceMonitor"):
        Trial(tmp_path).follow(VALUES % "none")


def test_a_file_that_compose_would_mount_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="nowhere"):
        Trial(tmp_path).follow("""```yaml
# compose.yml
services:
  one: {image: one, volumes: ["./nowhere:/nowhere:ro"]}
```

    docker compose -f compose.yml up
""")


def test_blocks_are_fenced_or_indented_and_nothing_else() -> None:
    text = ("Words:\n\n    one \\\n      two # three\n\n    four && five\n\n- a\n  b\n\n"
            "```\nsix\n```\n")
    assert [[*commands(block)] for block in blocks(text)] == [
        [["one", "two"], ["four"], ["five"]], [["six"]]]


def test_a_document_without_the_section_is_refused() -> None:
    assert section("## Install\n\n1\n\n## Other\n\n2\n", "Install").strip() == "1"
    with pytest.raises(AssertionError, match="no section Install"):
        section("## Installation\n\n1\n", "Install")
