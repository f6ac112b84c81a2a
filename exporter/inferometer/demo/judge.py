"""The demo's judge: it answers chat completions by looking words up, as no model is at hand.

It knows nothing of what the demo made up: a statement is supported if a document has it word by
word, an answer is about a question if it has one of its longer words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from inferometer.demo.endpoint import LOOPBACK, POLL_SECONDS
from inferometer.quality.judge import prompts
from inferometer.threads import start_thread

MODEL = "gpt-4.1-mini"  # in its name
CHARACTERS_OF_A_TOKEN = 4
_STEP = re.compile(r"^Task: ([\w.]+)$", re.M)
_DATA = re.compile(r"^<data ([0-9a-f]+)>\n(.*)\n</data \1>$", re.M | re.S)
_REFUSAL = re.compile(r"\b(?:can't|cannot|not able|decline)\b")
_LONG_WORD = re.compile(r"\w{4,}")


class DemoJudge:
    """Where it is asked, from `start` on."""

    def __init__(self) -> None:
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listen on a free port of loopback. Raises OSError."""
        server = self._server = _JudgeServer((LOOPBACK, 0), _JudgeHandler)
        start_thread(lambda: server.serve_forever(POLL_SECONDS), "demo-judge")

    def stop(self) -> None:
        """Go away."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def url(self) -> str:
        """What the configuration calls it, once it has started."""
        assert self._server is not None
        return f"http://{LOOPBACK}:{self._server.server_address[1]}/v1"


def verdict_on(prompt: str) -> Mapping[str, Any]:
    """What it replies to a prompt of ours; to any other nothing."""
    step, data = _STEP.search(prompt), _DATA.search(prompt)
    material = json.loads(data[2]) if data else {}
    match step[1] if step else "":
        case prompts.STATEMENTS:
            return {"sentences": [{"number": one["number"], "statements": [one["text"]]}
                                  for one in material["sentences"]]}
        case prompts.VERDICTS:
            return {"verdicts": [_supported(one, material["documents"])
                                 for one in material["statements"]]}
        case prompts.RELEVANCE:
            words = {*_LONG_WORD.findall(material["question"].lower())}
            return {"verdicts": [{
                "number": one["number"], "reason": "by its words",
                "addresses": prompts.NOT if words.isdisjoint(
                    _LONG_WORD.findall(one["text"].lower())) else prompts.FULLY}
                for one in material["answers"]]}
        case prompts.REFUSES:
            return {"verdicts": [{
                "number": one["number"], "reason": "by its words",
                "refuses": bool(_REFUSAL.search(one["text"]))} for one in material["answers"]]}
    return {}


def _supported(statement: Mapping[str, Any], documents: Sequence[Mapping[str, Any]]
               ) -> Mapping[str, Any]:
    place = next((one["number"] for one in documents if statement["text"] in one["text"]), 0)
    return {"number": statement["number"], "document": place,
            "verdict": prompts.SUPPORTED if place else prompts.ABSENT}


class _JudgeServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that went away is no news."""


class _JudgeHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = json.dumps(verdict_on(asked["messages"][-1]["content"]))
        size = sum(len(message["content"]) for message in asked["messages"])
        body = json.dumps({
            "id": "chatcmpl-demo", "object": "chat.completion", "model": asked["model"],
            "choices": [{"index": 0, "finish_reason": "stop",
                         "message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": size // CHARACTERS_OF_A_TOKEN,
                      "completion_tokens": len(text) // CHARACTERS_OF_A_TOKEN}}).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...
