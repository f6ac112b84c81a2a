"""The Collector's configurations: taken by a real one, and within what a gateway takes."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from inferometer.config import IntakeSection
from tests.bundle.promtool import TOOLS
from tests.e2e.gateways import Sender, gateway
from tests.exporter.support import FIXTURES, free_port, wait_for

FOLDER = Path(__file__).parents[2] / "deploy/collector"
FILES = sorted(FOLDER.glob("*.yaml"))
COLLECTOR = TOOLS / "collector/otelcol"
SECOND = re.compile(r"^( *)#\+ ", re.MULTILINE)
HTTP = "application/x-protobuf"
BODY = FIXTURES / "otlp/haystack-3.4.1/001-traces.pb"
START_SECONDS = 60.0
MOST_SPANS = 10_000  # of a body that a gateway takes
LEAST_SPAN = 105  # bytes of one without attributes
QUIET = "service: {telemetry: {metrics: {level: none}}}\n"
# https://github.com/open-telemetry/opentelemetry-collector-contrib/blob/main/exporter/loadbalancingexporter/README.md
OF_LOAD_BALANCING: Mapping[str, Any] = {
    "routing_key": None, "protocol": {"otlp": None},
    "resolver": {"static": {"hostnames": None}}}

real = pytest.mark.skipif(not COLLECTOR.exists(), reason="`make collector` builds one")


def document(text: str) -> Any:
    return yaml.safe_load(text)


def with_second(text: str) -> str:
    """The file with its second destination, as it says how to have one."""
    return SECOND.sub(r"\1", text)


def variables(text: str) -> dict[str, str]:
    """Addresses for all that a file names and gives no default for."""
    names = {*re.findall(r"\$\{env:(\w+)\}", text)}
    return {name: f"http://127.0.0.1:{free_port()}" if name.endswith("ENDPOINT")
            else f"127.0.0.1:{free_port()}" for name in names}


def validated(text: str, folder: Path) -> None:
    """Have a real Collector look at it. Raises AssertionError with what it says."""
    file = folder / "collector.yaml"
    file.write_text(text)
    done = subprocess.run(
        [COLLECTOR, "validate", "--config", file], capture_output=True, text=True, check=False,
        timeout=60, env={**os.environ, **variables(text)})
    assert done.returncode == 0, done.stderr


# Without one.


def test_there_is_one_before_a_gateway_and_one_before_several() -> None:
    assert [file.name for file in FILES] == ["collector.yaml", "load-balancing.yaml"]
    for file in FILES:
        assert document(file.read_text())["receivers"]["otlp"]["protocols"].keys() == {
            "grpc", "http"}


def test_what_is_sent_is_kept_on_disk_and_tried_for_ever() -> None:
    made = document(FILES[0].read_text())
    exporter = made["exporters"]["otlphttp/inferometer"]
    assert exporter["retry_on_failure"]["max_elapsed_time"] == "0s"
    assert exporter["sending_queue"]["storage"] in made["service"]["extensions"]
    assert made["extensions"][exporter["sending_queue"]["storage"]]["fsync"] is True
    # What the processor `batch` holds is lost when it is killed.
    for pipeline in made["service"]["pipelines"].values():
        assert pipeline["processors"] == ["memory_limiter"]


def test_no_body_is_larger_than_what_a_gateway_takes() -> None:
    queue = document(FILES[0].read_text())["exporters"]["otlphttp/inferometer"]["sending_queue"]
    assert queue["sizer"] == "bytes"
    largest = queue["batch"]["max_size"]
    assert largest < IntakeSection().max_body_bytes / 8
    assert largest / LEAST_SPAN < MOST_SPANS
    assert queue["batch"]["min_size"] <= largest < queue["queue_size"]


def test_a_second_destination_gets_what_the_first_gets_with_a_queue_of_its_own() -> None:
    plain, both = (document(text(FILES[0].read_text())) for text in (str, with_second))
    added = both["exporters"].keys() - plain["exporters"].keys()
    assert added == {"otlphttp/second"}
    for name, pipeline in both["service"]["pipelines"].items():
        before = plain["service"]["pipelines"][name]["exporters"]
        assert pipeline["exporters"] == [*before, *added]
    assert both["exporters"]["otlphttp/second"]["sending_queue"]["storage"] == "file_storage"


def test_all_spans_of_a_trace_go_one_way_and_wait_for_it_where_there_is_a_disk() -> None:
    exporter = document(FILES[1].read_text())["exporters"]["loadbalancing"]
    assert unknown(exporter, OF_LOAD_BALANCING) == []
    assert exporter["routing_key"] == "traceID"
    sends = exporter["protocol"]["otlp"]
    assert not sends["sending_queue"]["enabled"]
    assert not sends["retry_on_failure"]["enabled"]
    assert len(exporter["resolver"]["static"]["hostnames"]) == 2


def unknown(value: Any, documented: Mapping[str, Any] | None) -> list[str]:
    """Keys that the exporter's documentation does not have."""
    if documented is None:
        return []
    return [key for key in value if key not in documented] + [
        name for key, inner in value.items() for name in unknown(inner, documented.get(key))]


