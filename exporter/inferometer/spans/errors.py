"""Why a call failed, by the many names that libraries give to it: one table, closed answers.

Sources: the exceptions of openai, anthropic, litellm, botocore, google-genai, cohere, mistralai,
httpx, aiohttp and requests; error codes of the APIs of OpenAI, Anthropic and Google; codes
of HTTP and JSON-RPC.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from inferometer.facts import ErrorType, Outcome

# By the last word of a name, in small letters, without what is no letter. Longer ones first.
_NAMES: tuple[tuple[str, ErrorType], ...] = (
    (r"contextlength|contextwindow|prompttoolong|stringabovemaxlength|maxtokensexceeded"
     r"|requesttoolarge|inputtoolong", ErrorType.CONTEXT_LENGTH),
    (r"ratelimit|toomanyrequests|throttl|quota|resourceexhausted|insufficientquota|capacity",
     ErrorType.RATE_LIMIT),
    (r"overloaded|serviceunavailable|unavailable|modelnotready|serverbusy|engineoverloaded",
     ErrorType.OVERLOADED),
    (r"timeout|timedout|deadlineexceeded", ErrorType.TIMEOUT),
    (r"authentication|unauthori[sz]ed|unauthenticated|invalidapikey|expiredtoken|unrecognizedclient",
     ErrorType.AUTHENTICATION),
    (r"permission|forbidden|accessdenied|billing", ErrorType.PERMISSION),
    (r"notfound|nosuchmodel|modelnotexist", ErrorType.NOT_FOUND),
    (r"badrequest|invalidrequest|unprocessable|validationexception|invalidargument"
     r"|unsupportedparams|contentpolicyviolation|conflict|failedprecondition|invalidprompt",
     ErrorType.BAD_REQUEST),
    (r"cancel", ErrorType.CANCELLED),
    (r"generatorexit|abandon|streamclosed|clientdisconnect|abort", ErrorType.ABANDONED),
    (r"tool_?error|toolexecution|toolretry", ErrorType.TOOL),
    (r"incompleteread|remoteprotocol|apiconnection|connecterror|connectionerror|connection|socket"
     r"|networkerror|readerror|writeerror|dnsfailure|protocolerror|econnre|enotfound|fetchfailed",
     ErrorType.CONNECTION),
    (r"internalserver|servererror|internal|badgateway|modelerror|serverexception|serviceerror"
     r"|apierror$", ErrorType.SERVER),
)
# Names of any failure of a call: the message says more, if it says anything.
_ANY_FAILURE = re.compile(r"apistatus|apicallerror|httperror|httpstatus|retryerror|responseerror"
                          r"|clienterror|apiexception")
_PATTERNS = tuple((re.compile(pattern), error) for pattern, error in _NAMES)

_CODES: Mapping[int, ErrorType] = {
    400: ErrorType.BAD_REQUEST, 401: ErrorType.AUTHENTICATION, 402: ErrorType.PERMISSION,
    403: ErrorType.PERMISSION, 404: ErrorType.NOT_FOUND, 408: ErrorType.TIMEOUT,
    409: ErrorType.BAD_REQUEST, 413: ErrorType.CONTEXT_LENGTH, 422: ErrorType.BAD_REQUEST,
    429: ErrorType.RATE_LIMIT, 499: ErrorType.CANCELLED, 503: ErrorType.OVERLOADED,
    504: ErrorType.TIMEOUT, 529: ErrorType.OVERLOADED,
}
# Of JSON-RPC, and those that MCP and its SDKs add.
_RPC_CODES: Mapping[str, ErrorType] = {
    "-32700": ErrorType.BAD_REQUEST, "-32600": ErrorType.BAD_REQUEST,
    "-32601": ErrorType.NOT_FOUND, "-32602": ErrorType.BAD_REQUEST, "-32603": ErrorType.SERVER,
    "-32000": ErrorType.CONNECTION, "-32001": ErrorType.TIMEOUT, "-32002": ErrorType.NOT_FOUND,
    "-32020": ErrorType.BAD_REQUEST, "-32021": ErrorType.BAD_REQUEST,
    "-32022": ErrorType.BAD_REQUEST, "-32800": ErrorType.CANCELLED,
}
_CODE = re.compile("[45][0-9][0-9]")  # of HTTP
# "Error code: 429 - …", "HTTP Error 500: …", "status code 503"
_CODE_IN_TEXT = re.compile(r"(?i)\b(?:error|status|http|code)\D{0,14}\b([45]\d\d)\b|^([45]\d\d)\b")

# What says that a message is about one of these, where nothing else does.
_CONTEXT = re.compile(
    r"context length|context window|maximum context|prompt is too long|too many tokens")
_MESSAGES: tuple[tuple[str, ErrorType], ...] = (
    (r"rate limit|too many requests|quota", ErrorType.RATE_LIMIT),
    (r"overloaded|unavailable", ErrorType.OVERLOADED),
    (r"timed out|timeout", ErrorType.TIMEOUT),
    (r"abandoned|generatorexit|client disconnected", ErrorType.ABANDONED),
    (r"cancell?ed", ErrorType.CANCELLED),
    (r"api key|authenticat|unauthorized", ErrorType.AUTHENTICATION),
    (r"connection|connect|refused", ErrorType.CONNECTION),
    (r"internal", ErrorType.SERVER),
)
_MESSAGE_PATTERNS = tuple((re.compile(pattern), error) for pattern, error in _MESSAGES)

OUTCOMES: Mapping[ErrorType, Outcome] = {
    ErrorType.NONE: Outcome.SUCCESS,
    ErrorType.RATE_LIMIT: Outcome.REJECTED,
    ErrorType.AUTHENTICATION: Outcome.INVALID,
    ErrorType.PERMISSION: Outcome.INVALID,
    ErrorType.NOT_FOUND: Outcome.INVALID,
    ErrorType.BAD_REQUEST: Outcome.INVALID,
    ErrorType.CONTEXT_LENGTH: Outcome.INVALID,
    ErrorType.CANCELLED: Outcome.ABORT,
    ErrorType.ABANDONED: Outcome.ABORT,
}


def outcome_of(error: ErrorType) -> Outcome:
    """Whose fault it was; whatever is not listed is the server's."""
    return OUTCOMES.get(error, Outcome.ERROR)


