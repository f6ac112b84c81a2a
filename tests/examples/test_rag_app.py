"""The example application's pieces, as far as they need no model and no weights."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message

from examples.rag_app.conversations import MOST_CONVERSATIONS, MOST_EXCHANGES, Conversations
from examples.rag_app.feedback import NAMES, SECONDS, capability
from examples.rag_app.guard import HeadersMiddleware
from examples.rag_app.logs import RequestIdMiddleware, set_up_log
from examples.rag_app.passages import MOST_CHARACTERS, html_of, passages_of, read_passages
from examples.rag_app.settings import read_settings
from inferometer.capabilities import LEAST_KEY, read
from inferometer.votes import KINDS

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "examples" / "rag_app" / "static"
PAGE = """# The disk

Before any heading.

## When it is full

<script>hurt()</script> See [the ledger](ledger.md#full) and `df -h`:

```sh
# no heading
df -h
```

| a | b |
| --- | --- |
| 1 | <b>2</b> |

## Nothing below

## When it is slow
"""


def test_a_page_is_cut_at_its_headings_and_not_within_code() -> None:
    passages = [*passages_of("disk.md", PAGE)]
    assert [(passage.id, passage.page, passage.heading) for passage in passages] == [
        ("disk.md#the-disk", "The disk", "The disk"),
        ("disk.md#when-it-is-full", "The disk", "When it is full")]
    assert "# no heading\ndf -h" in passages[1].text


def test_a_long_section_is_cut_between_its_blocks() -> None:
    blocks = [f"{number} {'word ' * 100}".strip() for number in range(7)]
    passages = [*passages_of("long.md", "# Long\n\n" + "\n\n".join(blocks))]
    assert [passage.id for passage in passages] == ["long.md#long", *(
        f"long.md#long/{number}" for number in (2, 3, 4))]
    assert [passage.title for passage in passages][:2] == ["Long", "Long, part 2"]
    assert all(len(passage.text) <= MOST_CHARACTERS for passage in passages)
    assert "\n\n".join(passage.text for passage in passages) == "\n\n".join(blocks)


def test_no_html_of_a_page_is_let_through() -> None:
    passage = [*passages_of("disk.md", PAGE)][1]
    html = html_of(passage)
    assert "<code>df -h</code>" in html
    assert {*re.findall(r"<(\w+)", html)} <= {
        "p", "code", "pre", "table", "thead", "tbody", "tr", "th", "td"}
    assert "<table>" in html


def test_every_passage_of_the_docs_has_an_id_of_its_own_and_a_text() -> None:
    passages = read_passages(ROOT / "docs")
    assert len({passage.id for passage in passages}) == len(passages) > 100
    assert all(passage.text.strip() and passage.heading for passage in passages)
    assert {passage.id.split("#")[0] for passage in passages} == {
        path.name for path in (ROOT / "docs").glob("*.md")}


def test_a_capability_is_read_by_a_gateway_as_of_one_answer_and_for_an_hour() -> None:
    key, trace_id, now = b"k" * LEAST_KEY, "4bf92f3577b34da6a3ce929d0e0e4736", time.time()
    one, other = (read(key, capability(key, trace_id), now) for _ in range(2))
    assert one.subject == f"trace:{trace_id}"
    assert [*one.kinds] == [*NAMES]
    assert set(NAMES) <= set(KINDS)
    assert SECONDS - 60 < one.expires - now <= SECONDS + 60
    assert one.nonce != other.nonce


def test_an_answer_is_voted_on_by_who_was_given_it_alone() -> None:
    conversations = Conversations()
    conversations.of("me", "c1").begin("t1", "why?", again=False)
    assert conversations.has_answer("me", "c1", "t1")
    for other in (("you", "c1", "t1"), ("me", "c2", "t1"), ("me", "c1", "t2")):
        assert not conversations.has_answer(*other)


def test_an_answer_made_anew_takes_the_last_ones_place_and_both_may_be_voted_on() -> None:
    conversation = Conversations().of("me", "c1")
    for trace_id, question, again in (("t1", "a?", False), ("t2", "b?", False), ("t3", "b?", True)):
        conversation.begin(trace_id, question, again)
    assert [exchange.trace_id for exchange in conversation.exchanges] == ["t1", "t3"]
    assert conversation.trace_ids == ["t1", "t2", "t3"]


def test_what_is_remembered_is_bounded() -> None:
    conversations = Conversations()
    for number in range(MOST_CONVERSATIONS + 1):
        conversations.of("me", str(number)).begin("t", "?", again=False)
    assert not conversations.has_answer("me", "0", "t")
    for number in range(2 * MOST_EXCHANGES):
        conversations.of("me", "1").begin(str(number), "?", again=False)
    assert len(conversations.of("me", "1").exchanges) == MOST_EXCHANGES


@pytest.mark.parametrize(("wrong", "expected"), [
    ({"RAG_MODEL": ""}, "RAG_MODEL is not set"),
    ({"RAG_DOCS": "/nowhere"}, "RAG_DOCS: there are no .md files in '/nowhere'"),
    ({"RAG_MAX_TOKENS": "many"}, "RAG_MAX_TOKENS: 'many' is no whole number"),
    ({"RAG_LISTEN": "127.0.0.1"}, "RAG_LISTEN: '127.0.0.1' is no whole number"),
    ({"FEEDBACK_URL": "http://a/v1/feedback"}, "FEEDBACK_KEY_FILE: FEEDBACK_URL is set"),
    ({"FEEDBACK_URL": "http://a/", "FEEDBACK_KEY_FILE": "/nowhere"},
     "FEEDBACK_KEY_FILE: /nowhere: No such file"),
])
def test_a_wrong_variable_is_named_in_one_line(wrong: dict[str, str], expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)) as caught:
        read_settings({"RAG_MODEL": "m", "RAG_DOCS": str(ROOT / "docs"), **wrong})
    assert "\n" not in str(caught.value)


async def _answer(request: Request) -> PlainTextResponse:
    logging.getLogger("test").info("in between")
    return PlainTextResponse("ok")


def _asked(app: Starlette, header: str) -> dict[str, str]:
    """The headers of its answer."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app({"type": "http", "method": "GET", "path": "/", "query_string": b"",
                     "headers": [(b"x-request-id", header.encode())]}, receive, send))
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


