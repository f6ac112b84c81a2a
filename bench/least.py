"""The least a Python exporter can spend on a scrape: http.server and bytes that are there.

    python -m bench.least PORT PAGE

Serves the file PAGE as it stands; a thread in the background puts a fresh copy in its place every
second, as a sampler would. Compression is as the exporter does it.
"""

from __future__ import annotations

import gzip
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    page = b""

    def do_GET(self) -> None:
        body = self.page
        self.send_response(200)
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, compresslevel=1, mtime=0)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


def main(port: int, file: Path) -> None:
    """Serve until killed."""
    _Handler.page = file.read_bytes()
    threading.Thread(target=_refresh, args=(file,), daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", port), _Handler).serve_forever()


def _refresh(file: Path) -> None:
    while True:
        time.sleep(1.0)
        _Handler.page = file.read_bytes()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
