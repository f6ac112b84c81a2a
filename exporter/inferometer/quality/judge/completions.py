"""Chat completions as OpenAI and those that speak as it does take requests, and reply.

Not all of them take all parameters: what an endpoint refuses is left out, and remembered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from inferometer.evaluations import JudgementResult
from inferometer.outside import shown
from inferometer.quality.judge.http_post import MOST_REPLY, HttpReply
from inferometer.quality.judge.interface import JudgeReply, JudgeRequest
from inferometer.sinks.forward_http import retry_seconds

JSON_SCHEMA, JSON_OBJECT, TEXT = FORMATS = ("json_schema", "json_object", "text")
REFUSALS = frozenset((400, 422, 501))  # of a request that an endpoint does not take as it is
_LIMITS = ("max_tokens", "max_completion_tokens", "")  # names of the same; none at last
LONGEST_REASON = 300  # characters of an endpoint's words that are shown


class CompletionDialect(NamedTuple):
    """Which parameters an endpoint takes."""

    form: str = JSON_SCHEMA
    limit: str = _LIMITS[0]
    temperature: bool = True


def body_of(request: JudgeRequest, model: str, most_tokens: int, dialect: CompletionDialect
            ) -> bytes:
    """The body of a request."""
    body: dict[str, object] = {"model": model, "messages": [
        {"role": "system", "content": request.system},
        {"role": "user", "content": request.prompt}]}
    if dialect.temperature:
        body["temperature"] = 0
    if dialect.limit:
        body[dialect.limit] = most_tokens
    if dialect.form == JSON_SCHEMA:
        body["response_format"] = {"type": JSON_SCHEMA, "json_schema": {
            "name": request.step.replace(".", "_"), "strict": True, "schema": request.schema}}
    elif dialect.form == JSON_OBJECT:
        body["response_format"] = {"type": JSON_OBJECT}
    return json.dumps(body).encode()


def plainer(dialect: CompletionDialect, reply: HttpReply) -> CompletionDialect | None:
    """The dialect to try next where a request was refused; None where that is not why."""
    if reply.status not in REFUSALS:
        return None
    words = error_words(reply).lower()
    if dialect.limit and ("max_tokens" in words or "max_completion_tokens" in words
                          or "context length" in words):
        return dialect._replace(limit=_LIMITS[_LIMITS.index(dialect.limit) + 1])
    if dialect.temperature and "temperature" in words:
        return dialect._replace(temperature=False)
    if dialect.form != TEXT:
        return dialect._replace(form=FORMATS[FORMATS.index(dialect.form) + 1])
    return None


def reply_of(reply: HttpReply) -> JudgeReply:
    """What an endpoint's reply comes to."""
    if 300 <= reply.status < 400:
        place = shown(reply.headers.get("location", "nowhere"), LONGEST_REASON)
        return failed(f"it redirects to {place}, which is not followed: give that URL")
    if reply.status != 200:
        words = error_words(reply)
        return failed(f"HTTP status {reply.status}{f': {words}' if words else ''}",
                      retry_seconds(reply.headers.get("retry-after", "")))
    document = _document(reply)
    usage = document.get("usage")
    tokens = [_count(usage.get(name)) if isinstance(usage, dict) else None
              for name in ("prompt_tokens", "completion_tokens")]
    if len(reply.content) > MOST_REPLY:
        return JudgeReply("", JudgementResult.NONSENSE, "the reply is too long", *tokens)
    choice = _choice(document)
    text = _text(choice)
    if choice.get("finish_reason") == "length":
        reason = "it ended where its tokens ran out"
    else:
        reason = "" if text else "the judge refuses" if _message(choice).get("refusal") else (
            "it is no chat completion with a text")
    return JudgeReply(text, JudgementResult.JUDGED if text else JudgementResult.NONSENSE, reason,
                      *tokens)


def failed(reason: str, retry_after: float | None = None) -> JudgeReply:
    """Where no reply came, or an error did."""
    return JudgeReply(result=JudgementResult.FAILED, reason=reason, retry_after=retry_after)


def error_words(reply: HttpReply) -> str:
    """Why an endpoint refused, on one line: the message of its error, else all that it wrote."""
    value: object = _document(reply)
    for key in ("error", "message", "detail"):
        if isinstance(value, dict) and value.get(key):
            value = value[key]
    if isinstance(value, str):
        return shown(value, LONGEST_REASON)
    if "html" in reply.headers.get("content-type", ""):
        return ""
    return shown(reply.content[:4096].decode("utf-8", "replace"), LONGEST_REASON)


def _choice(document: Mapping[str, object]) -> Mapping[str, object]:
    """The first choice; empty for none."""
    choices = document.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    return choice if isinstance(choice, dict) else {}


def _message(choice: Mapping[str, object]) -> Mapping[str, object]:
    message = choice.get("message")
    return message if isinstance(message, dict) else {}


def _text(choice: Mapping[str, object]) -> str:
    """What is written in it, in one piece or in parts."""
    content = _message(choice).get("content")
    if isinstance(content, list):
        content = "".join(part["text"] for part in content
                          if isinstance(part, dict) and isinstance(part.get("text"), str))
    if not isinstance(content, str) or not content.strip():
        return ""
    return content.replace("\0", "").encode("utf-8", "replace").decode()  # it is to be kept


def _document(reply: HttpReply) -> Mapping[str, object]:
    try:
        document = json.loads(reply.content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and (
        0 <= value < 2**31) else None
