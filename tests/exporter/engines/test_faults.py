"""The real exporter beside servers that do whatever a server can do wrong.

Whatever it is: the page comes in time, the healthy target is on it complete and fresh, the other
one is down with its last known model, and each change of state is one line in the log.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.exporter.process import ANYWHERE, ready, started
from tests.exporter.support import Behaviour, Engine, Exporter, Page, fixture, send, wait_for

SECONDS = 3.0  # a scrape's deadline
PATIENCE = 1.0  # for one engine's answer
MEGABYTES = 150  # the exporter never holds more
MOST = 16 * 2**20  # bytes of a page, by default

BUSY = fixture("vllm/0.32.0/busy.prom")
# Of the same process as BUSY: two that live at once would not be passed on.
HUNG = fixture("vllm/0.32.0/hung.prom").replace(b"1.79528312908e+09", b"1.79527970484e+09")
IDLE = fixture("vllm/0.32.0/idle.prom")
LLAMA = fixture("llama_cpp/0.6.0/busy.prom")
DOWN = {"llm_server_up", "llm_server_last_scrape_timestamp_seconds"}
LATE = f"no full answer within {PATIENCE:g} s"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
HTML = b"<!doctype html>\n<html>\n<style>\nmargin: 0\n</style>\n<h1>502</h1>\n</html>\n"

SeriesSet = set[tuple[str, frozenset[tuple[str, str]]]]

pytestmark = pytest.mark.timeout(60)


@dataclass
class Bed:
    """An exporter with two targets that serve the same model."""

    running: Exporter
    bad: Engine
    good: Engine
    complete: SeriesSet = field(default_factory=set)  # all series of an engine that is well

    def scrape(self, seconds: float = SECONDS) -> Page:
        """The page, after a look at all that must hold of every one."""
        began, began_monotonic = time.time(), time.monotonic()
        page = self.running.scrape(**{"X-Prometheus-Scrape-Timeout-Seconds": f"{seconds:g}"})
        assert time.monotonic() - began_monotonic < seconds
        assert page.value("inferometer_collector_success", collector="engines") == 1
        assert page.value("llm_server_up", target=self.good.name) == 1
        read_at = page.value("llm_server_last_scrape_timestamp_seconds", target=self.good.name)
        assert read_at is not None
        assert read_at >= began
        self.complete = self.complete or series_of(page, self.good)
        assert series_of(page, self.good) == self.complete
        assert most_resident(self.running) < MEGABYTES
        return page

    def until(self, condition: Callable[[Page], bool]) -> Page:
        """The first page on which the condition holds."""
        pages: list[Page] = []

        def seen() -> bool:
            pages.append(self.scrape())
            return condition(pages[-1])

        wait_for(seen)
        return pages[-1]

    def heal(self) -> None:
        if len(self.bad.paths) > 1:  # what stood beside its page is forgotten with a failure
            self.bad.paths = {"/metrics": sending(b"", 500)}
            self.scrape()
        self.bad.paths = {"/metrics": BUSY}
        page = self.scrape()
        assert page.value("llm_server_up", target=self.bad.name) == 1
        assert series_of(page, self.bad) == self.complete

    def logged(self) -> list[tuple[str, str]]:
        """What the log says of the bad target: message and reason."""
        return [(line["message"], line["why"]) for line in self.running.logged()
                if line.get("target") == self.bad.name]


def series_of(page: Page, engine: Engine) -> SeriesSet:
    return {(series.name, frozenset(series.labels.items() - {("target", engine.name)}))
            for series in page.series if series.labels.get("target") == engine.name}


def most_resident(running: Exporter) -> float:
    """The most memory the exporter ever held, in megabytes."""
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak
    return int(peak[1]) / 1024


@contextlib.contextmanager
def made_bed(folder: Path, patience: float = PATIENCE) -> Iterator[Bed]:
    with Engine(BUSY) as bad, Engine(BUSY) as good:
        config = folder / "inferometer.yml"
        config.write_text(f"gpu: {{enabled: false}}\nengines:\n  timeout_seconds: {patience}\n"
                          f"  targets: [{{url: {bad.url}}}, {{url: {good.url}}}]\n")
        with started(*ANYWHERE, "--config", config) as running:
            yield Bed(ready(running), bad, good)


@pytest.fixture(scope="module")
def shared_bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    with made_bed(tmp_path_factory.mktemp("bed")) as bed:
        yield bed


@pytest.fixture
def bed(shared_bed: Bed) -> Bed:
    """The shared one, with both targets well."""
    shared_bed.heal()
    return shared_bed


def endures(bed: Bed, spoil: Callable[[], object], why: str,
            heal: Callable[[], object] = lambda: None) -> None:
    """Two scrapes while it lasts and one after it, with all that must hold of them."""
    calm = bed.scrape()
    before = len(bed.logged())
    spoil()
    for _ in range(2):
        page = bed.scrape()
        assert {name for name, _ in series_of(page, bed.bad)} == DOWN
        for name, value in (("llm_server_up", 0.0), (
                "llm_server_last_scrape_timestamp_seconds",
                calm.value("llm_server_last_scrape_timestamp_seconds", target=bed.bad.name))):
            assert page.value(name, target=bed.bad.name, engine="vllm", model="tiny") == value
    heal()
    bed.heal()
    wait_for(lambda: len(bed.logged()) >= before + 2)
    (message, reason), *others = bed.logged()[before:]
    assert message == "engine does not answer"
    assert re.fullmatch(why, reason), reason
    assert others == [("engine answers", "")]


def answering(body: bytes, head: bytes = b"") -> Behaviour:
    """Write these bytes as they are, and close."""
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(HEAD + head + b"\r\n" + body)
    return answer


def saying(raw: bytes) -> Behaviour:
    def say(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(raw)
    return say


def sending(body: bytes, status: int = 200, **headers: str) -> Behaviour:
    return lambda handler: send(handler, body, status, **headers)


def slow(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(PATIENCE + 0.3)
    send(handler, BUSY)


def silent(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(2 * SECONDS)


def dripping_headers(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(HEAD)
    for number in range(60):
        handler.wfile.write(b"X-%d: y\r\n" % number)
        time.sleep(0.1)


def dripping_body(handler: BaseHTTPRequestHandler) -> None:
    answering(b"", b"Content-Length: %d\r\n" % len(BUSY))(handler)
    for byte in BUSY[:60]:
        handler.wfile.write(bytes([byte]))
        time.sleep(0.1)


def hanging_half_way(handler: BaseHTTPRequestHandler) -> None:
    answering(BUSY[:20_000], b"Content-Length: %d\r\n" % len(BUSY))(handler)
    time.sleep(2 * SECONDS)


def continuing_for_ever(handler: BaseHTTPRequestHandler) -> None:
    while True:
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.01)


def resetting(handler: BaseHTTPRequestHandler) -> None:
    answering(BUSY[:20_000], b"Content-Length: %d\r\n" % len(BUSY))(handler)
    handler.wfile.flush()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def two_hundred_megabytes(handler: BaseHTTPRequestHandler) -> None:
    answering(b"")(handler)
    megabyte = BUSY * (2**20 // len(BUSY) + 1)
    for _ in range(200):
        handler.wfile.write(megabyte)


def noisy(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"+" + os.urandom(100).replace(b"\n", b"") + b"\n")


BOMB = gzip.compress(gzip.compress(b"\n" * 2 * 10**8, 9), 9)
CUT_GZIP = gzip.compress(BUSY)[:3000]
TOO_LARGE = f"the page is larger than {MOST} bytes"
TOO_MUCH = f"{TOO_LARGE}|the page has more than .* lines"  # whichever comes first

FAULTS: dict[str, tuple[Behaviour, str]] = {
    "answers too late": (slow, LATE),
    "never answers": (silent, LATE),
    "drips its headers": (dripping_headers, LATE),
    "drips its body": (dripping_body, LATE),
    "hangs half way": (hanging_half_way, LATE),
    "says continue for ever": (continuing_for_ever, "more than 5 interim answers"),
    "closes at once": (saying(b""), "closed without an answer"),
    "resets half way": (resetting, "the connection was reset"),
    "is no HTTP server": (saying(b"SSH-2.0-OpenSSH_9.6\r\n"), "no HTTP"),
    "sends something else each time": (noisy, "no HTTP"),
    "sends a line without end": (saying(b"x" * 10**6), "a line without end"),
    "speaks a later HTTP": (saying(b"HTTP/3.0 200 OK\r\n\r\n"), "no HTTP"),
    "sends a header without end": (saying(HEAD + b"X: " + b"y" * 10**6), "a line without end"),
    "sends a thousand headers": (saying(HEAD + b"X: y\r\n" * 1000), "more than 100 headers"),
    "answers 500": (sending(BUSY, 500), "HTTP status 500"),
    "answers 404": (sending(b"not found", 404), "HTTP status 404: not found"),
    "answers 204": (saying(b"HTTP/1.1 204 No Content\r\n\r\n"), "HTTP status 204"),
    "wants a token": (sending(b"", 401, WWW_Authenticate="Bearer"), "HTTP status 401"),
    "sends HTML": (lambda h: send(h, HTML, kind="text/html"), "HTML instead of metrics"),
    "sends HTML as text": (sending(HTML), "HTML instead of metrics"),
    "sends JSON": (sending(json.dumps({"a": [1] * 999}).encode()), "JSON instead of metrics"),
    "sends bytes": (sending(bytes(range(256)) * 100), "no metrics on the page"),
    "sends another exporter's page": (
        sending(b"# TYPE node_load1 gauge\nnode_load1 0.5\n"),
        "none of the known engines' metrics on the page: .+"),
    "sends 200 MB": (two_hundred_megabytes, TOO_MUCH),
    "promises and sends too much": (sending(b"vllm:x 1\n" * (MOST // 9 + 9)), TOO_LARGE),
    "sends lines without end": (sending(b"vllm:x 1\n" * 10**6), "the page has more than .* lines"),
    "sends one long line": (sending(b"a" * (MOST - 9) + b" x x x"), "no metrics on the page"),
    "sends a gzip bomb": (sending(gzip.decompress(BOMB), Content_Encoding="gzip"), TOO_MUCH),
    "sends a bomb in a bomb": (sending(BOMB, Content_Encoding="gzip, gzip"),
                               "content encoding 'gzip, gzip'"),
    "sends what is no gzip": (
        sending(BUSY, Content_Encoding="gzip"), "what came cannot be unpacked"),
    "sends a gzip cut off": (sending(CUT_GZIP, Content_Encoding="gzip"), "the body ended early"),
    "sends what nobody asked for": (sending(BUSY, Content_Encoding="br"), "content encoding 'br'"),
    "sends less than it promised": (
        answering(BUSY[:20_000], b"Content-Length: %d\r\n" % len(BUSY)), "the body ended early"),
    "cuts off a chunk": (
        answering(b"ffff\r\n" + BUSY[:20_000], b"Transfer-Encoding: chunked\r\n"),
        "the body ended early"),
    "cuts off the last chunk": (
        answering(b"4e20\r\n" + BUSY[:20_000] + b"\r\n", b"Transfer-Encoding: chunked\r\n"),
        "the body ended early"),
    "sends chunks of no size": (
        answering(b"zz\r\n" + BUSY, b"Transfer-Encoding: chunked\r\n"), "a chunk without a size"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_it_costs_only_itself_when_a_server(bed: Bed, fault: str) -> None:
    behaviour, why = FAULTS[fault]
    endures(bed, lambda: bed.bad.serve(behaviour), why)


def test_a_server_that_dies_costs_only_itself_and_is_read_again_when_it_returns(bed: Bed) -> None:
    def come_back() -> None:
        bed.bad = Engine(BUSY, bed.bad.port)

    endures(bed, bed.bad.close, "connection refused", come_back)


def test_a_redirect_to_another_server_is_not_followed(bed: Bed) -> None:
    with Engine(BUSY) as elsewhere:
        for status in (301, 302, 307, 308):
            to = sending(b"", status, Location=f"{elsewhere.url}/metrics")
            endures(bed, lambda to=to: bed.bad.serve(to),  # type: ignore[misc]
                    f"redirected to {elsewhere.url}/metrics")
        assert elsewhere.asked == []


def test_a_scrape_less_patient_than_the_engines_timeout_is_answered_in_time(
        tmp_path: Path) -> None:
    with made_bed(tmp_path, patience=5.0) as bed:
        bed.heal()
        bed.bad.serve(silent)
        for _ in range(3):
            page = bed.scrape(seconds=1.0)
            assert page.value("llm_server_up", target=bed.bad.name, model="tiny") == 0
        wait_for(lambda: len(bed.logged()) >= 2)
        assert bed.logged() == [
            ("engine answers", ""),
            ("engine does not answer", "no answer within the scrape's deadline")]


def test_many_bad_servers_at_once_cost_one_deadline(tmp_path: Path) -> None:
    behaviours = [silent, dripping_headers, dripping_body, two_hundred_megabytes, slow] * 3
    with contextlib.ExitStack() as stack:
        good = stack.enter_context(Engine(BUSY))
        bad = [stack.enter_context(Engine(behaviour)) for behaviour in behaviours]
        config = tmp_path / "inferometer.yml"
        config.write_text(f"gpu: {{enabled: false}}\nengines:\n  timeout_seconds: {PATIENCE}\n"
                          f"  targets: {json.dumps([{'url': e.url} for e in (*bad, good)])}\n")
        running = stack.enter_context(started(*ANYWHERE, "--config", config))
        ready(running)
        for _ in range(2):
            began = time.monotonic()
            page = running.scrape(**{"X-Prometheus-Scrape-Timeout-Seconds": f"{SECONDS:g}"})
            assert time.monotonic() - began < SECONDS
            assert page.value("llm_server_up", target=good.name) == 1
            assert page.value("llm_server_output_tokens_total", target=good.name) is not None
            for engine in bad:
                assert page.value("llm_server_up", target=engine.name, engine="unknown",
                                  model="") == 0
        assert most_resident(running) < 2 * MEGABYTES


def test_a_page_cut_off_in_its_last_line_holds_no_wrong_number(bed: Bed) -> None:
    line = b'vllm:num_requests_waiting{engine="0",model_name="tiny"} 9'
    end = BUSY.index(line) + len(line)
    more = BUSY[:end].replace(line, line + b"87"), BUSY[:end].replace(line, line + b"8765.0\n")
    bed.bad.serve(answering(more[0]))
    page = bed.scrape()
    assert page.value("llm_server_up", target=bed.bad.name) == 1
    assert page.value("llm_server_requests_running", target=bed.bad.name) == 4
    assert page.value("llm_server_requests_waiting", target=bed.bad.name) is None
    bed.bad.serve(answering(more[1]))
    assert bed.scrape().value("llm_server_requests_waiting", target=bed.bad.name) == 98765


def test_bytes_that_are_no_utf8_in_a_label_cost_their_characters_only(bed: Bed) -> None:
    bed.bad.serve(BUSY.replace(b'model_name="tiny"', b'model_name="t\xff\xc3ny"'))
    page = bed.scrape()
    model = "t\ufffd\ufffdny"
    assert page.value("llm_server_up", target=bed.bad.name, model=model) == 1
    assert page.value("llm_server_requests_running", target=bed.bad.name, model=model) == 4


def test_label_values_come_through_as_they_were_meant(bed: Bed) -> None:
    bed.bad.serve(BUSY.replace(b'model_name="tiny"', rb'model_name="a\"b\\c\nd} # e 1"'))
    page = bed.scrape()
    assert page.value("llm_server_up", target=bed.bad.name, model='a"b\\c\nd} # e 1') == 1


def test_a_model_with_too_long_a_name_is_up_all_the_same(bed: Bed) -> None:
    other = {"target": bed.bad.name, "model": "_other"}
    for times, length in enumerate((201, 10_000), 1):
        bed.bad.serve(BUSY.replace(b'model_name="tiny"', b'model_name="%s"' % (b"x" * length)))
        page = bed.until(lambda page: page.value("llm_server_up", **other) == 1)
        assert page.value("llm_server_output_tokens_total", **other) == 13209 * times
        assert max(len(series.labels.get("model", "")) for series in page.series) <= 200


def test_an_engine_that_names_thousands_of_models_takes_no_seat_from_another(
        tmp_path: Path) -> None:
    types = [line for line in BUSY.splitlines() if line.startswith(b"# TYPE vllm:")]
    series = [line for line in BUSY.splitlines()
              if re.match(rb"vllm:(prompt|generation)_tokens_total|vllm:num_requests", line)]

    def page_of_models(first: int) -> bytes:
        return b"\n".join([*types, *(line.replace(b'"tiny"', b'"m%d"' % number) for line in series
                                     for number in range(first, first + 2000)), b""])

    with made_bed(tmp_path) as bed:
        for first in (0, 2000, 4000):
            bed.bad.serve(page_of_models(first))
            page = bed.scrape(10.0)
            assert len(page.series) < 5000
        seats = 400 - 100 + 1  # less those kept back for other targets, with its own
        tokens = page.value("llm_server_output_tokens_total", target=bed.bad.name)
        assert tokens == 13209 * (6000 - seats)
        folded = page.value("inferometer_label_values_folded_total", label="model",
                            metric="llm_server_output_tokens_total")
        assert folded == 6000 - seats


def test_two_targets_with_one_model_are_told_apart_while_one_is_dead(tmp_path: Path) -> None:
    with made_bed(tmp_path) as bed:
        page = bed.scrape()
        for engine in (bed.bad, bed.good):
            assert page.value("llm_server_requests_running", target=engine.name, model="tiny",
                              engine="vllm") == 4
        bed.bad.close()
        page = bed.scrape()
        assert {(s.labels["target"], s.labels["model"], s.value)
                for s in page.find("llm_server_up")} == {
            (bed.bad.name, "tiny", 0.0), (bed.good.name, "tiny", 1.0)}
        assert [s.labels["target"] for s in page.find("llm_server_requests_running")] == [
            bed.good.name]


def test_a_target_never_seen_alive_is_down_and_of_unknown_kind(tmp_path: Path) -> None:
    with made_bed(tmp_path) as bed:
        bed.bad.serve(sending(b"", 503))
        for _ in range(2):
            page = bed.scrape()
            assert series_of(page, bed.bad) == {
                ("llm_server_up", frozenset({("engine", "unknown"), ("model", "")}))}
            assert page.value("llm_server_up", target=bed.bad.name) == 0
        bed.heal()
        wait_for(lambda: len(bed.logged()) >= 2)
        assert [message for message, _ in bed.logged()] == [
            "engine does not answer", "engine answers"]


def test_counters_of_a_restarted_engine_start_anew_and_derived_ones_go_on(bed: Bed) -> None:
    bed.bad.serve(LLAMA)
    engine = {"target": bed.bad.name, "engine": "llama_cpp"}
    page = bed.scrape()
    assert page.value("llm_server_output_tokens_total", **engine) == 4323
    assert page.value("llm_server_input_tokens_total", **engine) == 1569 + 6546
    restarted = (LLAMA.replace(b"tokens_total 1569", b"tokens_total 10")
                 .replace(b"cached_total 6546", b"cached_total 0")
                 .replace(b"predicted_total 4323", b"predicted_total 7"))
    bed.bad.serve(restarted)
    wait_for(lambda: bed.scrape().value("llm_server_output_tokens_total", **engine) == 7)
    for _ in range(2):
        page = bed.scrape()
        assert page.value("llm_server_output_tokens_total", **engine) == 7
        assert page.value("llm_server_input_tokens_total", **engine) == 1569 + 6546 + 10
        assert page.value("llm_server_up", **engine) == 1


def test_a_renamed_model_leaves_nothing_of_its_old_name_behind(bed: Bed) -> None:
    bed.bad.serve(BUSY.replace(b'"tiny"', b'"mini"'))
    page = bed.scrape()
    models = {dict(labels).get("model") for _, labels in series_of(page, bed.bad)}
    assert models == {"mini", None}
    assert page.value("llm_server_up", target=bed.bad.name, model="mini") == 1
    bed.bad.serve(sending(b"", 500))
    assert bed.scrape().value("llm_server_up", target=bed.bad.name, model="mini") == 0


@pytest.mark.parametrize(("page", "kind", "model"), [
    (LLAMA, "llama_cpp", ""),
    (fixture("tgi/datadog/3.3.5.prom"), "tgi", ""),
    (fixture("sglang/sglang-docs/0.4.0.prom"), "sglang",
     "meta-llama/Llama-3.1-8B-Instruct"),
])
def test_an_engine_replaced_by_another_kind_on_its_port_is_that_kind(
        bed: Bed, page: bytes, kind: str, model: str) -> None:
    before = len(bed.logged())
    bed.bad.serve(page)
    replaced = bed.scrape()
    assert replaced.value("llm_server_up", target=bed.bad.name, engine=kind, model=model) == 1
    assert {dict(labels)["engine"] for _, labels in series_of(replaced, bed.bad)} == {kind}
    bed.scrape()
    bed.heal()
    wait_for(lambda: len(bed.logged()) >= before + 2)
    assert bed.logged()[before:] == [("engine answers", "")] * 2


def test_an_engine_with_nothing_to_say_yet_is_up(bed: Bed) -> None:
    bed.bad.serve(b"")
    page = bed.scrape()
    assert page.value("llm_server_up", target=bed.bad.name, engine="vllm", model="tiny") == 1
    assert page.find("llm_server_output_tokens_total", target=bed.bad.name) == []


def test_a_hung_engine_goes_on_being_read_while_its_progress_stands_still(bed: Bed) -> None:
    def times() -> tuple[float, float]:
        page = bed.scrape()
        assert page.value("llm_server_up", target=bed.bad.name) == 1
        assert page.value("llm_server_requests_running", target=bed.bad.name) == 4
        progress = page.value("llm_server_last_progress_timestamp_seconds", target=bed.bad.name)
        read = page.value("llm_server_last_scrape_timestamp_seconds", target=bed.bad.name)
        assert progress is not None
        assert read is not None
        return progress, read

    first = times()
    bed.bad.serve(HUNG)
    second, third, fourth = times(), times(), times()
    assert first[0] < second[0] == third[0] == fourth[0]
    assert second[0] == second[1] < third[1] < fourth[1]
    bed.bad.serve(BUSY)
    assert times()[0] > second[0]


def models_document(**first: object) -> bytes:
    return json.dumps({"data": [{"id": "mini", **first}]}).encode()


DOCUMENTS: dict[str, tuple[bytes | Behaviour, str]] = {
    "good": (models_document(), "mini"),
    "empty": (b"", ""),
    "HTML": (HTML, ""),
    "huge": (models_document(more="x" * 10**7), ""),
    "endless": (two_hundred_megabytes, ""),
    "deep": (b"[" * 100_000 + b"]" * 100_000, ""),
    "deep and wide": (b'{"data":' * 100_000, ""),
    "no object": (b'"data"', ""),
    "a number": (b"1e999", ""),
    "a number without end": (b"1" * 100_000, ""),
    "nothing": (b"null", ""),
    "no list": (b'{"data": {"0": {"id": "mini"}}}', ""),
    "an empty list": (b'{"data": []}', ""),
    "a list of lists": (b'{"data": [["id"]]}', ""),
    "a number for a name": (models_document(id=7), ""),
    "a list for a name": (models_document(id=["mini"]), ""),
    "no UTF-8": (b'{"data": [{"id": "\xff\xfe"}]}', ""),
    "half a character": (b'{"data": [{"id": "a\\ud800b"}]}', "a?b"),
    "a long name": (models_document(id="x" * 10**5), "_other"),
    "a name of several lines": (models_document(id='a\n"b" 1\nllm_server_up 5'),
                                'a\n"b" 1\nllm_server_up 5'),
    "refused": (sending(models_document(), 500), ""),
    "elsewhere": (sending(b"", 302, Location="/v1/models"), ""),
    "late": (slow, ""),
}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_page_is_read_whatever_stands_beside_it(bed: Bed, document: str) -> None:
    body, model = DOCUMENTS[document]
    bed.bad.serve(sending(b"", 500))
    bed.scrape()
    bed.bad.paths = {"/metrics": LLAMA, "/v1/models": body, "/props": body}
    page = bed.scrape(10.0)
    engine = {"target": bed.bad.name, "engine": "llama_cpp", "model": model}
    assert page.value("llm_server_up", **engine) == 1
    assert page.value("llm_server_output_tokens_total", **engine) == 4323
    assert page.find("llm_server_max_model_length_tokens", target=bed.bad.name) == []
    assert page.find("llm_server_info", target=bed.bad.name) == []


@pytest.mark.parametrize("length", ["4096", -1, 0, 1e300, True, None, [4096], 10**400])
def test_a_length_that_is_no_number_of_tokens_is_not_said(bed: Bed, length: object) -> None:
    bed.bad.serve(sending(b"", 500))
    bed.scrape()
    bed.bad.paths = {"/metrics": BUSY, "/version": json.dumps({"version": length}).encode(),
                     "/v1/models": models_document(max_model_len=length)}
    page = bed.scrape()
    assert page.value("llm_server_up", target=bed.bad.name, model="tiny") == 1
    assert page.find("llm_server_max_model_length_tokens", target=bed.bad.name) == []
    versions = [series.labels["version"] for series in
                page.find("llm_server_info", target=bed.bad.name)]
    assert versions == (["4096"] if length == "4096" else [])


def test_what_stands_beside_the_page_is_not_asked_for_on_every_scrape(bed: Bed) -> None:
    bed.bad.serve(sending(b"", 500))
    bed.scrape()
    bed.bad.paths = {"/metrics": BUSY, "/version": b'{"version": "0.32.0"}',
                     "/v1/models": models_document(max_model_len=512)}
    bed.bad.asked.clear()
    for _ in range(3):
        page = bed.scrape()
        assert page.value("llm_server_info", target=bed.bad.name, version="0.32.0") == 1
        assert page.value("llm_server_max_model_length_tokens", target=bed.bad.name,
                          model="tiny") == 512
    asked = [path for path, _ in bed.bad.asked]
    assert asked == ["/metrics", "/version", "/v1/models", "/metrics", "/metrics"]
