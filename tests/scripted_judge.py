"""A judge whose errors are known: an endpoint for chat completions that reads our own requests.

An answer is bad for an evaluation if a mark is in it (MARKS). Of bad answers it flags the part
`sensitivity`, of good ones it lets pass the part `specificity`; which ones, a hash of the answer
decides, so that the same answer has the same verdict whenever it is asked. Faults are set by
`fault`, and may be changed while it serves:

    with ScriptedJudge(sensitivity=0.85, specificity=0.95) as judge:
        ... judge.url, judge.asked, judge.fault = NONSENSE
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from inferometer.evaluations import (
    ANSWER_RELEVANCE,
    FAITHFULNESS,
    REFUSAL,
    SELF_CONTRADICTION,
)
from inferometer.quality.judge import controls, prompts

MARKS = {FAITHFULNESS: "unfounded", ANSWER_RELEVANCE: "off topic", REFUSAL: "cannot help",
         SELF_CONTRADICTION: "contradicts itself"}
FORMATS = ("json_schema", "json_object", "text")
# What it does instead of judging.
NONSENSE, SLOW, ERROR, RATE_LIMIT, DROP, REDIRECT, LENGTH = FAULTS = (
    "nonsense", "slow", "error", "rate_limit", "drop", "redirect", "length")
_DATA = re.compile(r"^<data ([0-9a-f]+)>\n(.*)\n</data \1>$", re.M | re.S)
_STATEMENTS, _REFUSALS = controls.ALL[1:]
_CONTROL = re.compile("|".join(
    re.escape(one).replace(r"\{name\}", "[A-Z][a-z]+").replace(r"\{number\}", "[0-9]+")
    for one in _STATEMENTS))
_STEP = re.compile(r"^Task: ([\w.]+)$", re.M)


class AskedOfJudge(NamedTuple):
    """One request as it came."""

    step: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    material: Mapping[str, Any]


class ScriptedJudge:
    """The endpoint, on a free port of loopback."""

    def __init__(self, sensitivity: float = 1.0, specificity: float = 1.0, *, seed: int = 0,
                 latency: float = 0.0, formats: Sequence[str] = FORMATS, port: int = 0,
                 is_bad: Callable[[str, str], bool] | None = None) -> None:
        self.sensitivity, self.specificity, self.seed = sensitivity, specificity, seed
        self.latency = latency  # seconds before each reply
        self.formats = formats  # of response_format that it takes
        self.is_bad = is_bad or (lambda evaluation, text: MARKS[evaluation] in text)
        self.fault, self.fault_ratio = "", 1.0  # of requests, by a hash of each with its number
        self.most: int | None = None  # requests that are replied to: the later ones wait
        self.reply: Callable[[AskedOfJudge], str] | None = None  # in the place of all of this
        self.asked: list[AskedOfJudge] = []
        self._closed = threading.Event()
        self._lock = threading.Lock()
        judge = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                judge._serve(self)

            def log_message(self, *_: Any) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: Any) -> None: ...

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        """Go away; who waits for a reply gets none."""
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> ScriptedJudge:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def flags(self, evaluation: str, answer: str) -> bool:
        """Whether it flags an answer: by this a test knows what is to come out."""
        digest = hashlib.sha256(f"{self.seed}/{evaluation}/{_squeezed(answer)}".encode()).digest()
        draw = int.from_bytes(digest[:8], "big") / 2**64
        return draw < self.sensitivity if self.is_bad(evaluation, answer) else (
            draw >= self.specificity)

    def verdict(self, step: str, material: Mapping[str, Any]) -> object:
        """The document that it replies to a step."""
        if step == prompts.STATEMENTS:
            return {"sentences": [{"number": one["number"], "statements": [one["text"]]}
                                  for one in material["sentences"]]}
        if step == prompts.VERDICTS:
            return {"verdicts": self._verdicts(material["statements"])}
        if step == prompts.CONTRADICTS:
            flagged = self.flags(step, " ".join(one["text"] for one in material["sentences"]))
            return {"reason": "by script", "contradicts": flagged, "first": int(flagged),
                    "second": 2 * int(flagged)}
        flags = {one["number"]: self.flags(step, one["text"]) for one in material["answers"]}
        flags[control_in([one["text"] for one in material["answers"]])] = True
        return {"verdicts": [{
            "number": number, "reason": "by script",
            **({"addresses": "not" if flagged else "fully"} if step == prompts.RELEVANCE
               else {"refuses": flagged})} for number, flagged in flags.items()]}

    def _verdicts(self, statements: Sequence[Mapping[str, Any]]) -> list[Mapping[str, object]]:
        """The judge supports all but the control, or flags what is bad, else the first one."""
        control = control_in([one["text"] for one in statements])
        own = [one for one in statements if one["number"] != control]
        flagged = {control}
        if own and self.flags(FAITHFULNESS, " ".join(one["text"] for one in own)):
            flagged |= {one["number"] for one in own
                        if self.is_bad(FAITHFULNESS, one["text"])} or {own[0]["number"]}
        return [{"number": one["number"], "document": int(one["number"] not in flagged),
                 "verdict": prompts.ABSENT if one["number"] in flagged else prompts.SUPPORTED}
                for one in statements]

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        content = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        request = _read(json.loads(content), dict(handler.headers))
        with self._lock:
            self.asked.append(request)
            number = len(self.asked)
        fault = self.fault if _ratio(f"{self.seed}/{number}") < self.fault_ratio else ""
        if self.most is not None and number > self.most:
            fault = SLOW
        if self.latency:
            self._closed.wait(self.latency)
        kind = request.body.get("response_format", {}).get("type", "text")
        if fault == SLOW:
            self._closed.wait()
        elif fault == DROP:
            handler.close_connection = True
        elif fault == REDIRECT:
            _send(handler, 307, {}, Location=f"{self.url}/elsewhere")
        elif fault in (ERROR, RATE_LIMIT):
            _send(handler, 500 if fault == ERROR else 429, {"error": {"message": "by script"}},
                  **({"Retry-After": "1"} if fault == RATE_LIMIT else {}))
        elif kind not in self.formats:
            _send(handler, 400, {"error": {
                "message": f"response_format {kind} is not supported"}})
        else:
            _send(handler, 200, _completion(request, self._text(request, fault), fault))

    def _text(self, request: AskedOfJudge, fault: str) -> str:
        if self.reply is not None:
            return self.reply(request)
        if fault == NONSENSE:
            return "As I see it, the moon is a fine place for cheese."
        text = json.dumps(self.verdict(request.step, request.material))
        return text[:len(text) // 2] if fault == LENGTH else text


def _read(body: Mapping[str, Any], headers: Mapping[str, str]) -> AskedOfJudge:
    prompt = body["messages"][-1]["content"]
    step, data = _STEP.search(prompt), _DATA.search(prompt)
    return AskedOfJudge(step[1] if step else "", body, headers,
                        json.loads(data[2]) if data else {})


def _completion(request: AskedOfJudge, text: str, fault: str) -> Mapping[str, object]:
    size = sum(len(message["content"]) for message in request.body["messages"])
    usage = {"prompt_tokens": size // 4, "completion_tokens": len(text) // 4}
    return {"id": "chatcmpl-scripted", "object": "chat.completion", "created": int(time.time()),
            "model": request.body["model"],
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text},
                         "finish_reason": "length" if fault == LENGTH else "stop"}],
            "usage": {**usage, "total_tokens": sum(usage.values())}}


def _send(handler: BaseHTTPRequestHandler, status: int, document: object, **headers: str) -> None:
    body = json.dumps(document).encode()
    handler.send_response(status)
    for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)),
                        **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def control_in(texts: Sequence[str]) -> int:
    """The number of the text that stands where the control of all others belongs; 0 for none."""
    others = [[*texts[:i], *texts[i + 1:]] for i in range(len(texts))]
    return next((i for i in range(len(texts)) if controls.place_of(others[i]) == i and (
        texts[i] in _REFUSALS or _CONTROL.fullmatch(texts[i]))), -1) + 1


def _squeezed(text: str) -> str:
    """An answer however its white space is."""
    return " ".join(text.split())


def _ratio(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