# With one.


@real
def test_a_real_collector_takes_it_with_and_without_a_second_destination(tmp_path: Path) -> None:
    text = FILES[0].read_text()
    validated(text, tmp_path)
    validated(with_second(text), tmp_path)
    with pytest.raises(AssertionError, match="queue_sise"):
        validated(text.replace("queue_size", "queue_sise"), tmp_path)


@real
def test_a_real_collector_takes_all_of_the_other_but_the_exporter_that_it_lacks(
        tmp_path: Path) -> None:
    made = document(FILES[1].read_text())
    balancing = made["exporters"].pop("loadbalancing")
    (first, _) = balancing["resolver"]["static"]["hostnames"]
    made["exporters"]["otlp"] = {**balancing["protocol"]["otlp"], "endpoint": first}
    for pipeline in made["service"]["pipelines"].values():
        pipeline["exporters"] = ["otlp"]
    validated(yaml.safe_dump(made), tmp_path)


@contextlib.contextmanager
def collecting(folder: Path, settings: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A real Collector with the first file; killed in the end, if not before."""
    (folder / "quiet.yaml").write_text(QUIET)
    with (folder / "collector.log").open("ab") as log:
        process = subprocess.Popen(
            [COLLECTOR, "--config", FILES[0], "--config", folder / "quiet.yaml"], stdout=log,
            stderr=log, env={**os.environ, **settings, "COLLECTOR_QUEUE": str(folder / "queue")})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@real
@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_what_a_collector_took_while_there_was_no_gateway_outlives_it_and_is_counted_once(
        tmp_path: Path) -> None:
    port, intake = free_port(), free_port()
    settings = {"INFEROMETER_ENDPOINT": f"http://127.0.0.1:{intake}",
                "COLLECTOR_HTTP_PORT": str(port), "COLLECTOR_GRPC_PORT": str(free_port())}
    with collecting(tmp_path, settings) as process:
        for _ in range(2):  # as a sender does that has heard of no answer
            assert wait_for(lambda: posted(port), START_SECONDS) == 200
        process.kill()
    with gateway(tmp_path, listen=f"127.0.0.1:{intake}") as taking:
        with collecting(tmp_path, settings):
            wait_for(lambda: calls(taking), START_SECONDS)
            once = calls(taking)
        assert posted(taking.intake) == 200  # the very same spans
        taking.settled()
        assert calls(taking) == once > 0


def posted(port: int) -> int:
    """The status of a captured body; 0 where nobody listens."""
    with contextlib.suppress(OSError), Sender(port) as sender:
        return sender.post("traces", HTTP, BODY.read_bytes())
    return 0


def calls(taking: Any) -> float:
    """The calls that a gateway has counted."""
    counted: list[float] = taking.settled()[0].values("llm_client_requests_total")
    return sum(counted)
