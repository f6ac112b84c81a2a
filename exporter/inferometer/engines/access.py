"""Targets as they are configured: where an endpoint is, its token, certificates, and patience."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from inferometer.config import EnginesSection, EngineTarget
from inferometer.documents.mistakes import Document
from inferometer.engines.fetch import Access
from inferometer.engines.page import PageShape
from inferometer.engines.reading import Names
from inferometer.engines.tables import TABLES
from inferometer.engines.target import State, Target
from inferometer.sieve import Refusals

MODEL_VARIABLE = "INFEROMETER_MODEL"  # the model's name, where a target has none
LOOKS = 4
DOCUMENT_SECONDS = 5.0  # for the documents beside a page


def make_target(name: str, settings: EngineTarget, engines: EnginesSection,
                refusals: Refusals) -> Target:
    """A target as configured, its secrets and certificates at hand. Raises OSError."""
    token = os.environ.get(settings.bearer_token_env, "").strip()
    access = Access(token, settings.bearer_token_file, tls=tls(settings),
                    max_bytes=engines.max_page_bytes)
    model = settings.model or os.environ.get(MODEL_VARIABLE, "").strip()
    names = Names(model, settings.entry_models)
    return Target(name, settings.url, TABLES, access, engines.timeout_seconds, names=names,
                  refusals=refusals)


def ask(settings: EngineTarget, engines: EnginesSection) -> tuple[str, State, PageShape | None]:
    """The URL of an endpoint's page, what it answers, and the page's shape. Raises OSError.

    It is asked LOOKS times: several processes may answer by turns.
    """
    target = make_target("explained", settings, engines, Refusals())
    for _ in range(LOOKS):
        state = target.state(target.ask(), engines.timeout_seconds + DOCUMENT_SECONDS)
        if not state.up:
            break
    return target.url, state, target.shape


def tls(target: EngineTarget) -> ssl.SSLContext | None:
    """What the target's certificate is held against; None for the system's authorities.

    Raises OSError, of which ssl.SSLError is one: then the file holds no usable certificate.
    """
    if not (target.ca_file or target.insecure_skip_verify):
        return None
    context = ssl.create_default_context(cafile=target.ca_file or None)
    if target.insecure_skip_verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def check_tls(target: EngineTarget, prefix: str, document: Document) -> None:
    """Report if the target's certificates cannot be used; `prefix` is the path of its keys."""
    if document.good(f"{prefix}ca_file"):
        try:
            tls(target)
        except OSError:
            document.report(f"{prefix}ca_file", f"{target.ca_file}: no usable certificate")


def authorities(target: EngineTarget) -> bytes:
    """The text of the target's certificate authorities: another text makes another target."""
    return Path(target.ca_file).read_bytes() if target.ca_file else b""
