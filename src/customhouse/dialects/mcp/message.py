# SPDX-License-Identifier: Apache-2.0
"""One JSON-RPC 2.0 message: read strictly, and written compactly.

Rules kept:
- Every parser reads a message the same way: duplicate keys, NaN, infinity, lone surrogates, too many bytes and too many
  levels are refused (`strict_json`). A batch is refused: 2025-06-18 removed it.
- An id is an integer or a text, never null, true or 1.0: an answer must find its one request.
- What is passed on is passed on byte for byte: `members` has each parameter as it was spelled, so that no number
  changes on the way. Line breaks between tokens are taken out first: they would cut a message in two on stdio, and in
  an event stream.

Story: Mallory pretty-prints a call to a stdio server so that its arguments stand on lines of their own, the last of
them a whole call of another tool. The server gets one line, which is the call that was decided.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeGuard, cast

import msgspec

from customhouse.dialects.mcp.refused import INVALID_REQUEST, PARSE_ERROR, Id, Refused, refused
from customhouse.dialects.strict_json import strictly
from customhouse.domain.errors import InvalidRequest

MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
"""A message of a client; arguments are bounded further where they are decided on."""
MAX_DEPTH: Final = 128
"""Levels of one message: arguments may have 64, and a message wraps them."""
MAX_ID_CHARACTERS: Final = 512
"""Room for a client's id, and for the server's name that is put before a server's."""
MAX_ID: Final = 2**63 - 1
MAX_METHOD_CHARACTERS: Final = 128

_WHITE: Final = b"\n\r\t"
_VERSION: Final = "2.0"
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_write = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Call:
    """A request that is owed an answer. `params` are for deciding, `members` are the same for passing on."""

    id: Id
    method: str
    params: Mapping[str, object]
    members: Mapping[str, msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Note:
    """A notification: nobody answers it."""

    method: str
    params: Mapping[str, object]
    members: Mapping[str, msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Failure:
    """The error of an answer."""

    code: int
    message: str
    data: msgspec.Raw | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: a result, or a failure and then no result. `members` is the result for passing on.

    `id` is None only in a failure to read the request, which cannot say which it was.
    """

    id: Id | None
    result: Mapping[str, object]
    members: Mapping[str, msgspec.Raw]
    failure: Failure | None = None


Message = Call | Note | Response


def read(body: bytes, *, limit: int = MAX_MESSAGE_BYTES) -> Message:
    """Return the one message of a body of at most `limit` bytes. Raises Refused. Cost: about 15 µs for 1 KB."""
    if len(body) > limit:
        raise Refused(413, INVALID_REQUEST, f"the message is larger than {limit} bytes")
    try:
        value = strictly(body, depth=MAX_DEPTH)
    except InvalidRequest as error:  # DuplicateKey is one
        raise refused(PARSE_ERROR, error.detail) from error
    if not isinstance(value, dict):
        raise refused(INVALID_REQUEST, "one JSON-RPC message expected; a batch is not taken")
    found = cast("dict[str, object]", value)
    # No white space is inside a string, where JSON has it escaped: all of it stands between two tokens.
    raw = _members(body.translate(None, _WHITE))
    given = found.get("id")
    request_id = given if _is_id(given) else None
    if found.get("jsonrpc") != _VERSION:
        raise refused(INVALID_REQUEST, 'a JSON-RPC message with "jsonrpc":"2.0" expected', request_id=request_id)
    if "id" in found and request_id is None and not ("error" in found and given is None):
        raise refused(
            INVALID_REQUEST, f"an id is an integer of 64 bits, or a text of at most {MAX_ID_CHARACTERS} characters"
        )
    match "method" in found, "result" in found, "error" in found:
        case True, False, False:
            method = found["method"]
            if not isinstance(method, str) or not 0 < len(method) <= MAX_METHOD_CHARACTERS:
                raise refused(
                    INVALID_REQUEST,
                    f"a method is a text of 1 to {MAX_METHOD_CHARACTERS} characters",
                    request_id=request_id,
                )
            params, members = _object(found, raw, "params", request_id)
            return Note(method, params, members) if request_id is None else Call(request_id, method, params, members)
        case False, True, False if request_id is not None:
            return Response(request_id, *_object(found, raw, "result", request_id))
        case False, False, True:
            return Response(request_id, {}, {}, _failure(found, raw, request_id))
        case _:
            raise refused(
                INVALID_REQUEST, "a message has a method, or with its id a result or an error", request_id=request_id
            )


def result(request_id: Id, value: Mapping[str, object]) -> bytes:
    """Return an answer; a part of `value` that is a `msgspec.Raw` is written as it is, here and below."""
    return _write({"jsonrpc": _VERSION, "id": request_id, "result": value})


def error(request_id: Id | None, code: int, message: str, data: object = None) -> bytes:
    """Return an answer that says why there is no result; `data` None is left out."""
    said: dict[str, object] = {"code": code, "message": message}
    if data is not None:
        said["data"] = data
    return _write({"jsonrpc": _VERSION, "id": request_id, "error": said})


def refusal(reason: Refused, request_id: Id | None = None) -> bytes:
    """Return the answer to a message that is not taken; `request_id` where the reason does not know it."""
    known = request_id if reason.id is None else reason.id
    return error(known, reason.code, reason.message, reason.data)


def request(request_id: Id, method: str, params: Mapping[str, object] | None = None) -> bytes:
    """Return a request; no `params` are left out."""
    said: dict[str, object] = {"jsonrpc": _VERSION, "id": request_id, "method": method}
    if params is not None:
        said["params"] = params
    return _write(said)


def notification(method: str, params: Mapping[str, object] | None = None) -> bytes:
    """Return a notification; no `params` are left out."""
    said: dict[str, object] = {"jsonrpc": _VERSION, "method": method}
    if params is not None:
        said["params"] = params
    return _write(said)


def _is_id(value: object) -> TypeGuard[Id]:
    if isinstance(value, str):
        return len(value) <= MAX_ID_CHARACTERS
    return type(value) is int and -MAX_ID <= value <= MAX_ID


def _object(
    found: Mapping[str, object], raw: Mapping[str, msgspec.Raw], name: str, request_id: Id | None
) -> tuple[Mapping[str, object], Mapping[str, msgspec.Raw]]:
    """Return a member that is an object, twice: read, and as it was spelled."""
    value = found.get(name)
    if value is None and name == "params":
        return {}, {}
    if not isinstance(value, dict):
        raise refused(INVALID_REQUEST, f"{name} is an object", request_id=request_id)
    return cast("dict[str, object]", value), _members(raw[name])


def _failure(found: Mapping[str, object], raw: Mapping[str, msgspec.Raw], request_id: Id | None) -> Failure:
    error, members = _object(found, raw, "error", request_id)
    code, message = error.get("code"), error.get("message")
    if type(code) is not int or not -MAX_ID <= code <= MAX_ID or not isinstance(message, str):
        raise refused(INVALID_REQUEST, "an error has a code and a message", request_id=request_id)
    return Failure(code, message, members.get("data"))
