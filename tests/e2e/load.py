"""A bounded, repeatable load for an OpenAI-compatible server on loopback.

Standard library only. ``run_load`` plans its requests from a seed, sends them from
a few threads and says exactly what it sent and what came back, so that a test can
hold the answer against the server's own counters.
"""

from __future__ import annotations

import ipaddress
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

PREFIX = (
    "You are a helpful assistant. Answer the question in one short sentence. "
    "Prometheus scrapes targets over HTTP and stores samples as time series. "
) * 12
"""Shared by all prompts, so that a prefix cache has something to hit."""

MAX_TOKENS = (16, 64, 200)

CHUNKS_BEFORE_ABORT = 3
ENDLESS = {
    "max_tokens": 1000,
    "ignore_eos": True,
    "stream": True,
    "stream_options": {"include_usage": True, "continuous_usage_stats": True},
}
"""An answer too long to be finished before we have left it.

``ignore_eos`` and ``continuous_usage_stats`` are vLLM's; other servers pass over them.
"""


@dataclass(frozen=True)
class Endpoint:
    """Where the chat completions of one server are."""

    host: str
    port: int
    path: str


@dataclass(frozen=True)
class Call:
    """One request to send; ``abort`` closes the connection while it is answered."""

    body: dict[str, Any]
    abort: bool = False


def run_load(
    url: str,
    *,
    model: str,
    requests: int,
    concurrency: int,
    seed: int,
    abort_every: int = 0,
    invalid_every: int = 0,
    max_seconds: float = 120,
) -> Counter[str]:
    """Send chat completions, about half of them streamed, and count the outcomes.

    Every ``abort_every``-th request is left by the client mid-stream and every
    ``invalid_every``-th is one the server must refuse (0: none; where both fall on
    one request, it is invalid). After ``max_seconds`` no request is begun and those
    under way are given up.

    Each request adds one to exactly one of the outcomes

    - ``success:<finish_reason>`` answered in full;
    - ``aborted`` left by us after a few chunks of a 200 answer;
    - ``invalid:<status>`` refused with a 4xx status;
    - ``error:<status>`` failed with any other status;
    - ``error:stream`` an error inside the stream of a 200 answer;
    - ``failed:<exception>`` no usable answer: refused, cut off, timed out;
    - ``not_sent`` the time was up before its turn.

    Beside these stand ``input_tokens`` and ``output_tokens``, the ``usage`` of the
    successful answers, and ``aborted_input_tokens``, the prompts of the aborted ones
    where the server reports usage in every chunk (vLLM does when asked).

    The model's context must hold some 400 + 1000 tokens, and no more than 20,000.

    Raises ``ValueError`` when ``url`` is not http on a loopback address.
    """
    endpoint = loopback_endpoint(url)
    calls = plan(model, requests, seed, abort_every, invalid_every)
    deadline = time.monotonic() + max_seconds
    with ThreadPoolExecutor(concurrency) as pool:
        outcomes = pool.map(lambda call: send(endpoint, call, deadline), calls)
        return sum(outcomes, Counter[str]())


def loopback_endpoint(url: str) -> Endpoint:
    """The chat completions of the server at ``url``; only loopback is accepted."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if parts.scheme != "http" or not loopback:
        raise ValueError(f"not http on a loopback address: {url}")
    return Endpoint(host, parts.port or 80, parts.path.rstrip("/") + "/v1/chat/completions")


def plan(
    model: str, requests: int, seed: int, abort_every: int, invalid_every: int
) -> Iterator[Call]:
    """The requests that ``run_load`` sends; the same for the same arguments."""
    rng = random.Random(seed)
    faults: Iterator[dict[str, Any]] = itertools.cycle(
        (
            {"model": "no-such-model"},
            {"messages": "not a list"},
            {"messages": [{"role": "user", "content": "word " * 20_000}]},  # over any context
        )
    )
    for number in range(1, requests + 1):
        body: dict[str, Any] = {
            "model": model,
            "messages": [
                {"role": "system", "content": PREFIX},
                {"role": "user", "content": f"Question {rng.randrange(8)}: why?"},
            ],
            "max_tokens": rng.choice(MAX_TOKENS),
            "temperature": 1.0,
            "seed": rng.randrange(2**31),
        }
        stream = rng.random() < 0.5
        if invalid_every and number % invalid_every == 0:
            yield Call(body | next(faults))
        elif abort_every and number % abort_every == 0:
            yield Call(body | ENDLESS, abort=True)
        elif stream:
            yield Call(body | {"stream": True, "stream_options": {"include_usage": True}})
        else:
            yield Call(body)


def send(endpoint: Endpoint, call: Call, deadline: float) -> Counter[str]:
    """Send one request and count its outcome."""
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        return Counter(["not_sent"])
    connection = HTTPConnection(endpoint.host, endpoint.port, timeout=remaining)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", endpoint.path, json.dumps(call.body), headers)
        with connection.getresponse() as response:
            if response.status != 200:
                response.read()
                kind = "invalid" if 400 <= response.status < 500 else "error"
                return Counter([f"{kind}:{response.status}"])
            if call.body.get("stream"):
                return read_stream(response, call.abort, deadline)
            return read_answer(response)
    except (OSError, HTTPException, EOFError, ValueError, LookupError) as error:
        return Counter([f"failed:{type(error).__name__}"])
    finally:
        connection.close()


def read_answer(response: HTTPResponse) -> Counter[str]:
    """Count an answer that comes in one piece."""
    answer = json.load(response)
    return success(answer["choices"][0]["finish_reason"], answer["usage"])


def read_stream(response: HTTPResponse, abort: bool, deadline: float) -> Counter[str]:
    """Count an answer that comes as server-sent events, or leave it half read."""
    finish_reason, usage, chunks = None, None, 0
    for line in response:
        if time.monotonic() > deadline:
            raise TimeoutError
        field, _, data = line.decode().strip().partition(": ")
        if field != "data":
            continue
        if data == "[DONE]":
            return success(finish_reason, usage)
        chunk = json.loads(data)
        if "error" in chunk:
            return Counter(["error:stream"])
        usage = chunk.get("usage") or usage
        for choice in chunk["choices"]:
            finish_reason = choice.get("finish_reason") or finish_reason
        chunks += 1
        if abort and chunks == CHUNKS_BEFORE_ABORT and not finish_reason:
            prompt = (usage or {}).get("prompt_tokens", 0)
            return Counter({"aborted": 1, "aborted_input_tokens": prompt})
    raise EOFError("the stream ended without [DONE]")


def success(finish_reason: str | None, usage: dict[str, Any] | None) -> Counter[str]:
    """Count a complete answer and its tokens."""
    tokens = usage or {}
    return Counter(
        {
            f"success:{finish_reason}": 1,
            "input_tokens": tokens.get("prompt_tokens", 0),
            "output_tokens": tokens.get("completion_tokens", 0),
        }
    )
