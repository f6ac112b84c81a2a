"""The application's pages and answers over HTTP."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import structlog
from fastapi import Body, Cookie, Depends, FastAPI, HTTPException, Response
from fastapi.responses import FileResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from openai import OpenAIError
from pydantic import BaseModel, Field

from .answers import Answering
from .conversations import Conversation, Conversations, Exchange
from .feedback import capability
from .guard import HeadersMiddleware
from .logs import RequestIdMiddleware
from .passages import html_of
from .retrieval import Hit
from .settings import Settings
from .tracing import current_trace_id, trace_requests

STATIC = Path(__file__).parent / "static"
COOKIE = "rag_app_visitor"
ID = "^[0-9a-f]{32}$"
log = structlog.get_logger()


class Question(BaseModel):
    """What somebody asks in a conversation; `again` takes back the last answer."""

    question: str = Field(min_length=1, max_length=2000)
    conversation: str = Field(pattern=ID)
    again: bool = False


class Answer(BaseModel):
    """An answer that somebody was given, by the trace in which it was made."""

    trace_id: str = Field(pattern=ID)
    conversation: str = Field(pattern=ID)


def visitor_of(response: Response,
               rag_app_visitor: Annotated[str | None, Cookie()] = None) -> str:
    """Who asks; a new visitor gets a cookie that no script reads and no other site sends."""
    visitor = rag_app_visitor or secrets.token_hex(16)
    response.set_cookie(COOKIE, visitor, httponly=True, samesite="strict")
    return visitor


Visitor = Annotated[str, Depends(visitor_of)]


def make_app(settings: Settings, answering: Answering) -> FastAPI:
    """The application, ready to be served."""
    app = FastAPI(title="Ask the docs", docs_url=None, redoc_url=None, openapi_url=None)
    conversations = Conversations()

    @app.get("/")
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @app.get("/healthz")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/api/settings")
    def page_settings() -> dict[str, str]:
        return {"feedback_url": settings.feedback_url, "notice": settings.notice,
                "model": settings.model}

    @app.post("/api/answers")
    async def answer(asked: Annotated[Question, Body()], visitor: Visitor,
                     response: Response) -> StreamingResponse:
        conversation = conversations.of(visitor, asked.conversation)
        exchange = conversation.begin(current_trace_id(), asked.question, asked.again)
        return StreamingResponse(
            _lines(settings, answering, conversation, exchange),
            media_type="application/x-ndjson", headers=dict(response.headers))

    @app.post("/api/capabilities")
    def another_capability(given: Annotated[Answer, Body()], visitor: Visitor) -> dict[str, str]:
        answered = conversations.has_answer(visitor, given.conversation, given.trace_id)
        if not settings.feedback_url or not answered:
            raise HTTPException(404, "you were given no such answer")
        return {"capability": capability(settings.feedback_key, given.trace_id)}

    app.mount("/static", StaticFiles(directory=STATIC))
    app.add_middleware(HeadersMiddleware, feedback_url=settings.feedback_url)
    trace_requests(app)
    app.add_middleware(RequestIdMiddleware)  # around all others: their lines have the id
    return app


async def _lines(settings: Settings, answering: Answering, conversation: Conversation,
                 exchange: Exchange) -> AsyncIterator[str]:
    """What the page reads, a line of JSON each: beginning, sources, pieces, end or error."""
    voting = {"capability": capability(settings.feedback_key, exchange.trace_id)} \
        if settings.feedback_url else {}
    yield _line(trace_id=exchange.trace_id, **voting)
    sources: list[Hit] = []
    try:
        with answering.handler.workflow("answer", conversation_id=conversation.id):
            sources = answering.sources(exchange.question)
            yield _line(sources=[_source(hit) for hit in sources])
            async for piece in answering.pieces(conversation, exchange, sources):
                yield _line(text=piece)
    except OpenAIError as error:
        log.warning("no answer", error=str(error))
        yield _line(error="The model did not answer. Ask again in a moment.")
        return
    log.info("answered", sources=len(sources), characters=len(exchange.answer))
    yield _line(done=True)


def _line(**fields: Any) -> str:
    return json.dumps(fields) + "\n"


def _source(hit: Hit) -> dict[str, Any]:
    passage = hit.passage
    return {"id": passage.id, "heading": passage.title, "score": hit.score,
            "page": passage.page if passage.page != passage.heading else "",
            "html": html_of(passage)}
