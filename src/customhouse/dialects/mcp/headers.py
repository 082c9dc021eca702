# SPDX-License-Identifier: Apache-2.0
"""The HTTP headers of the protocol: read, compared with the body, and built from it for an upstream.

Rules kept:
- The body decides. Where a header repeats what the body says (`Mcp-Method`, `Mcp-Name`, the revision), it must say the
  same; a request that says two things is refused, for whoever looked at its headers alone saw another one.
- A header that decides something stands once: the first and the last of two copies have different readers.
- An upstream's headers are built from the body that it gets; none of the client's goes on.

Story: a proxy in front lets everybody call `search` and few call `refund`, by `Mcp-Name`. Mallory sends the name of
the one in the header and that of the other in the body. Neither tool is called.

Sources: MCP 2025-11-25 and 2026-07-28 basic/transports; RFC 9110 5.5 (white space around a value is none of it).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from customhouse.dialects.mcp import revision
from customhouse.dialects.mcp.client import Client
from customhouse.dialects.mcp.envelope import REVISION
from customhouse.dialects.mcp.field import decoded, encoded
from customhouse.dialects.mcp.message import Call, Message, Response
from customhouse.dialects.mcp.refused import HEADER_MISMATCH, INVALID_REQUEST, Id, Refused, refused

PROTOCOL: Final = "mcp-protocol-version"
METHOD: Final = "mcp-method"
NAME: Final = "mcp-name"
SESSION: Final = "mcp-session-id"
PARAM: Final = "mcp-param-"
LAST_EVENT: Final = "last-event-id"

NAMED: Final[Mapping[str, str]] = MappingProxyType(
    {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
)
"""The parameter that `Mcp-Name` repeats, by method."""
MAX_SESSION_CHARACTERS: Final = 8192
"""Ours are sealed and hold what a session is; servers commonly take 16 KiB of headers or more."""
MAX_LAST_EVENT_CHARACTERS: Final = 1024
MAX_PARAM_HEADERS: Final = 64

_JSON: Final = "application/json"
_EVENTS: Final = "text/event-stream"
_ONCE: Final = frozenset({PROTOCOL, METHOD, NAME, SESSION, LAST_EVENT, "content-type"})


@dataclass(frozen=True, slots=True)
class Headers:
    """What the headers of one request say; None and empty where they say nothing.

    `params` are the `Mcp-Param-*` by what follows, in lower case. No value is decoded yet.
    """

    protocol: str | None = None
    method: str | None = None
    name: str | None = None
    session: str | None = None
    last_event: str | None = None
    content: str | None = None
    accept: frozenset[str] = frozenset()
    params: Mapping[str, str] = field(default_factory=dict[str, str])


def read(raw: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return what raw headers say, whose names are in lower case as ASGI gives them. Raises Refused."""
    found: dict[str, str] = {}
    params: dict[str, str] = {}
    accept: list[str] = []
    for key, content in raw:
        name, value = key.decode("latin-1"), content.decode("latin-1").strip(" \t")
        if name == "accept":
            accept += [each.partition(";")[0].strip().lower() for each in value.split(",")]
            continue
        place, short = (params, name.removeprefix(PARAM)) if name.startswith(PARAM) else (found, name)
        if place is found and name not in _ONCE:
            continue
        if short in place:
            raise refused(HEADER_MISMATCH, f"the header {name[:64]} stands more than once")
        place[short] = value
    if len(params) > MAX_PARAM_HEADERS:
        raise refused(HEADER_MISMATCH, f"at most {MAX_PARAM_HEADERS} headers {PARAM}* expected")
    return Headers(
        protocol=found.get(PROTOCOL),
        method=found.get(METHOD),
        name=found.get(NAME),
        session=_session(found.get(SESSION)),
        last_event=_last_event(found.get(LAST_EVENT)),
        content=found.get("content-type"),
        accept=frozenset(accept),
        params=params,
    )


def require_post(headers: Headers) -> None:
    """Refuse a body that is not JSON, and a sender that does not take both forms of an answer. Raises Refused."""
    if headers.content is None or headers.content.partition(";")[0].strip().lower() != _JSON:
        raise Refused(415, INVALID_REQUEST, f"Content-Type: {_JSON} expected")
    if not _takes(headers, _JSON) or not _takes(headers, _EVENTS):
        raise Refused(406, INVALID_REQUEST, f"Accept: {_JSON}, {_EVENTS} expected")


