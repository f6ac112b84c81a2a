"""The cluster behind HTTP: what shippers and curl ask of it, and of a Kibana beside it."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import HTTP
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.e2e.elastic.cluster import Cluster, RefusedError


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        pass  # the tests' output is theirs

    def do_HEAD(self) -> None:
        self._answer(HTTPStatus.OK, None)  # is it well?

    def do_PUT(self) -> None:
        self._do(lambda cluster, body: cluster.put(self.path, json.loads(body)) or {
            "acknowledged": True})

    def do_POST(self) -> None:
        content_type = self.headers.get("Content-Type", "")
        path = self.path.partition("?")[0]
        if path == "/_bulk":
            self._do(lambda cluster, body: cluster.bulk(content_type, body))
        elif path == "/api/saved_objects/_import" and "kbn-xsrf" in self.headers:
            self._do(lambda cluster, body: cluster.import_objects(_file(content_type, body)))
        else:
            self._refuse(HTTPStatus.NOT_FOUND, f"nothing is posted to {self.path}")

    def _do(self, action: Any) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            with self.server.lock:
                answer = action(self.server.cluster, body)
        except RefusedError as error:
            self._refuse(error.status, str(error))
        except (ValueError, KeyError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, repr(error))
        else:
            self._answer(HTTPStatus.OK, answer)

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self.server.cluster.faults.append(f"{self.command} {self.path}: {status} {reason}")
        self._answer(status, {"error": {"reason": reason}, "status": int(status)})

    def _answer(self, status: HTTPStatus, document: Any) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("X-elastic-product", "Elasticsearch")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _file(content_type: str, body: bytes) -> bytes:
    """The file of a form. Raises ValueError."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    (part,) = message_from_bytes(head + body, policy=HTTP).iter_parts()
    if not (part.get_filename() or "").endswith(".ndjson"):
        raise ValueError("Kibana imports files whose names end in .ndjson")
    return bytes(part.get_content())


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, cluster: Cluster, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.cluster, self.lock = cluster, threading.Lock()


@contextlib.contextmanager
def serving(cluster: Cluster, port: int = 0) -> Iterator[str]:
    """Its address, for as long as it is up."""
    with _Server(cluster, port) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
