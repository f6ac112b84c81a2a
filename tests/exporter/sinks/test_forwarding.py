"""What a gateway takes is sent on, in order and as it came; nothing is lost, nothing waits long."""

from __future__ import annotations

import gzip
import threading
import time
from pathlib import Path

import pytest

from inferometer.config import DestinationEntry
from tests.exporter.intake.gateways import gateway_in
from tests.exporter.sinks.receiver import Answer, Request, receiver
from tests.exporter.sinks.sending import HOUR, post, sending_in, span_body
from tests.exporter.support import free_port, wait_for


def numbered(count: int) -> list[bytes]:
    return [b"body %d" % i for i in range(count)]


def test_a_body_reaches_the_destination_as_it_came(tmp_path: Path) -> None:
    body = gzip.compress(span_body())
    with receiver() as place, gateway_in(
            tmp_path, f"destinations: [{{name: away, url: '{place.url}'}}]\n") as gateway:
        assert post(gateway.intake.url, body, **{"Content-Encoding": "gzip"}) == 200
        wait_for(lambda: place.taken)
        (request,) = place.taken
        assert (request.path, request.body) == ("/v1/traces", body)
        assert request.headers["content-type"] == "application/x-protobuf"
        assert request.headers["content-encoding"] == "gzip"
        wait_for(lambda: gateway.count("inferometer_forward_bodies_total", "away",
                                       "forwarded") == 1)


def test_metrics_go_on_as_they_came(tmp_path: Path) -> None:
    with receiver() as place, gateway_in(
            tmp_path, f"destinations: [{{url: '{place.url}'}}]\n") as gateway:
        assert post(gateway.intake.url, b"", "metrics") == 200
        wait_for(lambda: [request.path for request in place.taken] == ["/v1/metrics"])


def test_heartbeats_go_nowhere(tmp_path: Path) -> None:
    with receiver() as place, gateway_in(
            tmp_path, f"destinations: [{{url: '{place.url}'}}]\n") as gateway:
        wait_for(lambda: gateway.count("inferometer_heartbeat_seen_total") >= 1, 20)
        body = span_body()
        assert post(gateway.intake.url, body) == 200
        wait_for(lambda: place.taken)
        assert {request.body for request in place.taken} == {body}


@pytest.mark.usefixtures("each_store")
def test_a_destination_that_was_away_for_an_hour_gets_all_in_order(tmp_path: Path) -> None:
    port = free_port()
    bodies = numbered(60)
    with sending_in(tmp_path, away=DestinationEntry(url=f"http://127.0.0.1:{port}")) as sending:
        for body in bodies:
            sending.take(body)
            sending.turn()
            sending.wait(HOUR / len(bodies))
        assert sending.keeper.conditions()["away"].waiting == 60
        failures = sending.forwarders["away"].counts.failures
        with receiver(port) as place:
            sending.wait(61)
            sending.turn()
            assert place.bodies == bodies
        assert 10 < failures <= 60
        sending.wait(1)
        assert sending.keeper.conditions()["away"].waiting == 0
        assert sending.rows("SELECT count(*) FROM outbox") == [(0,)]


def test_a_slow_destination_delays_neither_another_nor_an_answer(tmp_path: Path) -> None:
    go_on = threading.Event()

    def slowly(_: Request) -> Answer:
        go_on.wait(30)
        return Answer()

    with receiver() as slow, receiver() as fast:
        slow.answer = slowly
        with gateway_in(tmp_path, f"destinations: [{{name: slow, url: '{slow.url}'}}, "
                                  f"{{name: fast, url: '{fast.url}'}}]\n") as gateway:
            bodies = [span_body() for _ in range(20)]
            began = time.monotonic()
            for body in bodies:
                assert post(gateway.intake.url, body) == 200
            wait_for(lambda: fast.bodies == bodies)
            assert time.monotonic() - began < 10
            assert (len(slow.requests), slow.taken) == (1, [])
            go_on.set()
            wait_for(lambda: slow.bodies == bodies)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_be_sent_again_is(tmp_path: Path, status: int) -> None:
    with receiver() as place, sending_in(tmp_path, busy=DestinationEntry(url=place.url)) as sending:
        place.answer = lambda _: Answer(status, {"Retry-After": "120"})
        sending.take(b"first")
        sending.turn()
        sending.wait(119)
        sending.turn()
        assert len(place.requests) == 1, "it came before the time that it was given"
        place.answer = lambda _: Answer()
        sending.wait(30)
        sending.turn()
        assert place.bodies == [b"first"]


def test_pauses_grow_to_a_minute_and_no_two_are_alike(tmp_path: Path) -> None:
    with sending_in(tmp_path, gone=DestinationEntry(
            url=f"http://127.0.0.1:{free_port()}")) as sending:
        forwarder = sending.forwarders["gone"]
        sending.take(b"first")
        pauses = []
        for jitter in [0.0] * 8 + [-0.5, 0.5]:
            sending.jitter = jitter
            sending.turn()
            pauses.append(forwarder._pause())
            sending.passed += pauses[-1]
        assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 30, 90])


