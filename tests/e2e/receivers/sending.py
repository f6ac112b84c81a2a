"""Captured bodies sent to a gateway, which sends them on to its destinations."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

from inferometer.sinks.encoding import body_of, encoding_of, message_of
from tests.e2e.receivers.demands import KEYS, OWN
from tests.e2e.receivers.strict import items_in
from tests.exporter.intake.gateways import Gateway, gateway_in
from tests.exporter.sinks.captured import TYPES, SentBody

SECONDS = 60.0  # until a program has answered, on a machine that has much else to do
PASSED_SECONDS = 600.0  # until all is sent on


@contextmanager
def gateway_before(folder: Path, places: Mapping[str, str],
                   levels: Mapping[str, str]) -> Iterator[Gateway]:
    """A gateway with a destination for each preset, at its URL, with the key in a file."""
    destinations = []
    for preset, url in places.items():
        entry: dict[str, object] = {"preset": preset, "url": url, "timeout_seconds": SECONDS,
                                    "redact": levels.get(preset, "none"),
                                    "headers": OWN.get(preset, {})}
        if preset in KEYS:
            file = folder / f"{preset}.key"
            file.write_text(f"{KEYS[preset]}\n")
            entry["key_file"] = str(file)
        destinations.append(entry)
    with gateway_in(folder, f"destinations: {json.dumps(destinations)}\n") as made:
        yield made


def send_all(gateway: Gateway, sent_bodies: Iterable[SentBody]) -> dict[str, int]:
    """Post them to the gateway; how many spans, records and metrics they have, by signal."""
    numbers: dict[str, int] = {}
    for sent in sent_bodies:
        status = post(f"{gateway.intake.url}/v1/{sent.signal}", sent.body,
                      {"content-type": sent.content_type})
        assert status == 200, sent.name
        numbers[sent.signal] = numbers.get(sent.signal, 0) + number(sent)
    return numbers


def number(sent: SentBody) -> int:
    """The spans, records or metrics of a body."""
    message = message_of(sent.body, sent.content_type, sent.signal)
    return items_in(message.SerializeToString(), TYPES[".pb"], sent.signal)


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
