"""One key file, and the subkeys that are derived from it: one for each use, none tells another."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import stat
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from inferometer.ledger.errors import KeyFileError, LedgerError

SIZE = 32  # bytes of the key, which the file has in hex
NAME_SIZE = 10  # bytes of a user's or conversation's hash: a million users have no two alike
IN_TRACE_BITS = 40  # of a digest: the rest is the trace's, so that its spans lie side by side
_TRACE_SIZE, _SPAN_SIZE = 3, 5  # bytes of the same
_MENTION_SIZE = 4  # bytes
_MOST_NAMES = 65536  # hashes that are remembered
_HALF = 8  # bytes of a trace id of ours that are random; the others are signed with the key


class Veiled(str):
    """A hash of a user's or a conversation's name, in the name's place."""

    __slots__ = ()


@dataclass(frozen=True)
class KeyRing:
    """What is derived from the key."""

    fingerprint: str  # of the key: tells whether another one is the same, and nothing else
    _identity: bytes
    _names: bytes
    sampling: bytes
    capabilities: bytes
    _beats: bytes
    _judging: bytes
    _judged: bytes
    _mentions: bytes
    _of_trace: hashlib.blake2b = field(init=False, compare=False)
    _of_span: hashlib.blake2b = field(init=False, compare=False)

    def __post_init__(self) -> None:
        # Begun here: to take the key in is most of the work.
        for name, size in (("_of_trace", _TRACE_SIZE), ("_of_span", _SPAN_SIZE)):
            object.__setattr__(self, name, hashlib.blake2b(digest_size=size, key=self._identity))

    @classmethod
    def of(cls, key: bytes) -> KeyRing:
        """The subkeys of a key: HMAC-SHA-256 of what each is for."""
        def derived(purpose: str) -> bytes:
            return hmac.digest(key, f"inferometer/{purpose}".encode(), "sha256")
        return cls(derived("fingerprint")[:8].hex(), derived("identity"), derived("names"),
                   derived("sampling"), derived("capabilities"), derived("heartbeats"),
                   derived("judging"), derived("judged"), derived("mentions"))

    def trace_digest(self, trace_id: bytes) -> int:
        """The least digest that a span of the trace can have: a signed number of 64 bits."""
        short = self._of_trace.copy()
        short.update(trace_id)
        return int.from_bytes(short.digest(), "big", signed=True) << IN_TRACE_BITS

    def span_digest(self, trace_id: bytes, span_id: bytes) -> int:
        """What is added to that for a span."""
        digest = self._of_span.copy()
        digest.update(trace_id + span_id)
        return int.from_bytes(digest.digest(), "big")

    def samples(self, trace_id: bytes, ratio: float) -> bool:
        """Whether a trace is one of this part of all: every gateway with the key says the same."""
        digest = hmac.digest(self.sampling, trace_id, "sha256")
        return int.from_bytes(digest[:8], "big") < ratio * 2**64

    def judged_place(self, trace_id: bytes) -> float:
        """From 0 to 1: judges see the traces below the part that they are to see of all.

        Every gateway with the key says the same, and it tells nothing of whose content is kept.
        """
        return int.from_bytes(hmac.digest(self._judged, trace_id, "sha256")[:6], "big") / 2**48

    def answer_digest(self, *texts: str) -> bytes:
        """What stands for an answer and what it was given: 16 bytes."""
        digest = hashlib.blake2b(digest_size=16, key=self._judged)
        for text in map(_bytes, texts):
            digest.update(len(text).to_bytes(8, "big") + text)
        return digest.digest()

    def stream_digest(self, identity: bytes) -> bytes:
        """What a stream of metrics has in the ledger: 16 bytes."""
        return hashlib.blake2b(identity, digest_size=16, key=self._identity).digest()

    def subject_number(self, subject: str) -> int:
        """What stands for the subject of a vote: a signed number of 64 bits."""
        digest = hashlib.blake2b(_bytes(subject), digest_size=8, key=self._identity).digest()
        return int.from_bytes(digest, "big", signed=True)

    def vote_digest(self, *parts: str) -> bytes:
        """What stands for a ballot or for a nonce: 16 bytes."""
        text = b"vote" + b"".join(len(part).to_bytes(4, "big") + part
                                  for part in map(_bytes, parts))
        return hashlib.blake2b(text, digest_size=16, key=self.capabilities).digest()

    def mention_digest(self, trace_id: bytes, reading: str) -> str:
        """What stands for something that a trace's text states: 8 digits, other ones in each trace.
        """
        return hashlib.blake2b(_bytes(reading), digest_size=_MENTION_SIZE, key=self._mentions,
                               salt=trace_id).hexdigest()

    def beat_trace(self) -> bytes:
        """A trace id of a heartbeat, which nobody can make who has no key."""
        return _signed(self._beats)

    def is_beat(self, trace_id: bytes) -> bool:
        """Whether it is one of these."""
        return _is_signed(self._beats, trace_id)

    def judge_trace(self) -> bytes:
        """A trace id of a request to a judge: by it spans that others send of it are known."""
        return _signed(self._judging)

    def is_judge_trace(self, trace_id: bytes) -> bool:
        """Whether it is one of these, of any gateway with the key."""
        return _is_signed(self._judging, trace_id)

    def veil(self, name: str) -> Veiled:
        """What stands for a user or a conversation in the ledger; what is veiled stays so."""
        return name if isinstance(name, Veiled) else _veiled(self._names, name)


def _signed(key: bytes) -> bytes:
    begin = os.urandom(_HALF)
    return begin + _mark(key, begin)


def _is_signed(key: bytes, trace_id: bytes) -> bool:
    return trace_id[_HALF:] == _mark(key, trace_id[:_HALF])


def _mark(key: bytes, begin: bytes) -> bytes:
    return hashlib.blake2b(begin, digest_size=_HALF, key=key).digest()


@lru_cache(_MOST_NAMES)
def _veiled(key: bytes, name: str) -> Veiled:
    return Veiled(hmac.digest(key, _bytes(name), "sha256")[:NAME_SIZE].hex())


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def read_keys(path: Path) -> KeyRing:
    """The keys of a file. Raises KeyFileError, FileNotFoundError where there is none."""
    text = path.read_text(encoding="ascii", errors="replace").strip()
    with contextlib.suppress(ValueError):
        key = bytes.fromhex(text)
        if len(key) == SIZE:
            return KeyRing.of(key)
    raise KeyFileError(f"{path} must hold {2 * SIZE} hexadecimal digits, and nothing else")


def keys_of(ledger: str, path: Path, fingerprint: str) -> KeyRing:
    """The keys of a file, which must be those that the ledger was begun with.

    Raises LedgerError, KeyFileError.
    """
    try:
        keys = read_keys(path)
    except FileNotFoundError:
        raise LedgerError(f"{path} is missing: {ledger} was written with the key of fingerprint "
                          f"{fingerprint}, and means nothing with another") from None
    if keys.fingerprint != fingerprint:
        raise LedgerError(f"{path} has another key (fingerprint {keys.fingerprint}) than "
                          f"{ledger} was written with ({fingerprint})")
    return keys


def make_key_file(path: Path) -> None:
    """Write a new key for the owner's eyes alone. Raises FileExistsError, OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "w", encoding="ascii") as file:
        file.write(f"{os.urandom(SIZE).hex()}\n")
        file.flush()
        os.fsync(handle)


def is_open_to_all(path: Path) -> bool:
    """Whether every user of the machine may read the file."""
    return bool(path.stat().st_mode & stat.S_IROTH)
