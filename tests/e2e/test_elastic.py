"""The request log's lines, through Debian's rsyslog into a data stream of our own templates."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deploy.build.writers.elastic import STREAM, documents
from inferometer.sinks.request_line import FIELDS, LONGEST, line_of
from tests.e2e.elastic.cluster import Cluster, RefusedError
from tests.e2e.elastic.rsyslog import PROGRAM, Rsyslog
from tests.e2e.elastic.server import serving
from tests.e2e.gateways import Gateway, Sender, gateway
from tests.e2e.otlp_entries import JSON, PROTOBUF
from tests.exporter.sinks.test_request_line import BARE, CALL, SETTLED
from tests.exporter.support import FIXTURES, free_port, wait_for

ROOT = Path(__file__).parents[2]
CODE = re.compile(r"(?:^ {4}[^\n]*\n)+", re.MULTILINE)
real = pytest.mark.skipif(not PROGRAM.exists(), reason="`make tools` unpacks rsyslog")
INDEX = f"{STREAM}-default"
SECONDS = 60.0  # until all has arrived, on a busy machine
LINES = 300
BATCH = 100  # lines of a request, at most
WAITING = "inferometer_request_log_waiting_calls"
# As long as a text is indexed, a letter that is two to Java, and twelve bytes in JSON.
WIDEST = "\U0001f600" * (LONGEST // 2)


def line(number: int) -> bytes:
    """One of as many calls as there are numbers."""
    one = BARE if number % 3 == 0 else SETTLED
    return line_of(one._replace(call=replace(
        one.call, span_id=number.to_bytes(8), service_name=f"shop-{number}")))


def append(log: Path, numbers: Iterable[int]) -> None:
    with log.open("ab") as stream:
        stream.write(b"".join(map(line, numbers)))


def installed() -> Cluster:
    """A cluster with our policy and templates, in the order of the folder."""
    cluster = Cluster()
    for path, document in documents().items():
        cluster.put(path, document)
    return cluster


def has(cluster: Cluster, number: int) -> bool:
    """Whether so many documents are there."""
    return len(cluster.documents) >= number


def arrived(cluster: Cluster) -> set[str]:
    return {identifier for _, identifier in cluster.documents}


def of_lines(text: bytes) -> dict[str, Any]:
    """Documents by their identities."""
    return {one["event"]["id"]: one for one in map(json.loads, text.splitlines())}


@contextlib.contextmanager
def serving_cluster(port: int = 0) -> Iterator[tuple[Cluster, str]]:
    cluster = installed()
    with serving(cluster, port) as url:
        yield cluster, url


def now_and_then(every: int) -> Callable[[], bool]:
    """Whether a cluster is busy: at one item of so many."""
    asked = iter(range(10**9))
    return lambda: next(asked) % every == 0


def test_the_commands_of_the_page_install_all_of_it_in_an_order_that_works() -> None:
    page = (ROOT / "docs/elastic.md").read_text()
    commands = textwrap.dedent(next(block for block in CODE.findall(page) if "curl" in block))
    cluster = Cluster()
    with serving(cluster) as url:
        done = subprocess.run(
            ["bash", "-e", "-c", commands], cwd=ROOT, text=True, capture_output=True, check=False,
            timeout=SECONDS, env={**os.environ, "ELASTICSEARCH_URL": url, "KIBANA_URL": url})
    assert (done.returncode, cluster.faults) == (0, []), done.stderr
    assert cluster == replace(installed(), objects=cluster.objects)
    assert [one["type"] for one in cluster.objects].count("dashboard") == 1
    assert {*cluster.mapping(INDEX).fields} == {field.name for field in FIELDS}


def test_an_index_template_before_its_components_is_refused() -> None:
    (path, template), *_ = [(path, one) for path, one in documents().items()
                            if path.startswith("_index_template/")]
    with pytest.raises(RefusedError, match="do not exist"):
        Cluster().put(path, template)


@real
def test_rsyslog_takes_the_configuration_and_not_a_misspelt_one(tmp_path: Path) -> None:
    rsyslog = Rsyslog(tmp_path, "http://127.0.0.1:9")
    assert rsyslog.verdict().returncode == 0, rsyslog.verdict().stderr
    wrong = tmp_path / "wrong.conf"
    wrong.write_text(rsyslog.config.read_text().replace("writeoperation", "writeoperatoin"))
    assert "writeoperatoin" in replace(rsyslog, config=wrong).verdict().stderr


@real
def test_every_line_becomes_one_document_whatever_is_busy_written_twice_or_torn(
        tmp_path: Path) -> None:
    text = b"".join(map(line, range(LINES)))
    with serving_cluster() as (cluster, url):
        cluster.is_busy = now_and_then(7)
        rsyslog = Rsyslog(tmp_path, url)
        rsyslog.log.write_bytes(text + b'{"torn": \n' + line(5) + line(LINES + 1)[:-1])
        with rsyslog.running():
            wait_for(lambda: len(cluster.documents) == LINES and 409 in cluster.statuses, SECONDS)
            with rsyslog.log.open("ab") as log:
                log.write(b"\n")
            wait_for(partial(has, cluster, LINES + 1), SECONDS)
    assert cluster.faults == []
    assert {identifier: document for (_, identifier), document in cluster.documents.items()
            } == of_lines(text + line(LINES + 1))
    assert {stream for stream, _ in cluster.documents} == {INDEX}
    assert cluster.statuses[429] > LINES / 10
    assert rsyslog.refused.read_text() == '{"torn": \n'


@real
def test_the_longest_line_arrives_whole(tmp_path: Path) -> None:
    texts: dict[str, Any] = dict.fromkeys((
        "service_name", "operation", "provider", "request_model", "response_model", "response_id",
        "request_id", "finish_reason", "server_address", "prompt_name", "prompt_version",
        "service_tier"), WIDEST)
    longest = line_of(SETTLED._replace(call=replace(CALL, **texts)))
    assert len(longest) > 65_536
    with serving_cluster() as (cluster, url):
        rsyslog = Rsyslog(tmp_path, url)
        rsyslog.log.write_bytes(longest)
        with rsyslog.running():
            wait_for(lambda: cluster.statuses, SECONDS)
    assert cluster.faults == []
    assert [*cluster.documents.values()] == [*of_lines(longest).values()]


@real
def test_what_a_mapping_does_not_take_is_kept_beside_with_the_reason(tmp_path: Path) -> None:
    wrong = {**json.loads(line(1)), "event": {"id": "wrong", "duration": "long"}, "extra": 1}
    with serving_cluster() as (cluster, url):
        rsyslog = Rsyslog(tmp_path, url)
        rsyslog.log.write_bytes(json.dumps(wrong).encode() + b"\n" + line(2))
        with rsyslog.running():
            wait_for(lambda: rsyslog.refused.exists() and cluster.documents, SECONDS)
    assert [fault.split("; ") for fault in cluster.faults] == [[
        "event.duration: 'long' is no long", "extra: no such field"]]
    assert "strict_dynamic_mapping_exception" in rsyslog.refused.read_text()
    assert arrived(cluster) == {*of_lines(line(2))}


@real
def test_a_log_that_is_rotated_loses_no_line(tmp_path: Path) -> None:
    with serving_cluster() as (cluster, url):
        rsyslog = Rsyslog(tmp_path, url)
        rsyslog.log.write_bytes(b"")
        with rsyslog.running():
            for written in range(40, 201, 40):
                append(rsyslog.log, range(written - 40, written - 20))
                # Half of a file is read, and the other half is written as it is rotated away.
                wait_for(partial(has, cluster, written - 20), SECONDS)
                append(rsyslog.log, range(written - 20, written))
                rsyslog.log.rename(tmp_path / f"requests.log.{written}")
                rsyslog.log.write_bytes(b"")
            wait_for(partial(has, cluster, 200), SECONDS)
    assert cluster.faults == []


@real
def test_what_was_read_while_nobody_took_it_outlives_a_crash_of_rsyslog(tmp_path: Path) -> None:
    port = free_port()
    rsyslog = Rsyslog(tmp_path, f"http://127.0.0.1:{port}")
    append(rsyslog.log, range(LINES))
    with rsyslog.running() as process:
        wait_for(lambda: "we are suspending ourselfs" in rsyslog.words(), SECONDS)
        process.kill()
    with serving_cluster(port) as (cluster, _), rsyslog.running():
        wait_for(partial(has, cluster, LINES), SECONDS)
    assert cluster.faults == []


@real
@pytest.mark.heavy
def test_what_an_orderly_stop_lost_comes_once_the_state_is_removed(tmp_path: Path) -> None:
    port = free_port()
    rsyslog = Rsyslog(tmp_path, f"http://127.0.0.1:{port}")
    append(rsyslog.log, range(LINES))
    with rsyslog.running():
        wait_for(lambda: "we are suspending ourselfs" in rsyslog.words(), SECONDS)
    with serving_cluster(port) as (cluster, _):
        with rsyslog.running():
            wait_for(partial(has, cluster, LINES - BATCH), SECONDS)
        for state in rsyslog.state.glob("imfile-state:*"):
            state.unlink()
        with rsyslog.running():
            wait_for(partial(has, cluster, LINES), SECONDS)
    assert cluster.faults == []
    assert cluster.statuses[409] >= LINES - BATCH


@real
@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_every_call_of_a_gateway_whoever_sent_it_becomes_one_document(tmp_path: Path) -> None:
    """All that is captured, through a gateway, its log and a rsyslog that is killed on the way."""
    rsyslog = Rsyslog(tmp_path, f"http://127.0.0.1:{free_port()}")
    log = f"request_log: {{path: {json.dumps(str(rsyslog.log))}}}\n"
    with serving_cluster(int(rsyslog.url.rpartition(":")[2])) as (cluster, _), gateway(
            tmp_path, more=log) as running:
        cluster.is_busy = now_and_then(11)
        with rsyslog.running() as process:
            send_captured(running)
            running.settled()
            wait_for(lambda: cluster.documents, SECONDS)
            process.kill()
        wait_for(lambda: not running.page().value(WAITING), SECONDS)
        calls = sum(running.page().values("llm_client_requests_total"))
        lines = of_lines(rsyslog.log.read_bytes())
        with rsyslog.running():
            wait_for(lambda: len(cluster.documents) >= len(lines), SECONDS)
    assert cluster.faults == []
    documents_of = {identifier: one for (_, identifier), one in cluster.documents.items()}
    assert documents_of == lines
    assert sum(one["llm"]["calls"] for one in lines.values()) == calls > 300
    assert len({one["service"]["name"] for one in lines.values()}) > 5


def send_captured(running: Gateway) -> None:
    """Every captured body of spans, as it was sent."""
    with Sender(running.intake) as sender:
        for folder in sorted((FIXTURES / "otlp").iterdir()):
            for body in sorted(folder.glob("*traces*")):
                encoding = JSON if body.suffix == ".json" else PROTOBUF
                assert sender.post("traces", encoding, body.read_bytes()) == 200, body
