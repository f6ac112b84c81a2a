"""A body as one destination is to have it: as it came, or redacted, or in its other encoding."""

from __future__ import annotations

import zlib

from inferometer.config.destinations import NOTHING
from inferometer.sinks.destinations import Destination
from inferometer.sinks.encoding import CONTENT_TYPES, encoding_of, reencoded
from inferometer.sinks.feedback_bodies import BODIES
from inferometer.sinks.feedback_vote import redacted_vote, waiting_vote
from inferometer.sinks.outbox import VOTES, SentBody
from inferometer.sinks.redaction import redacted
from inferometer.spans.decoded import PROTOBUF

MOST_BYTES = 2**26  # of a body unpacked: what intake.max_body_bytes may be at most
LEAST_PACKED = 1024  # bytes: below it gzip is not worth its while
LEVEL = 1  # of gzip: half the CPU of the usual one, for a tenth more bytes
_GZIP = 16 + zlib.MAX_WBITS


class UnfitError(ValueError):
    """A body that cannot be made what the destination is to have."""


def fitted(body: SentBody, destination: Destination) -> SentBody:
    """The body for the destination. Raises ValueError where that cannot be made of it."""
    if body.signal in VOTES:
        return _fitted_vote(body, destination)
    encoding = destination.encoding or encoding_of(body.encoding)
    same = encoding == encoding_of(body.encoding)
    packs = destination.preset.gzip
    if destination.redaction == NOTHING and same and (packs or not body.coding):
        return body
    content = unpacked(body)
    content = redacted(content, body.encoding, body.signal, destination.redaction)
    content = reencoded(content, body.encoding, body.signal, encoding)
    coding = "gzip" if packs and len(content) >= LEAST_PACKED else ""
    if coding:
        packer = zlib.compressobj(LEVEL, wbits=_GZIP)
        content = packer.compress(content) + packer.flush()
    return body._replace(content=content, encoding=CONTENT_TYPES[encoding], coding=coding)


def _fitted_vote(body: SentBody, destination: Destination) -> SentBody:
    vote = redacted_vote(waiting_vote(body), destination.redaction)
    content_type, content = BODIES[destination.preset.feedback.form](
        vote, destination.encoding or PROTOBUF)
    return body._replace(content=content, encoding=content_type)


def unpacked(body: SentBody) -> bytes:
    """Its content without gzip, of which there may be several members. Raises ValueError."""
    if not body.coding:
        return body.content
    plain, rest = bytearray(), body.content
    try:
        while rest:
            member = zlib.decompressobj(_GZIP)
            plain += member.decompress(rest, MOST_BYTES - len(plain) + 1)
            if len(plain) > MOST_BYTES or not member.eof:
                raise UnfitError("it cannot be unpacked")
            rest = member.unused_data.lstrip(b"\0")  # members may be padded
    except zlib.error as error:
        raise UnfitError("it cannot be unpacked") from error
    return bytes(plain)
