"""A provider on loopback that speaks OpenAI's and Anthropic's API by a script, and keeps a log.

The last text of a request names a scene. Its tokens are numbers of that scene alone, so that a
figure can be looked for in what a sender makes of the answer. What was answered is the truth.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any

# As OpenTelemetry counts them: cached and written tokens are input, reasoning ones are output.
Tokens = Mapping[str, int]
CHUNKS = 3  # of a stream, before its last one
CREATED = 1_700_000_000


@dataclass(frozen=True)
class Scene:
    """How a call is answered: statuses of one try after another, tokens, how it finishes."""

    tokens: Tokens = field(default_factory=dict)
    statuses: tuple[int, ...] = (200,)
    finish: str = "stop"
    refusal: bool = False

    @property
    def ending(self) -> tuple[str, str]:
        """Outcome and type of error, in Inferometer's words."""
        return {200: ("success", ""), 429: ("rejected", "rate_limit"),
                500: ("error", "server")}[self.statuses[-1]]


# What comes in which answer: chat completions, responses, embeddings, messages of Anthropic.
SCENES: Mapping[str, Scene] = MappingProxyType({
    "chat": Scene({"input": 1201, "cached": 643, "output": 241, "reasoning": 67}),
    "stream": Scene({"input": 1301, "cached": 701, "output": 251, "reasoning": 71}),
    "stream_bare": Scene(),  # nobody asked for the usage, so none is answered
    "tools": Scene({"input": 1409, "cached": 0, "output": 83, "reasoning": 0}, finish="tool_calls"),
    "refusal": Scene({"input": 1511, "cached": 0, "output": 19, "reasoning": 0}, refusal=True),
    "filter": Scene({"input": 1601, "cached": 0, "output": 23, "reasoning": 0},
                    finish="content_filter"),
    "again": Scene({"input": 1709, "cached": 811, "output": 263, "reasoning": 73},
                   statuses=(429, 200)),
    "rate_limit": Scene(statuses=(429,)),
    "boom": Scene(statuses=(500,)),
    "responses": Scene({"input": 1801, "cached": 907, "output": 271, "reasoning": 79}),
    "responses_stream": Scene({"input": 1867, "cached": 919, "output": 277, "reasoning": 89}),
    "embeddings": Scene({"input": 1901}),
    "messages": Scene({"input": 1997, "cached": 509, "cache_write": 311, "output": 281}),
    "messages_stream": Scene({"input": 2203, "cached": 521, "cache_write": 313, "output": 283}),
})


@dataclass(frozen=True)
class Call:
    """What was answered to one call, all its tries together."""

    scene: str
    model: str
    outcome: str
    error_type: str
    tokens: Tokens


@dataclass
class Log:
    """Requests in the order they came; a try that the client counts as one more is no call."""

    requests: list[tuple[str, str, int, int]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, name: str, model: str, tries: int, status: int) -> None:
        """Keep one request, answered with this status after so many earlier tries."""
        scene = SCENES[name]
        with self._lock:
            self.requests.append((name, model, tries, status))
            if len(scene.statuses) == tries + 1:
                self.calls.append(Call(name, model, *scene.ending, scene.tokens))


