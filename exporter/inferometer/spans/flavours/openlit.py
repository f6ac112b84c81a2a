"""OpenLIT's SDK.

Source: openlit/openlit, sdk/python/src/openlit/semcov/__init__.py.
"""

from __future__ import annotations

from inferometer.spans.flavours.genai import GENAI, OPERATIONS
from inferometer.spans.flavours.reading import count, document, step_into, text
from inferometer.spans.flavours.table import (
    CHAIN,
    RETRIEVAL,
    Steps,
)
from inferometer.spans.span import Span

_MESSAGES = "gen_ai.output.messages"


def _estimated(span: Span) -> bool:
    """Half a text's length, rounded up, where no usage came; nothing marks it as a guess.

    Usage that came has its cached tokens beside it, if only 0, but not that of embeddings.
    """
    attributes = span.attributes
    if attributes.get("gen_ai.operation.name") == "embeddings":
        return False
    if "gen_ai.usage.cache_read.input_tokens" not in attributes:
        return True
    output = count(attributes.get("gen_ai.usage.output_tokens"))
    answer = "".join(
        text(part.get("content"))
        for message in _list(document(attributes.get(_MESSAGES)))
        for part in _list(step_into(message, ("parts",))) if isinstance(part, dict))
    return bool(answer) and output == (len(answer) + 1) // 2


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


OPENLIT = GENAI.but(
    "OpenLIT",
    scopes=("openlit*",),
    marks=("gen_ai.sdk.version",),
    steps=(Steps("gen_ai.operation.name", {
        "vectordb": RETRIEVAL,
        "framework": CHAIN,
        "workflow": CHAIN,
        "agent": CHAIN,
    }), OPERATIONS),
    fields={"time_to_first_token": ("gen_ai.server.time_to_first_token",)},
    says_streamed=True,
    least_first_token=0.02,  # it begins with the answer's head, which may come with the token
    estimated=_estimated,
    long=(_MESSAGES,),
)
