"""Why something failed, in words for people: the one place that puts an error into them.

An error of the system, of TLS, of DNS, of HTTP's packing or of YAML comes as a code, as a class of
Python's, or in the words of a parser's own making. Whoever logs, shows or prints an error asks here
for its reason. Errors of our own are written in such words already.
"""

from __future__ import annotations

import re
import socket
import ssl
import traceback
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PACKAGE = __name__.partition(".")[0]
FOLDER = Path(__file__).parent
UNFORESEEN = "unforeseen"
LONGEST_REASON = 1000  # characters
MOST_PLACES = 12  # of a failure that is not of our own, innermost first

# Source of the codes: X509_V_ERR_* in x509_vfy.h of OpenSSL.
_CERTIFICATES: Mapping[int, str] = {
    9: "is not valid yet",
    10: "has expired",
    18: "is signed by itself, and no authority that is trusted",
    19: "is signed by an authority that is not trusted",
    20: "is signed by an authority that is not trusted",
    21: "is signed by an authority that is not trusted",
    62: "is for another name than the one that was asked",
    64: "is for another address than the one that was asked",
}
# By the names of OpenSSL's reasons (SSL_R_* in sslerr.h, PEM_R_* in pemerr.h); the first that fits.
_TLS = (
    (r"WRONG_VERSION_NUMBER|HTTP_REQUEST|UNKNOWN_PROTOCOL|PACKET_LENGTH_TOO_LONG"
     r"|RECORD_LAYER_FAILURE", "what answers does not speak TLS: is it http:// and not https://?"),
    (r"UNSUPPORTED_PROTOCOL|.*PROTOCOL_VERSION", "no version of TLS in common"),
    (r".*CERTIFICATE_REQUIRED|.*BAD_CERTIFICATE|PEER_DID_NOT_RETURN_A_CERTIFICATE"
     r"|.*UNKNOWN_CA", "a client's certificate is asked for"),
    (r"NO_START_LINE|NO_CERTIFICATE_OR_CRL_FOUND", "it has no such block of PEM"),
    (r".*HANDSHAKE_FAILURE|NO_SHARED_CIPHER",
     "no agreement on TLS: perhaps a client's certificate is asked for"),
)
_NAMES: Mapping[int, str] = {
    socket.EAI_AGAIN: "the name cannot be resolved now: no name server answers",
    socket.EAI_NONAME: "no host has this name",
    getattr(socket, "EAI_NODATA", socket.EAI_NONAME): "no host has this name",
}
# PyYAML's problems; what is said here follows "is not YAML: ".
_YAML = (
    (r"mapping values are not allowed here",
     "a colon stands where none may be; put text with a colon in quotes"),
    (r"expected ',' or '(.)', but .*", r"a bracket is not closed by \1"),
    (r"expected <block end>, but .*",
     "this line is indented otherwise than those it belongs to, or lacks its dash or colon"),
    (r"found unexpected end of stream", "quotes are not closed"),
    (r"found character '([^\\])' that cannot start any token",
     r"put text that begins with \1 in quotes"),
    (r"found undefined alias '(.*)'",
     r"*\1 stands for nothing in this file; put text that begins with * in quotes"),
    (r"could not find expected ':'", "a key has no colon behind it"),
    (r"expected the node content, but found '<?(.*?)>?'", r"a value is missing before \1"),
)


# By the names of SQLite's result codes, the special ones first (sqlite.org/rescode.html).
_DATABASE = (
    (r"SQLITE_FULL", "the disk is full"),
    (r"SQLITE_READONLY.*", "it may not be written"),
    (r"SQLITE_CANTOPEN.*", "it cannot be opened"),
    (r"SQLITE_(BUSY|LOCKED|PROTOCOL).*", "another process is writing it for too long"),
    (r"SQLITE_(CORRUPT|NOTADB).*", "it is damaged"),
    (r"SQLITE_IOERR.*", "the disk cannot read or write it"),
    (r"SQLITE_NOMEM", "there is no memory left for it"),
)