@pytest.mark.parametrize("status", [301, 400, 401, 413, 500])
def test_what_is_refused_for_good_is_set_aside_and_the_next_one_goes(
        tmp_path: Path, status: int) -> None:
    with receiver() as place, sending_in(
            tmp_path, strict=DestinationEntry(url=place.url)) as sending:
        place.answer = lambda request: Answer(
            status if request.body == b"bad" else 200, {"Location": f"{place.url}/elsewhere"})
        for body in (b"bad", b"good"):
            sending.take(body)
        sending.turn()
        assert [request.body for request in place.requests] == [b"bad", b"good"]
        sending.wait(1)
        assert sending.keeper.conditions()["strict"].refused == 1
        assert sending.rows("SELECT status, why FROM outbox_refused") == [
            (status, f"HTTP status {status}")]
        assert sending.rows("SELECT body FROM outbox") == [(b"bad",)]


def test_a_partial_success_is_noted_and_nothing_is_sent_again(
        tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with receiver() as place, sending_in(
            tmp_path, picky=DestinationEntry(url=place.url)) as sending:
        place.answer = lambda _: Answer(200, {"Content-Type": "application/json"}, (
            b'{"partialSuccess": {"rejectedSpans": "3", "errorMessage": "too old"}}'))
        sending.take(b"first")
        sending.turn()
        assert sending.forwarders["picky"].counts.rejected == 3
        assert len(place.requests) == 1
        assert "too old" in caplog.text or any(
            "too old" in vars(record).get("why", "") for record in caplog.records)


def test_a_destination_gets_the_signals_that_it_takes(tmp_path: Path) -> None:
    with receiver() as all_of_it, receiver() as logs, sending_in(
            tmp_path, all=DestinationEntry(url=all_of_it.url),
            logs=DestinationEntry(url=logs.url, signals=("logs",))) as sending:
        for signal in ("traces", "logs", "metrics"):
            sending.take(signal.encode(), signal)
        sending.turn()
        assert all_of_it.bodies == [b"traces", b"logs", b"metrics"]
        assert logs.bodies == [b"logs"]
        assert sending.rows("SELECT count(*) FROM outbox") == [(0,)]


def test_without_destinations_nothing_is_kept(tmp_path: Path) -> None:
    with receiver() as place, sending_in(tmp_path, away=DestinationEntry(url=place.url)) as sending:
        sending.take(b"first")
        sending.restart({})
        assert sending.rows("SELECT count(*) FROM outbox") == [(0,)]
        sending.take(b"second")
        assert sending.rows("SELECT count(*) FROM outbox") == [(0,)]


def test_a_new_destination_begins_with_what_comes_then(tmp_path: Path) -> None:
    with receiver() as old, receiver() as new, sending_in(
            tmp_path, old=DestinationEntry(url=old.url)) as sending:
        sending.take(b"first")
        sending.restart({name: DestinationEntry(url=place.url)
                         for name, place in (("old", old), ("new", new))})
        sending.take(b"second")
        sending.turn()
        assert (old.bodies, new.bodies) == ([b"first", b"second"], [b"second"])


def test_beyond_its_size_the_oldest_are_dropped_counted_and_told(
        tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with receiver() as place, sending_in(tmp_path, away=DestinationEntry(url=place.url)) as sending:
        sending._bounds = 1000, 24.0
        sending.restart()
        for i in range(15):
            sending.take(b"%03d" % i + bytes(97))
        sending.wait(60)
        assert sending.keeper.conditions()["away"].dropped == 5
        assert sum(vars(record)["bodies"] for record in caplog.records
                   if vars(record).get("destination") == "away") == 5
        sending.turn()
        assert [body[:3] for body in place.bodies] == [b"%03d" % i for i in range(5, 15)]


def test_what_is_too_old_is_dropped(tmp_path: Path) -> None:
    with receiver() as place, sending_in(tmp_path, away=DestinationEntry(url=place.url)) as sending:
        sending.take(b"old")
        sending.wait(23 * HOUR)
        sending.take(b"new")
        sending.wait(2 * HOUR)
        sending.turn()
        assert place.bodies == [b"new"]
        assert sending.keeper.conditions()["away"].dropped == 1


def test_a_gateway_that_gets_what_it_sent_refuses_it(tmp_path: Path) -> None:
    with receiver() as place, gateway_in(
            tmp_path, f"destinations: [{{name: away, url: '{place.url}'}}]\n") as gateway:
        body = span_body()
        assert post(gateway.intake.url, body, **{"Inferometer-Hops": "another"}) == 200
        wait_for(lambda: place.taken)
        hops = place.taken[0].headers["inferometer-hops"]
        assert hops.startswith("another ")
        assert post(gateway.intake.url, body, **{"Inferometer-Hops": hops}) == 508


def test_a_destination_that_is_ourselves_is_refused_at_the_start(tmp_path: Path) -> None:
    port = free_port()
    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(Exception, match="is where this gateway itself listens"), gateway_in(
                tmp_path, f"destinations: [{{url: 'http://{host}:{port}'}}]\n",
                doors=f"listen: 0.0.0.0:{port}"):
            pytest.fail("it has started")
