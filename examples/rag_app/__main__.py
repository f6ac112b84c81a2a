"""Serves the application: `python -m rag_app`, in the folder that has it."""

from __future__ import annotations

import sys

import uvicorn
from openai import AsyncOpenAI
from opentelemetry.util.genai.handler import TelemetryHandler

from .answers import Answering
from .logs import set_up_log
from .passages import read_passages
from .reranking import Reranker
from .retrieval import Index
from .settings import read_settings
from .tracing import set_up_tracing
from .web import make_app

MOST_TRIES, ANSWER_SECONDS = 1, 120.0  # of the client of OpenAI


def main() -> int:
    """Serve until it is ended; 2 where a variable of the environment is wrong."""
    try:
        settings = read_settings()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    set_up_log()
    provider = set_up_tracing()
    passages, handler = read_passages(settings.docs), TelemetryHandler(tracer_provider=provider)
    app = make_app(settings, Answering(
        settings, AsyncOpenAI(max_retries=MOST_TRIES, timeout=ANSWER_SECONDS),
        Index(passages, handler), Reranker(passages), handler))
    uvicorn.run(app, host=settings.host, port=settings.port, log_config=None, access_log=False)
    provider.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