def reason_of(error: BaseException) -> str:
    """Why it failed, on one line and without the name of a class, a code or a place."""
    if is_ours(error):
        return str(error) or _spaced(error)
    for kind, words in _KINDS:
        if isinstance(error, kind):
            return _one_line(words if isinstance(words, str) else words(error))
    if words := _database(error) or _clickhouse(error):
        return words
    return _one_line(f"{UNFORESEEN} {_spaced(error)}: {error}".rstrip(": "))


def yaml_reason(problem: str) -> str:
    """A problem that PyYAML names, in other words where its own are about its insides."""
    for pattern, words in _YAML:
        if match := re.fullmatch(pattern, problem, re.DOTALL):
            return match.expand(words)
    return problem


def is_ours(error: BaseException) -> bool:
    """Whether the error is one that this package raises, with a message for people."""
    return type(error).__module__.partition(".")[0] == PACKAGE


def places_of(error: BaseException) -> str:
    """Where it came up, innermost first, for a report: files of ours by their place in the package.
    """
    frames = reversed(traceback.extract_tb(error.__traceback__))
    return " < ".join(f"{_place(frame.filename)}:{frame.lineno}"
                      for frame, _ in zip(frames, range(MOST_PLACES), strict=False))


def _certificate(error: BaseException) -> str:
    code = getattr(error, "verify_code", 0)
    words = str(getattr(error, "verify_message", "")).rstrip(".")
    return f"the certificate {_CERTIFICATES.get(code) or f'is not trusted: {words}'}"


def _tls(error: BaseException) -> str:
    name = str(getattr(error, "reason", None) or "").upper().replace(" ", "_")
    words = next((words for pattern, words in _TLS if re.fullmatch(pattern, name)), "")
    return words or " ".join(filter(None, ("TLS failed:", name.lower().replace("_", " ")))).rstrip(
        ":")


def _name(error: BaseException) -> str:
    return _NAMES.get(getattr(error, "errno", None) or 0, "the name cannot be resolved")


def _system(error: BaseException) -> str:
    """The system's own words, which are for people."""
    return getattr(error, "strerror", None) or str(error) or "the system refused it"


def _database(error: BaseException) -> str:
    """By the code alone: who keeps nothing is not to have SQLite in memory."""
    name = str(getattr(error, "sqlite_errorname", ""))
    return next((words for pattern, words in _DATABASE if re.fullmatch(pattern, name)), "")


def _clickhouse(error: BaseException) -> str:
    """The server's own words, or why it gave none; by the name of its client's room, as above."""
    if not type(error).__module__.startswith("clickhouse_connect."):
        return ""
    if words := re.search(r"DB::Exception: (.*?)\s*(?:\(version |$)", str(error), re.DOTALL):
        return _one_line(words[1])
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__ or getattr(cause, "reason", None)
    return reason_of(cause) if cause is not None else "no answer"


def _spaced(error: BaseException) -> str:
    """The name of the error's class as words: "key error"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", type(error).__name__).lower()


def _place(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(FOLDER)) if path.is_relative_to(FOLDER) else path.name


def _one_line(text: str) -> str:
    return " ".join(text.split())[:LONGEST_REASON]


Wording = str | Callable[[BaseException], str]
# The first kind that fits: those of a special kind stand before the general ones.
_KINDS: Sequence[tuple[type[BaseException], Wording]] = (
    (ssl.SSLCertVerificationError, _certificate),
    (ssl.SSLEOFError, "the connection was closed in the midst of TLS"),
    (ssl.SSLZeroReturnError, "the connection was closed in the midst of TLS"),
    (ssl.SSLError, _tls),
    (socket.gaierror, _name),
    (ConnectionRefusedError, "connection refused"),
    (ConnectionResetError, "the connection was reset"),
    (BrokenPipeError, "the connection was closed"),
    (TimeoutError, "no answer in time"),
    (OSError, _system),
    (zlib.error, "what came cannot be unpacked"),
    (UnicodeDecodeError, "it is not UTF-8"),
    (RecursionError, "it is nested too deeply"),
    (MemoryError, "there is no memory left for it"),
    (EOFError, "it ended early"),
)
