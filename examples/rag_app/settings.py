"""What the application is told by its environment, beside OTEL_* of the SDK."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """All of it; docs/example-app.md has a table of the variables."""

    host: str
    port: int
    docs: Path
    model: str
    max_tokens: int
    context_characters: int  # of passages in a prompt
    notice: str  # shown above the chat
    feedback_url: str  # of /v1/feedback; empty: no votes
    feedback_key: bytes  # signs capabilities


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Those of this environment. Raises ValueError with one line that names the variable."""
    host, _, port = environment.get("RAG_LISTEN", "127.0.0.1:8300").rpartition(":")
    url = environment.get("FEEDBACK_URL", "")
    return Settings(
        host=host, port=_number("RAG_LISTEN", port),
        docs=_folder("RAG_DOCS", environment.get("RAG_DOCS", "docs")),
        model=_text(environment, "RAG_MODEL"),
        max_tokens=_number("RAG_MAX_TOKENS", environment.get("RAG_MAX_TOKENS", "400")),
        context_characters=_number("RAG_CONTEXT_CHARACTERS",
                                   environment.get("RAG_CONTEXT_CHARACTERS", "6000")),
        notice=environment.get("RAG_NOTICE", ""),
        feedback_url=url,
        feedback_key=_secret("FEEDBACK_KEY_FILE", environment) if url else b"")


def _text(environment: Mapping[str, str], name: str) -> str:
    if not (text := environment.get(name, "")):
        raise ValueError(f"{name} is not set: what the endpoint calls its model")
    return text


def _number(name: str, text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{name}: {text!r} is no whole number")
    return int(text)


def _folder(name: str, text: str) -> Path:
    if not any(Path(text).glob("*.md")):
        raise ValueError(f"{name}: there are no .md files in {text!r}")
    return Path(text)


def _secret(name: str, environment: Mapping[str, str]) -> bytes:
    path = environment.get(name, "")
    try:
        secret = Path(path).read_bytes().strip() if path else b""
    except OSError as error:
        raise ValueError(f"{name}: {path}: {error.strerror}") from error
    if not secret:
        raise ValueError(f"{name}: FEEDBACK_URL is set, so it must name a file with a key")
    return secret
