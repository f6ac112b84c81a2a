"""What the README says to install with works; what a document gets wrong is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.install import Trial, blocks, commands, section

EVERY_WAY = """
An image first, `docker push` it where your nodes pull:

    docker build -f deploy/Dockerfile -t registry.example/inferometer:0.1.0 .
    docker push registry.example/inferometer:0.1.0

```sh
kubectl create namespace inferometer
helm upgrade --install inferometer deploy/chart --namespace inferometer \\
  --set cluster=east --wait     # with a comment
kubectl -n inferometer rollout status deployment/inferometer-fleet
```

With values of your own:

```yaml
# values.yaml
cluster: west
monitoring:
  kind: operator
```

    helm install inferometer deploy/chart -f values.yaml && kubectl apply -k deploy/kustomize/base

    kubectl apply -k deploy/kustomize/overlays/node
    kubectl apply -f deploy/generated/kubernetes/inferometer.yaml
    kubectl patch deployment --patch-file deploy/generated/kubernetes/sidecar/patch.yaml chat

```yaml
# compose.yml: and other things
services:
  one:
    image: one
    volumes: [./deploy/generated:/generated:ro]
```

    docker compose -f compose.yml up -d

```jsonnet
// monitoring.jsonnet
(import 'github.com/someone/inferometer/deploy/mixin.libsonnet').prometheusRules
```

    jb install github.com/someone/inferometer/deploy@main
    jsonnet -J vendor monitoring.jsonnet

    pip install '.[kubelet]'
    make run ARGS="--role node"
    inferometer run --role sidecar --engine http://127.0.0.1:8000
    inferometer check-config examples/inferometer.yml
    prometheus --config.file=deploy/generated/prometheus/prometheus.yml
    alertmanager --config.file=deploy/generated/alertmanager/alertmanager.yml
"""


def test_every_way_in_is_followed_to_its_end(tmp_path: Path) -> None:
    assert Trial(tmp_path).follow(EVERY_WAY) == 19


@pytest.mark.parametrize(("command", "told"), [
    ("helm install inferometer deploy/charts", "there is no deploy/charts"),
    ("helm install inferometer deploy/chart --set clster=east", "clster"),
    ("helm install inferometer deploy/chart --no-such-flag", "no-such-flag"),
    ("helm instal inferometer deploy/chart", "nobody knows how to prove: helm instal"),
    ("kubectl apply -k deploy/kustomize", "kustomization"),
    ("kubectl apply -k deploy/kustomize/overlays/nod", "there is no deploy/kustomize/overlays/nod"),
    ("kubectl apply --prune -f deploy/chart/values.yaml", "nobody knows how to prove.*--prune"),
    ("kubectl apply -f deploy/generated/kubernetes/node/kustomization.yaml", "nobody knows a Kust"),
    ("kubectl patch deployment engine --patch-file deploy/chart/values.yaml", "not allowed"),
    ("kubectl create namespaces inferometer monitoring", "Unexpected args"),
    ("kubectl -n inferometer logs daemonset/inferometer-node", "nothing before made a daemonset"),
    ("docker compose -f deploy/chart/values.yaml up", "additional properties"),
    ("docker build -f deploy/Dockerfile -t inferometer:9.9.9 .", "inferometer:9.9.9"),
    ("docker build -f deploy/Dockerfile -t inferometer:0.1.0 deploy", "nothing to build"),
    ("pip install '.[kubelets]'", "kubelets"),
    ("make instal", "make instal"),
    ("inferometer run --rolle node", "--rolle"),
    ("inferometer check-config deploy/chart/Chart.yaml", "apiVersion"),
    ("prometheus --config.file=deploy/chart/Chart.yaml", "apiVersion"),
    ("alertmanager --config.file=deploy/chart/Chart.yaml", "apiVersion"),
    ("curl http://127.0.0.1:9839/metrics", "nobody knows how to prove: curl"),
])
def test_what_a_document_gets_wrong_is_found(command: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=told):
        Trial(tmp_path).follow(f"    {command}\n")


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


def test_a_document_without_the_section_is_told() -> None:
    assert section("## Install\n\n1\n\n## Other\n\n2\n", "Install").strip() == "1"
    with pytest.raises(AssertionError, match="no section Install"):
        section("## Installation\n\n1\n", "Install")