@pytest.mark.parametrize(("header", "kept"), [
    ("abc-1", True), ("a b\n", False), ("x" * 129, False)])
def test_a_requests_id_is_in_its_answer_and_in_every_line_of_the_log(
        header: str, kept: bool, capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.root.handlers[:], logging.root.level
    try:
        set_up_log()
        app = Starlette(routes=[Route("/", _answer)])
        app.add_middleware(RequestIdMiddleware)
        answered = _asked(app, header)["x-request-id"]
    finally:
        logging.root.handlers[:], logging.root.level = before
    assert (answered == header) is kept
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["http.request.id"]) == ("in between", answered)


def test_the_page_reaches_itself_and_the_feedback_and_nothing_else() -> None:
    app = Starlette(routes=[Route("/", _answer)])
    app.add_middleware(HeadersMiddleware, feedback_url="https://votes.example.com:8443/v1/feedback")
    headers = _asked(app, "a")
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy.pop("connect-src") == "'self' https://votes.example.com:8443"
    assert {*policy.values()} == {"'none'", "'self'"}
    assert policy["default-src"] == "'none'"


def test_no_file_of_the_page_names_another_host() -> None:
    files = [*STATIC.iterdir()]
    assert len(files) >= 4
    for file in files:
        urls = re.findall(r"https?://[^\s\"')]+", file.read_text(encoding="utf-8"))
        assert {*urls} <= {"http://www.w3.org/2000/svg"}, file
