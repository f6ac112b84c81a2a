"""The kinds of senders there are: what runs, and which scenes of the provider it plays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.senders.provider import SCENES

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
INSTALLED = Path(os.environ.get("SENDERS", ROOT / ".cache" / "senders"))  # by `make senders`
NODE = INSTALLED / "node"
OF_OPENAI = tuple(scene for scene in SCENES if not scene.startswith("messages"))
# What its Node SDK is asked to do, besides.
OF_NODE = tuple(scene for scene in OF_OPENAI if scene not in ("tools", "responses_stream"))


# What no span has, "SCENE FIGURE", in the order of the scenes and of tokens.
_NODE_OPENINFERENCE = (
    "stream input", "stream cached", "stream output", "stream reasoning", "rate_limit call",
    "boom call", "embeddings input")
_DETAILS = ("cached", "reasoning")


def _details(*scenes: str) -> tuple[str, ...]:
    return tuple(f"{scene} {figure}" for scene in scenes for figure in _DETAILS)


@dataclass(frozen=True)
class Kind:
    """One kind of sender."""

    name: str
    scenes: tuple[str, ...]
    command: tuple[str | Path, ...]  # the scenes come after it
    settings: Mapping[str, str] = field(default_factory=dict)  # of its environment
    lacks: tuple[str, ...] = ()  # what none of its spans has

    @property
    def service(self) -> str:
        """How it names itself."""
        return f"sender-{self.name}"


def python(name: str, scenes: tuple[str, ...], lacks: tuple[str, ...] = (),
           instrumentation: str = "", **settings: str) -> Kind:
    """An application of Python, in the environment of this name."""
    interpreter = INSTALLED / name / "bin" / "python"
    return Kind(name, scenes, (interpreter, HERE / "application.py", instrumentation or name),
                settings, lacks)


def _node(instrumentation: str, encoding: str, compression: str, lacks: tuple[str, ...]) -> Kind:
    return Kind(f"node-{instrumentation}-{encoding}-{compression}", OF_NODE,
                ("node", NODE / "application.mjs", instrumentation, encoding, compression),
                lacks=lacks)


_GZIP = {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}
KINDS = {kind.name: kind for kind in (
    python("genai", tuple(SCENES)),
    python("openai-v2", OF_OPENAI, (
        *_details("chat", "stream", "again"), "responses call", "responses_stream call"),
        **_GZIP),
    python("openinference", tuple(SCENES)),
    python("traceloop", tuple(SCENES), ("stream reasoning",), **_GZIP),
    _node("openinference", "json", "none", _NODE_OPENINFERENCE),
    _node("traceloop", "json", "gzip", (
        *_details("chat"), "stream input", "stream cached", "stream output", "stream reasoning",
        *_details("again"), "rate_limit call", "boom call", *_details("responses"),
        "embeddings call")),
    _node("official", "proto", "none", _details("chat", "stream", "again", "responses")),
    _node("openinference", "proto", "gzip", _NODE_OPENINFERENCE),
)}