class _Provider(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.log = Log()

    def handle_error(self, *_: Any) -> None:
        """Be silent: clients that end drop the connections that they kept."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Provider

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name, model = _scene(asked), asked["model"]
        scene = SCENES[name]
        tries = int(self.headers.get("X-Stainless-Retry-Count", 0))
        status = scene.statuses[min(tries, len(scene.statuses) - 1)]
        number = len(self.server.log.requests)
        self.server.log.write(name, model, tries, status)
        if status != 200:
            kind = "rate_limit_error" if status == 429 else "api_error"
            self._send({"type": "error", "error": {
                "type": kind, "code": kind, "param": None, "message": f"scripted {status}"}},
                status)
            return
        answer = _ANSWERS[self.path.rpartition("/v1/")[2]]
        document, events = answer(name, scene, asked, number)
        if asked.get("stream"):
            self._stream(events)
        else:
            self._send(document)

    def _send(self, document: Mapping[str, Any], status: int = 200) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        for key, value in (("Content-Type", "application/json"), ("Retry-After-Ms", "20"),
                           ("Content-Length", str(len(body)))):
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, events: Iterator[tuple[str, Mapping[str, Any] | None]]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for kind, event in events:
            data = "[DONE]" if event is None else json.dumps(event)
            text = f"event: {kind}\ndata: {data}\n\n" if kind else f"data: {data}\n\n"
            self.wfile.write(f"{len(text.encode()):x}\r\n{text}\r\n".encode())
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: Any) -> None: ...


def _scene(asked: Mapping[str, Any]) -> str:
    """The scene that the last text of a request names."""
    last = asked.get("messages") or asked["input"]
    last = last if isinstance(last, str) else last[-1]
    text = last if isinstance(last, str) else last["content"]
    return str(text if isinstance(text, str) else text[0]["text"])


Answer = tuple[Mapping[str, Any], Iterator[tuple[str, Mapping[str, Any] | None]]]


def _chat(name: str, scene: Scene, asked: Mapping[str, Any], number: int) -> Answer:
    head = {"id": f"chatcmpl-{number}", "created": CREATED, "model": asked["model"]}
    message: dict[str, Any] = {"role": "assistant", "content": f"an answer to {name}",
                               "refusal": None}
    if scene.refusal:
        message |= {"content": None, "refusal": "This cannot be answered."}
    if scene.finish == "tool_calls":
        message |= {"content": None, "tool_calls": [{
            "id": "call_1", "type": "function",
            "function": {"name": "weather", "arguments": '{"town": "Ulm"}'}}]}
    usage = _chat_usage(scene.tokens)

    def events() -> Iterator[tuple[str, Mapping[str, Any] | None]]:
        chunk = {**head, "object": "chat.completion.chunk"}
        for place in range(CHUNKS):
            yield "", {**chunk, "choices": [{
                "index": 0, "delta": {"role": "assistant", "content": f"word {place} "},
                "finish_reason": None}]}
        yield "", {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": scene.finish}]}
        if (asked.get("stream_options") or {}).get("include_usage"):
            yield "", {**chunk, "choices": [], "usage": usage}
        yield "", None

    return {**head, "object": "chat.completion", "usage": usage, "choices": [{
        "index": 0, "message": message, "finish_reason": scene.finish}]}, events()


def _chat_usage(tokens: Tokens) -> Mapping[str, Any]:
    entry, output = tokens.get("input", 0), tokens.get("output", 0)
    return {"prompt_tokens": entry, "completion_tokens": output, "total_tokens": entry + output,
            "prompt_tokens_details": {"cached_tokens": tokens.get("cached", 0)},
            "completion_tokens_details": {"reasoning_tokens": tokens.get("reasoning", 0)}}


def _responses(name: str, scene: Scene, asked: Mapping[str, Any], number: int) -> Answer:
    tokens = scene.tokens
    begun = {"id": f"resp_{number}", "object": "response", "created_at": CREATED, "output": [],
             "model": asked["model"], "status": "in_progress", "tools": [], "error": None,
             "tool_choice": "auto", "parallel_tool_calls": True, "usage": None}
    item = {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": f"an answer to {name}",
                         "annotations": []}]}
    ended = {**begun, "status": "completed", "output": [item], "usage": {
        "input_tokens": tokens["input"], "output_tokens": tokens["output"],
        "total_tokens": tokens["input"] + tokens["output"],
        "input_tokens_details": {"cached_tokens": tokens["cached"]},
        "output_tokens_details": {"reasoning_tokens": tokens["reasoning"]}}}
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}

    def events() -> Iterator[tuple[str, Mapping[str, Any] | None]]:
        part = {"type": "output_text", "text": "", "annotations": []}
        script: tuple[Mapping[str, Any], ...] = (
            {"type": "response.created", "response": begun},
            {"type": "response.output_item.added", "output_index": 0,
             "item": {**item, "content": [], "status": "in_progress"}},
            {"type": "response.content_part.added", **place, "part": part},
            {"type": "response.output_text.delta", **place, "delta": f"an answer to {name}",
             "logprobs": []},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": ended})
        for sequence, event in enumerate(script):
            yield event["type"], {**event, "sequence_number": sequence}

    return ended, events()


def _embeddings(name: str, scene: Scene, asked: Mapping[str, Any], number: int) -> Answer:
    del name, number
    tokens = scene.tokens["input"]
    return {"object": "list", "model": asked["model"],
            "data": [{"object": "embedding", "index": 0, "embedding": "AAAAAAAAgD8="
                      if asked.get("encoding_format") == "base64" else [0.0, 1.0]}],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}, iter(())


def _messages(name: str, scene: Scene, asked: Mapping[str, Any], number: int) -> Answer:
    tokens = scene.tokens
    usage = {  # here input is what was neither read from a cache nor written to one
        "input_tokens": tokens["input"] - tokens["cached"] - tokens["cache_write"],
        "cache_read_input_tokens": tokens["cached"],
        "cache_creation_input_tokens": tokens["cache_write"], "output_tokens": tokens["output"]}
    text = {"type": "text", "text": f"an answer to {name}"}
    ended = {"id": f"msg_{number}", "type": "message", "role": "assistant", "content": [text],
             "model": asked["model"], "stop_reason": "end_turn", "stop_sequence": None,
             "usage": usage}

    def events() -> Iterator[tuple[str, Mapping[str, Any] | None]]:
        script: tuple[Mapping[str, Any], ...] = (
            {"type": "message_start", "message": {
                **ended, "content": [], "stop_reason": None,
                "usage": {**usage, "output_tokens": 1}}},
            {"type": "content_block_start", "index": 0, "content_block": {**text, "text": ""}},
            {"type": "content_block_delta", "index": 0,
             "delta": {"type": "text_delta", "text": text["text"]}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
             "usage": {"output_tokens": tokens["output"]}},
            {"type": "message_stop"})
        for event in script:
            yield event["type"], event

    return ended, events()


_ANSWERS = {"chat/completions": _chat, "responses": _responses, "embeddings": _embeddings,
            "messages": _messages}


@dataclass(frozen=True)
class Provider:
    """One that runs."""

    url: str
    log: Log


@contextlib.contextmanager
def provider() -> Iterator[Provider]:
    """A provider on a free port."""
    server = _Provider()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield Provider(f"http://127.0.0.1:{server.server_address[1]}", server.log)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
