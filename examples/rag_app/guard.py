"""Headers by which a browser lets the page do what it does, and nothing else."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadersMiddleware:
    """Puts them on every answer. Nothing but the feedback's address is let in from elsewhere."""

    def __init__(self, app: ASGIApp, feedback_url: str) -> None:
        self._app = app
        url = urlsplit(feedback_url)
        feedback = f" {url.scheme}://{url.netloc}" if url.netloc else ""
        self._headers = {
            "Content-Security-Policy":
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                f"connect-src 'self'{feedback}; form-action 'none'; base-uri 'none'; "
                "frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cache-Control": "no-store"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with them."""
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await self._app(scope, receive, send_guarded)
