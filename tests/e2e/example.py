"""The example application with all that it needs, each a process of its own, on this machine.

    python -m tests.e2e.example [--listen 127.0.0.1:8300] [--phoenix http://127.0.0.1:6006]

A real vLLM of a tiny model, a gateway that takes spans and votes, and the application
(`make demo-app` installs it). It goes on until Ctrl-C, and ends all by their pids.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.gateways import Gateway, gateway
from tests.e2e.vllm import Vllm, started
from tests.exporter.support import free_port, get, wait_for

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("RAG_APP", ROOT / ".cache" / "rag-app")) / "bin" / "python"
SERVICE, MODEL = "rag-app", "tiny"
START_SECONDS, STOP_SECONDS = 300.0, 30.0
SETTLE_SECONDS = 3.0
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "500"}  # milliseconds; a trace settles when all of it came
NOTICE = ("The model behind this demo has random weights: its answers are noise. "
          "The sources are real, and so is all that is measured.")


@dataclass(frozen=True)
class Example:
    """The application, what it calls, and what watches it."""

    url: str
    votes: str  # where they are posted to
    gateway: Gateway
    engine: Vllm
    log: Path


@contextlib.contextmanager
def example(folder: Path, listen: str = "", settle_seconds: float = SETTLE_SECONDS,
            more: str = "") -> Iterator[Example]:
    """All of it; `more`: other sections of the gateway's configuration."""
    listen = listen or f"127.0.0.1:{free_port()}"
    key = folder / "feedback.key"
    key.write_text(secrets.token_hex(32))
    door = f"127.0.0.1:{free_port()}"
    votes = f"http://{door}/v1/feedback"
    sections = (f"feedback: {{listen: '{door}', capability_key_file: '{key}', "
                f"allowed_origins: ['http://{listen}']}}\n{more}")
    with gateway(folder, settle_seconds, more=sections) as running:
        spans = f"http://127.0.0.1:{running.intake}"
        with started(folder, "--otlp-traces-endpoint", f"{spans}/v1/traces",
                     OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="http/protobuf", **SOON) as engine:
            settings = {
                "RAG_LISTEN": listen, "RAG_MODEL": MODEL, "RAG_NOTICE": NOTICE,
                "RAG_MAX_TOKENS": "120", "RAG_CONTEXT_CHARACTERS": "1000",  # of a small context
                "OPENAI_BASE_URL": f"{engine.url}/v1", "OPENAI_API_KEY": "none",
                "FEEDBACK_URL": votes, "FEEDBACK_KEY_FILE": str(key),
                "OTEL_SERVICE_NAME": SERVICE, "OTEL_EXPORTER_OTLP_ENDPOINT": spans,
                # Which documents a search found is content, by the conventions.
                "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only", **SOON}
            with application(folder, listen, settings) as log:
                yield Example(f"http://{listen}", votes, running, engine, log)


@contextlib.contextmanager
def application(folder: Path, listen: str, settings: Mapping[str, str]) -> Iterator[Path]:
    """The application alone, once it answers; its log. Raises AssertionError if it does not."""
    path = folder / "app.log"
    with path.open("w") as log:
        process = subprocess.Popen([PYTHON, "-m", "examples.rag_app"], cwd=ROOT, stdout=log,
                                   stderr=subprocess.STDOUT, env={**os.environ, **settings},
                                   start_new_session=True)  # Ctrl-C is for who began it

    def answers() -> bool:
        assert process.poll() is None, path.read_text()[-3000:]
        with contextlib.suppress(OSError):
            return get(int(listen.rpartition(":")[2]), "/healthz").status == 200
        return False

    try:
        wait_for(answers, START_SECONDS, 0.2)
        yield path
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def to_phoenix(url: str) -> str:
    """The section of a gateway's configuration that sends to one on this machine."""
    return f"destinations: [{{preset: phoenix, url: '{url}'}}]\n"


def main(arguments: Sequence[str]) -> int:
    """Start it, say where it is, and wait for Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.example", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:8300", metavar="HOST:PORT",
                        help="where the application is (%(default)s)")
    parser.add_argument("--phoenix", default="", metavar="URL",
                        help="a Phoenix that runs: traces and votes are sent on to it")
    options = parser.parse_args(arguments)
    listen, more = options.listen, to_phoenix(options.phoenix) if options.phoenix else ""
    host, _, port = listen.rpartition(":")
    try:
        socket.create_server((host, int(port))).close()  # before minutes are spent on the rest
    except (OSError, ValueError) as error:
        parser.error(f"--listen {listen}: {error}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    with tempfile.TemporaryDirectory(prefix="rag-app-") as name:
        folder = Path(name)
        print(f"A vLLM with a tiny model starts: a minute; the first time it is installed "
              f"(2.5 GB). Its log: {folder / 'vllm.log'}", flush=True)
        try:
            with contextlib.suppress(KeyboardInterrupt), example(
                    folder, listen, more=more) as running:
                figures = f"http://127.0.0.1:{running.gateway.running.port}/"
                print(f"The chat is at {running.url}/ and its figures at {figures} - Ctrl-C ends "
                      "all of it.", flush=True)
                signal.pause()
        except AssertionError as error:  # what did not start, with the end of its log
            print(error, file=sys.stderr)
            return 1
    print("All of it has ended.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
