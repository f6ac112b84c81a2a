"""Captured bodies sent on as a destination with a preset gets them."""

from __future__ import annotations

import gzip
import http.client
from collections.abc import Mapping
from random import Random
from typing import Any
from urllib.parse import urlsplit

from inferometer.sinks.encoding import CONTENT_TYPES, body_of, encoding_of, message_of, reencoded
from inferometer.sinks.presets import Preset
from inferometer.sinks.redaction import NONE, redacted
from tests.exporter.sinks.captured import SentBody

SECONDS = 60.0  # until a program has answered, on a machine that has much else to do


def pass_on(preset: Preset, sent: SentBody, url: str, key: str = "",
            headers: Mapping[str, str] | None = None, level: str = NONE) -> int:
    """The status that whoever listens at the URL answers."""
    body = redacted(sent.body, sent.content_type, sent.signal, level)
    encoding = preset.encoding or encoding_of(sent.content_type)
    body = reencoded(body, sent.content_type, sent.signal, encoding)
    made = {**preset.headers_with(key), **(headers or {}), "content-type": CONTENT_TYPES[encoding]}
    if preset.gzip:
        body, made["content-encoding"] = gzip.compress(body, 1), "gzip"
    return post(preset.url_of(sent.signal, url), body, made)


def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """The status of the answer."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=SECONDS)
    try:
        connection.request("POST", parts.path, body, dict(headers))
        with connection.getresponse() as response:
            response.read()
            return response.status
    finally:
        connection.close()


def with_new_ids(sent: SentBody, dice: Random) -> SentBody:
    """The body with other ids in the same places: some receivers drop a span that they have."""
    message = message_of(sent.body, sent.content_type, sent.signal)
    _renew(message, {}, dice)
    return sent._replace(body=body_of(message, encoding_of(sent.content_type)))


def _renew(message: Any, ids: dict[bytes, bytes], dice: Random) -> None:
    for field, value in message.ListFields():
        if field.name in ("trace_id", "span_id", "parent_span_id"):
            setattr(message, field.name, ids.setdefault(value, dice.randbytes(len(value))))
        elif field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                _renew(inner, ids, dice)
