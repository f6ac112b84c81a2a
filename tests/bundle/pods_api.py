"""As much of a Kubernetes API as Prometheus asks of it: a watch that begins with all pods."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.bundle.kubernetes import Manifest
from tests.exporter.support import send

VERSION = "7"  # of all that there is; nothing changes


@contextlib.contextmanager
def serving(pods: Sequence[Manifest]) -> Iterator[str]:
    """Its address."""
    ended = threading.Event()
    complete = {"apiVersion": "v1", "kind": "Pod", "metadata": {
        "resourceVersion": VERSION, "annotations": {"k8s.io/initial-events-end": "true"}}}
    events = [*({"type": "ADDED", "object": pod} for pod in pods),
              {"type": "BOOKMARK", "object": complete}]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            if asked.path != "/api/v1/pods" or "sendInitialEvents" not in asked.query:
                send(self, b"not asked by any Prometheus so far", 404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write("".join(f"{json.dumps(event)}\n" for event in events).encode())
            ended.wait()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        ended.set()
        server.shutdown()
        server.server_close()


def pod(name: str, workload: Manifest, node: str, port: int, phase: str = "Running") -> Manifest:
    """A pod of a workload, as the API tells it: on loopback, its named ports this one."""
    template = workload["spec"]["template"]
    containers = {kind: [{**container, "ports": [{**entry, "containerPort": port, "protocol": "TCP"}
                                                 for entry in container.get("ports", ())]}
                         for container in template["spec"].get(kind, ())]
                  for kind in ("initContainers", "containers")}
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": workload["metadata"]["namespace"], "uid": name,
                     "resourceVersion": VERSION, "labels": template["metadata"]["labels"]},
        "spec": {**template["spec"], "nodeName": node, **containers},
        "status": {"phase": phase, "podIP": "127.0.0.1", "hostIP": "127.0.0.1",
                   "podIPs": [{"ip": "127.0.0.1"}],
                   "conditions": [{"type": "Ready", "status": "True"}]}}