def require_get(headers: Headers) -> None:
    """Refuse a reader that does not take an event stream. Raises Refused."""
    if not _takes(headers, _EVENTS):
        raise Refused(406, INVALID_REQUEST, f"Accept: {_EVENTS} expected")


def spoken(headers: Headers, message: Message) -> revision.Era:
    """Return the era by whose rules a message is judged; the modern ones refuse a revision that is not known.

    A header that is left out does not take a modern request out of the modern rules: its body says what it is.
    """
    if headers.protocol is not None:
        return revision.era(headers.protocol) or "modern"
    if isinstance(message, Response):
        return "handshake"
    meta = message.params.get("_meta")
    return "modern" if isinstance(meta, dict) and REVISION in meta else "handshake"


def agree(headers: Headers, call: Call, client: Client) -> None:
    """Refuse a modern request whose headers say something else than its body, or of an unknown revision.

    Raises Refused.
    """
    if headers.protocol != client.revision:
        raise _mismatch(PROTOCOL, "the protocol version of params._meta", call.id)
    if headers.method != call.method:
        raise _mismatch(METHOD, "the method", call.id)
    key = NAMED.get(call.method)
    if key is not None:
        said = call.params.get(key)
        if (None if headers.name is None else decoded(headers.name)) != said or (said is None and headers.name):
            raise _mismatch(NAME, f"params.{key}", call.id)
    if client.revision not in revision.MODERN:
        raise revision.unsupported(client.revision, call.id)


def agree_note(headers: Headers) -> None:
    """Refuse a modern notification of a revision that is not known. Raises Refused."""
    if headers.protocol not in revision.MODERN:
        raise revision.unsupported(headers.protocol or "")


def handshake_revision(headers: Headers) -> str:
    """Return the revision of a request within a session. Raises Refused for one that no session can have."""
    said = headers.protocol or revision.UNSAID
    if said not in revision.HANDSHAKE:
        raise revision.unsupported(said)
    return said


def built(method: str, params: Mapping[str, object], spoken_revision: str) -> dict[str, str]:
    """Return the headers of a modern request to an upstream, but those of single parameters (`param_headers`).

    Raises ValueError where the name is no text that has bytes.
    """
    made = {PROTOCOL: spoken_revision, METHOD: method, "content-type": _JSON, "accept": f"{_JSON}, {_EVENTS}"}
    said = params.get(NAMED.get(method, ""))
    return {**made, NAME: encoded(said)} if isinstance(said, str) else made


def built_handshake(spoken_revision: str | None, session: str | None) -> dict[str, str]:
    """Return the headers of a request to an upstream of the handshake era; `initialize` itself has neither."""
    made = {"content-type": _JSON, "accept": f"{_JSON}, {_EVENTS}"}
    if spoken_revision is not None:
        made[PROTOCOL] = spoken_revision
    if session is not None:
        made[SESSION] = session
    return made


def is_session(text: str) -> bool:
    """Return whether a text can be a session's id: visible ASCII, and not endless."""
    return 0 < len(text) <= MAX_SESSION_CHARACTERS and all("!" <= each <= "~" for each in text)


def _session(value: str | None) -> str | None:
    if value is not None and not is_session(value):
        raise Refused(400, INVALID_REQUEST, f"{SESSION} is 1 to {MAX_SESSION_CHARACTERS} visible ASCII characters")
    return value


def _last_event(value: str | None) -> str | None:
    if value is not None and len(value) > MAX_LAST_EVENT_CHARACTERS:
        raise Refused(400, INVALID_REQUEST, f"{LAST_EVENT} has at most {MAX_LAST_EVENT_CHARACTERS} characters")
    return value


def _takes(headers: Headers, media: str) -> bool:
    return not headers.accept.isdisjoint({media, f"{media.partition('/')[0]}/*", "*/*"})


def _mismatch(name: str, what: str, request_id: Id) -> Refused:
    return refused(HEADER_MISMATCH, f"the header {name} does not repeat {what}", None, request_id)
