"""What the server does with a route before its handler is asked."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

import pytest

from inferometer.serve.lanes import Lane
from inferometer.serve.request import LARGEST_BODY
from inferometer.serve.routes import JSON, Received, Response, Route, text_response
from inferometer.serve.server import Server
from tests.exporter.support import get, in_thread, wait_for

pytestmark = pytest.mark.timeout(60)


def echo(received: Received) -> Response:
    query = ",".join(f"{key}={'+'.join(values)}" for key, values in received.query.items())
    return text_response(HTTPStatus.OK, f"{received.body.decode()}|{query}")


@contextlib.contextmanager
def serving(*routes: Route) -> Iterator[int]:
    with in_thread(Server("127.0.0.1", 0, routes)) as port:
        yield port


def post(port: int, path: str, body: bytes,
         headers: Mapping[str, str] | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST", path, body, dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.read().decode()


def test_a_route_for_get_answers_head_too_and_nothing_else() -> None:
    with serving(Route("/a", echo)) as port:
        assert get(port, "/a").text == "|\n"
        assert (get(port, "/a", "HEAD").status, get(port, "/b").status) == (200, 404)
        refused = get(port, "/a", "PUT")
        assert (refused.status, refused.headers["Allow"], refused.text) == (
            405, "GET, HEAD", "use GET or HEAD\n")


def test_the_query_is_read_for_the_handler() -> None:
    with serving(Route("/a", echo)) as port:
        assert get(port, "/a?x=1&y=&x=2").text == "|x=1+2,y=\n"


def test_a_body_is_handed_on_up_to_the_routes_own_limit() -> None:
    with serving(Route("/a", echo, ("POST",), body_bytes=4)) as port:
        assert post(port, "/a", b"1234") == (200, "1234|\n")
        assert post(port, "/a", b"12345") == (413, "send up to 4 bytes, with their length\n")


def test_a_body_that_no_route_takes_is_passed_over() -> None:
    with serving(Route("/a", echo, ("POST",))) as port:
        assert post(port, "/a", b"12345") == (200, "|\n")


@pytest.mark.parametrize(("content_type", "status"), [
    ("application/json", 200), ("Application/JSON; charset=utf-8", 200), ("text/plain", 415),
    ("", 415),
])
def test_a_body_of_another_content_type_is_refused(content_type: str, status: int) -> None:
    with serving(Route("/a", echo, ("POST",), body_bytes=9, content_types=(JSON,))) as port:
        assert post(port, "/a", b"{}", {"Content-Type": content_type})[0] == status


def test_requests_wait_for_their_turn_in_a_routes_lane() -> None:
    at_work, door = threading.Semaphore(0), threading.Event()
    present: list[int] = []
    most: list[int] = []

    def work(_: Received) -> Response:
        present.append(1)
        most.append(len(present))
        at_work.release()
        door.wait(10)
        present.pop()
        return text_response(HTTPStatus.OK, "done")

    lane: Lane[object] = Lane(2)
    with serving(Route("/a", work, lane=lane), Route("/b", work, lane=lane),
                 Route("/free", echo)) as port:
        threads = [threading.Thread(target=get, args=(port, path))
                   for path in ("/a", "/b", "/a", "/b")]
        for thread in threads:
            thread.start()
        assert at_work.acquire(timeout=10)
        assert at_work.acquire(timeout=10)
        assert get(port, "/free").status == 200
        assert len(most) == 2
        door.set()
        for thread in threads:
            thread.join(10)
        wait_for(lambda: len(most) == 4)
    assert max(most) == 2


def test_two_routes_at_one_path_are_refused() -> None:
    with pytest.raises(ValueError, match="two routes at /a"):
        Server("127.0.0.1", 0, [Route("/a", echo), Route("/a", echo)])


def test_a_route_cannot_take_more_than_any_request_may_have() -> None:
    with pytest.raises(ValueError, match="no request has more than"):
        Route("/a", echo, ("POST",), body_bytes=LARGEST_BODY + 1)


def test_a_route_that_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ValueError, match="a path begins with /"):
        Route("a", echo)
    with pytest.raises(ValueError, match="say body_bytes"):
        Route("/a", echo, ("POST",), content_types=(JSON,))


def test_routes_whose_lanes_would_take_all_threads_are_refused() -> None:
    with pytest.raises(ValueError, match="the lanes need 105 threads, and there are 13"):
        Server("127.0.0.1", 0, [Route("/a", echo, lane=Lane(100))])


OWN = "http://127.0.0.1"


@pytest.mark.parametrize(("headers", "status"), [
    ({}, 200), ({"Sec-Fetch-Site": "same-origin"}, 200), ({"Sec-Fetch-Site": "none"}, 200),
    ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Sec-Fetch-Site": "odd"}, 403), ({"Sec-Fetch-Site": ""}, 403),
    ({"Origin": OWN}, 200), ({"Origin": "https://evil.example"}, 403), ({"Origin": "null"}, 403),
    ({"Origin": ""}, 403), ({"Origin": "http://127.0.0.1:1"}, 403),
    ({"Origin": OWN, "Sec-Fetch-Site": "cross-site"}, 403),
    ({"Origin": f"{OWN}, {OWN}"}, 403),
])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_no_page_of_another_site_may_change_anything(headers: Mapping[str, str], status: int,
                                                     method: str) -> None:
    with serving(Route("/a", echo, ("GET", method))) as port:
        own = {name: value.replace(OWN, f"{OWN}:{port}") if value.startswith(f"{OWN}") and
               not value.endswith(":1") else value for name, value in headers.items()}
        assert get(port, "/a", method, own).status == status
        assert get(port, "/a", "GET", own).status == 200


def test_those_that_wait_for_the_same_have_their_turn_together() -> None:
    door = threading.Event()
    made: list[int] = []

    def make() -> str:
        made.append(1)
        return "made"

    def work(received: Received) -> Response:
        door.wait(10)
        return text_response(HTTPStatus.OK, received.once("x", make))

    route = Route("/a", work, lane=Lane(1), together=lambda received: "y" in received.query)
    with serving(route) as port, ThreadPoolExecutor(9) as pool:
        answers = [pool.submit(get, port, path) for path in ("/a", *["/a?y"] * 5, *["/a"] * 3)]
        wait_for(lambda: len(lane_of(route)) == 8)
        door.set()
        assert {answer.result().status for answer in answers} == {200}
    assert len(made) == 3


def lane_of(route: Route) -> dict[Any, Any]:
    """Who waits in the route's lane."""
    assert route.lane
    return route.lane._waiting
