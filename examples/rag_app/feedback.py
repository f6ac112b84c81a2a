"""Signs what lets a browser vote on one answer, once: a capability of docs/feedback.md."""

from __future__ import annotations

import base64
import hmac
import secrets
import time

NAMES = ("thumbs_up", "thumbs_down", "regenerate", "copy", "report_hallucination",
         "conversation_end")
SECONDS = 3600


def capability(key: bytes, trace_id: str) -> str:
    """One for an answer, by the trace in which it was made."""
    head = ".".join(("v1", str(int(time.time()) + SECONDS), "+".join(NAMES),
                     _text(f"trace:{trace_id}".encode()), secrets.token_urlsafe(16)))
    return f"{head}.{_text(hmac.digest(key, head.encode(), 'sha256'))}"


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
