"""The base image of the Dockerfile, which a release names by the digest of its content."""

from __future__ import annotations

import re

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_BASE = re.compile(r"^(ARG PYTHON_IMAGE=)([^@\s]+)(?:@(\S+))?$", re.MULTILINE)


def base(dockerfile: str) -> tuple[str, str]:
    """The base image without its digest, and that, empty where there is none."""
    match = _BASE.search(dockerfile)
    if match is None:
        raise ValueError("the Dockerfile has no line ARG PYTHON_IMAGE=...")
    return match[2], match[3] or ""


def with_digest(dockerfile: str, digest: str) -> str:
    """The Dockerfile on that very content; as it is where none is given."""
    return _BASE.sub(rf"\1\2@{digest}", dockerfile) if digest else dockerfile
