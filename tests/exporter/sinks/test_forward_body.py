"""A destination gets each body as its preset has it, and none with what it may not have."""

from __future__ import annotations

import gzip
import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from inferometer import settings
from inferometer.config import ConfigError, DestinationEntry
from inferometer.ledger.part import LedgerPart
from inferometer.settings import Flags
from inferometer.sinks.destinations import destination_of
from inferometer.sinks.forward_body import fitted
from inferometer.sinks.outbox import SentBody
from tests.exporter.sinks.receiver import Receiver, receiver
from tests.exporter.sinks.sending import PROTOBUF, sending_in, span_body

PROMPT = "what is the answer to everything"
AWAY = "http://192.0.2.1:4318"  # for documentation: nobody is there


def spoken() -> bytes:
    """A body in JSON in which somebody said something."""
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{
        "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331",
        "name": "chat m", "startTimeUnixNano": "1", "endTimeUnixNano": "2", "attributes": [
            {"key": "gen_ai.request.model", "value": {"stringValue": "m"}},
            {"key": "user.id", "value": {"stringValue": "alice"}},
            {"key": "gen_ai.input.messages", "value": {"stringValue": PROMPT}}]}]}]}]}).encode()


def test_a_destination_that_is_elsewhere_gets_neither_content_nor_users() -> None:
    for coding, content in (("", spoken()), ("gzip", gzip.compress(spoken()))):
        made = fitted(SentBody("traces", "application/json", coding, content),
                      destination_of(DestinationEntry(url=AWAY)))
        plain = gzip.decompress(made.content) if made.coding else made.content
        assert PROMPT.encode() not in plain
        assert b"alice" not in plain
        assert b"gen_ai.request.model" in plain


def test_one_for_protobuf_alone_gets_protobuf() -> None:
    made = fitted(SentBody("traces", "application/json", "", spoken()), destination_of(
        DestinationEntry(preset="phoenix", url="http://127.0.0.1:6006")))
    assert made.encoding == PROTOBUF
    request = ExportTraceServiceRequest.FromString(made.content)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    assert span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert {one.key: one.value.string_value for one in span.attributes}[
        "gen_ai.input.messages"] == PROMPT


def test_what_cannot_be_redacted_is_not_sent_but_set_aside(tmp_path: Path) -> None:
    with receiver() as place, sending_in(
            tmp_path, strict=DestinationEntry(url=place.url, redact="content")) as sending:
        sending.take(b"\xff" + PROMPT.encode())
        sending.take(span_body("fine"))
        sending.turn()
        assert len(place.requests) == 1
        assert b"fine" in place.requests[0].body
        assert sending.forwarders["strict"].counts.refused == 1


def test_a_body_that_unpacks_without_end_is_set_aside(tmp_path: Path) -> None:
    with receiver() as place, sending_in(
            tmp_path, strict=DestinationEntry(url=place.url, redact="content")) as sending:
        sending.take(gzip.compress(bytes(2**26 + 1)), coding="gzip")
        sending.turn()
        assert place.requests == []
        assert sending.forwarders["strict"].counts.refused == 1


def test_a_key_goes_as_the_preset_has_it_and_is_read_anew(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("first\n")
    with receiver() as place, sending_in(tmp_path, smith=DestinationEntry(
            preset="langsmith", url=place.url, key_file=str(key),
            headers={"Langsmith-Project": "shop"})) as sending:
        for value in ("first", "second"):
            key.write_text(value)
            sending.take(span_body())
            sending.turn()
        assert [request.headers["x-api-key"] for request in place.taken] == ["first", "second"]
        assert place.taken[0].headers["langsmith-project"] == "shop"


@pytest.fixture
def trusted(tmp_path: Path) -> Iterator[tuple[Receiver, Path]]:
    """One over TLS, and the certificate by which it is known."""
    certificate, key = tmp_path / "place.crt", tmp_path / "place.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-subj", "/CN=place", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
         "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with receiver(tls=context) as place:
        yield place, certificate


def test_a_certificate_must_be_trusted(trusted: tuple[Receiver, Path], tmp_path: Path) -> None:
    place, certificate = trusted
    with sending_in(tmp_path, known=DestinationEntry(url=place.url, ca_file=str(certificate)),
                    strange=DestinationEntry(url=place.url)) as sending:
        sending.take(b"first")
        sending.turn()
        assert place.bodies == [b"first"]
        assert [sending.forwarders[name].counts.failures for name in ("known", "strange")] == [0, 1]


@pytest.mark.parametrize(("entry", "words"), [
    ("{preset: nowhere}", "is 'nowhere' and must be one of otlp, langsmith"),
    ("{preset: phoenix}", "is missing: Arize Phoenix is somewhere of your own"),
    ("{preset: langsmith}", "is missing: LangSmith asks for a key"),
    ("{preset: langsmith, key_file: nowhere}", "nowhere: No such file"),
    ("{preset: mlflow, url: 'http://a'}", "lacks x-mlflow-experiment-id"),
    ("{preset: langsmith, key_file: key, signals: [logs]}", "has logs, which LangSmith does not"),
    ("{url: 'http://a', headers: {Content-Type: b}}", "'Content-Type' is no header"),
    ("{url: 'http://a', headers: {A: 'b'}, header_files: {A: key}}", "has A, as headers has"),
    ("{url: 'http://a', header_files: {A: two-lines}}", "must hold a header's value"),
    ("{url: 'https://a', ca_file: key}", "no usable certificate"),
    ("{url: 'http://a', client_key_file: key}", "is of no use without client_cert_file"),
    ("{name: a}", "has neither a url nor a preset"),
    ("{url: 'http://a'}, {name: 'a:80', url: 'http://b'}", "has the name 'a:80', as"),
    ("{url: 'http://127.0.0.1:4318'}", "is where this gateway itself listens"),
    ("{url: 'http://user:secret@a'}", "must be"),
])
def test_what_is_wrong_is_told_before_anything_is_sent(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str, words: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text("key\n")
    (tmp_path / "two-lines").write_text("a\nb\n")
    file = tmp_path / "gateway.yml"
    file.write_text(f"role: gateway\ndestinations: [{entry}]\n")
    config, document = settings.load(file, Flags())
    LedgerPart(config).check(config, document)
    with pytest.raises(ConfigError) as raised:
        document.finish(ConfigError)
    assert words in str(raised.value)
    assert "secret@" not in str(raised.value)