def error_of(names: tuple[str, ...], message: str) -> ErrorType:
    """The first of these names that says something, else what the message says."""
    for name in names:
        error = _by_name(name)
        if error is ErrorType.BAD_REQUEST and _CONTEXT.search(message[:512].lower()):
            return ErrorType.CONTEXT_LENGTH
        if error is not ErrorType.OTHER:
            return error
    error = _by_message(message[:512])
    if error is ErrorType.OTHER and any(_ANY_FAILURE.search(_word(name)) for name in names):
        return ErrorType.SERVER
    return error


def error_of_code(code: int) -> ErrorType:
    """What an HTTP status of 400 or more says."""
    return _CODES.get(code, ErrorType.BAD_REQUEST if code < 500 else ErrorType.SERVER)


@lru_cache(maxsize=1024)
def _by_name(name: str) -> ErrorType:
    name = name.strip()[-128:]
    if _CODE.fullmatch(name):
        return error_of_code(int(name))
    if name in _RPC_CODES:
        return _RPC_CODES[name]
    word = _word(name)
    if _ANY_FAILURE.search(word):
        return ErrorType.OTHER
    for pattern, error in _PATTERNS:
        if word and pattern.search(word):
            return error
    return ErrorType.OTHER


def _word(name: str) -> str:
    return re.sub("[^a-z]", "", name.rpartition(".")[2].lower())


@lru_cache(maxsize=1024)
def _by_message(message: str) -> ErrorType:
    small = message.lower()
    if _CONTEXT.search(small):
        return ErrorType.CONTEXT_LENGTH
    if match := _CODE_IN_TEXT.search(message):
        return error_of_code(int(match[1] or match[2]))
    for pattern, error in _MESSAGE_PATTERNS:
        if pattern.search(small):
            return error
    return ErrorType.OTHER
