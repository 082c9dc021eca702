# SPDX-License-Identifier: Apache-2.0
"""Tickets, as a tool server checks them: one file to import or to copy, which needs `cryptography` and nothing else.

A ticket is a JWT (RFC 7519) that the gateway signs with Ed25519 (RFC 8037) when it passes a tool call on to an
application: this assistant may make this call, with exactly these arguments, once, within a minute.

Rules kept (RFC 8725):
- One algorithm. What the header asks for is compared with it and never followed; keys come from the operator alone.
- Everything is checked before the ticket counts as used, so that a refused one is not burnt; then it is used once. What
  cannot be known (a full memory, a gateway that does not answer) is a refusal.
- Arguments are compared as RFC 8785 writes them: `1` and `1.0` are one number, the order of keys says nothing, and no
  text is normalised. What two parsers may read differently (a key twice, integers beyond 2^53) has no such form.

Story: Mallory has found the address of the refund service and knows what a refund looks like. She has no ticket. The
one that Lee's application was given an hour ago has expired; the one it was given just now is for order 7, not for
hers, and the service has seen it.

    verifier = Verifier(trust(Path("ticket-keys.json").read_text()), audience="orders", environment="production")

    @requires_ticket(verifier)
    def issue_refund(order_id: str, amount: int) -> str: ...

    issue_refund(ticket, **arguments)      # TicketRefused, or the function's answer

Written for Python 3.9 and newer.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import functools
import hashlib
import heapq
import inspect
import json
import math
import re
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, fields
from typing import Final, NoReturn, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Result = TypeVar("Result")

ALGORITHM: Final = "EdDSA"
TYPE: Final = "customhouse-ticket+jwt"
LEEWAY_S: Final = 5
"""How far two clocks may be apart."""
MAX_LIFETIME_S: Final = 300
"""The gateway's tickets last 60 s; one that claims to last longer than this is not believed."""
MAX_TICKET_BYTES: Final = 4096
MAX_ARGUMENTS_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 64
MAX_INTEGER: Final = 2**53 - 1
MAX_SEEN: Final = 100_000
"""Tickets that a server remembers: some 1,500 calls a second."""
MAX_ANSWER_BYTES: Final = 64 * 1024

REASONS: Final[Mapping[str, str]] = {
    "ticket.missing": "The call came without a ticket: it did not go through the gateway.",
    "ticket.malformed": "This is no ticket: three parts of strict base64url, a header and claims as the gateway writes "
    "them.",
    "ticket.key_unknown": "The ticket names a key that this server does not trust.",
    "ticket.signature_invalid": "The ticket was not signed by the key that it names, or was altered.",
    "ticket.other_installation": "The ticket is another installation's.",
    "ticket.expired": "The ticket has expired.",
    "ticket.from_the_future": "The ticket was issued later than this server's clock says: one of two clocks is wrong.",
    "ticket.other_audience": "The ticket is for another tool server.",
    "ticket.other_environment": "The ticket is for another environment.",
    "ticket.other_tenant": "The ticket is of a tenant that this server does not serve.",
    "ticket.other_tool": "The ticket permits another tool.",
    "ticket.arguments_unreadable": "The arguments are no JSON object that every parser reads the same way.",
    "ticket.other_arguments": "The ticket permits this tool with other arguments.",
    "ticket.used": "The ticket was used before.",
    "ticket.memory_full": "This server remembers as many tickets as it can: it cannot know whether this one was used.",
    "ticket.not_redeemed": "Whether the ticket was used before could not be found out.",
}
"""Why a ticket is refused, by stable code."""


class TicketRefused(Exception):  # noqa: N818 - named after what is wrong
    """The call was not permitted, or this cannot be known. `code` is one of REASONS; `detail` never has arguments."""

    def __init__(self, code: str, detail: str = "") -> None:
        """Take the code, and what is known besides."""
        super().__init__(f"{code}: {REASONS[code]}{' ' if detail else ''}{detail}")
        self.code = code
        self.detail = detail


@dataclass(frozen=True)
class Claims:
    """What a ticket says: which installation permits which assistant which call, of which tenant, until when."""

    iss: str
    aud: str
    sub: str
    jti: str
    iat: int
    exp: int
    tenant: str
    environment: str
    trace_id: str
    tool: str
    digest: str


@dataclass(frozen=True)
class Trust:
    """Whose tickets are believed: one installation, by its public keys."""

    issuer: str
    keys: Mapping[str, Ed25519PublicKey]


class SingleUse(Protocol):
    """Who knows which tickets were used. Replicas of a tool server need one that they share."""

    def claim(self, ticket: str, claims: Claims) -> bool:
        """Take a ticket, once: True the first time, False ever after. Raises TicketRefused where this is not known."""
        ...


def trust(jwks: str | bytes) -> Trust:
    """Read what `customhouse keys public --tickets` and `GET /api/v1/ticket-keys` give. Raises ValueError."""
    document = _object(jwks)
    issuer, listed = document.get("issuer"), document.get("keys")
    if not isinstance(issuer, str) or not isinstance(listed, list):
        raise ValueError("a JWK set with `issuer` and `keys` expected")  # noqa: TRY004 - one error for all of it
    keys: dict[str, Ed25519PublicKey] = {}
    for each in cast("list[object]", listed):
        keys.update([_key(each)])
    if not keys or len(keys) != len(cast("list[object]", listed)):
        raise ValueError("one key at least expected, each with a kid of its own")
    return Trust(issuer, keys)


class Verifier:
    """Checks tickets for one tool server. Safe in threads."""

    def __init__(
        self,
        trusted: Trust,
        *,
        audience: str,
        environment: str,
        tenants: Collection[str] | None = None,
        single_use: SingleUse | None = None,
        leeway_s: int = LEEWAY_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Keep what tickets must say. `audience` is the tool's `server` in the manifest, or the tool's name without.

        `tenants` None serves every tenant: the claims say which. Without `single_use` this process alone remembers.
        """
        self._trusted = trusted
        self._audience = audience
        self._environment = environment
        self._tenants = tenants
        self._single_use = single_use or Seen(now=now, leeway_s=leeway_s)
        self._leeway_s = leeway_s
        self._now = now

    def verify(self, ticket: object, tool: str, arguments: Mapping[str, object] | str | bytes) -> Claims:
        """Return the claims of a ticket for this very call, which it has used up now. Raises TicketRefused.

        Give the arguments' JSON text where there is one: then a key that stands twice is refused. Cost: about 150 µs.
        """
        # (1) form, (2) key and signature, (3) installation, (4) time
        claims = read(ticket, self._trusted, now_s=self._now(), leeway_s=self._leeway_s)
        # (5) for us
        if claims.aud != self._audience:
            raise TicketRefused("ticket.other_audience")
        if claims.environment != self._environment:
            raise TicketRefused("ticket.other_environment")
        if self._tenants is not None and claims.tenant not in self._tenants:
            raise TicketRefused("ticket.other_tenant")
        # (6) for this call
        if claims.tool != tool:
            raise TicketRefused("ticket.other_tool")
        try:
            digest = call_digest(tool, arguments)
        except ValueError as error:
            raise TicketRefused("ticket.arguments_unreadable") from error
        if claims.digest != digest:
            raise TicketRefused("ticket.other_arguments")
        # (7) once; last, so that nobody burns a ticket with a call that it is not for
        if not self._single_use.claim(str(ticket), claims):
            raise TicketRefused("ticket.used")
        return claims


def read(ticket: object, trusted: Trust, *, now_s: float, leeway_s: int = LEEWAY_S) -> Claims:
    """Return what a ticket says, which this installation signed and which is good now. Raises TicketRefused.

    Neither who asks nor for which call is looked at, and the ticket is not used up.
    """
    if not isinstance(ticket, str) or not ticket:
        raise TicketRefused("ticket.missing")
    # (1) form
    if len(ticket) > MAX_TICKET_BYTES:
        raise TicketRefused("ticket.malformed")
    try:
        header_part, claims_part, signature_part = ticket.split(".")
        header, signature = _object(_bytes(header_part)), _bytes(signature_part)
        kid = header["kid"]
        # No other member than these three: no crit, no b64, and no key that the ticket brings along (jwk, jku, x5c).
        if header != {"alg": ALGORITHM, "typ": TYPE, "kid": kid} or not isinstance(kid, str):
            raise TicketRefused("ticket.malformed")
        # (2) key and signature
        key = trusted.keys.get(kid)
        if key is None:
            raise TicketRefused("ticket.key_unknown")
        key.verify(signature, f"{header_part}.{claims_part}".encode("ascii"))
        claims = _claims(_object(_bytes(claims_part)))
    except InvalidSignature as error:
        raise TicketRefused("ticket.signature_invalid") from error
    except (ValueError, KeyError) as error:
        raise TicketRefused("ticket.malformed") from error
    # (3) installation
    if claims.iss != trusted.issuer:
        raise TicketRefused("ticket.other_installation")
    # (4) time
    if claims.iat > now_s + leeway_s:
        raise TicketRefused("ticket.from_the_future")
    if claims.exp + leeway_s <= now_s or not 0 < claims.exp - claims.iat <= MAX_LIFETIME_S:
        raise TicketRefused("ticket.expired")
    return claims


class Seen:
    """The tickets that this process has seen, until they expire. Refuses when it is full: it never forgets one earlier.

    It begins with nothing, so it takes no ticket that was issued before it began: whoever served then may have seen it.
    """

    def __init__(self, size: int = MAX_SEEN, *, leeway_s: int = LEEWAY_S, now: Callable[[], float] = time.time) -> None:
        """Remember `size` tickets at most."""
        self._size = size
        self._leeway_s = leeway_s
        self._now = now
        self._began_s = math.floor(now())
        self._known: set[str] = set()
        self._until: list[tuple[int, str]] = []
        # Protects both: of two threads with one ticket exactly one is first.
        self._lock = threading.Lock()

    def claim(self, ticket: str, claims: Claims) -> bool:  # noqa: ARG002 - what a shared memory would send
        """Take a ticket, once. Raises TicketRefused when full."""
        if claims.iat < self._began_s:
            raise TicketRefused("ticket.not_redeemed", "It was issued before this server started.")
        with self._lock:
            now_s = self._now()
            while self._until and self._until[0][0] <= now_s:
                self._known.discard(heapq.heappop(self._until)[1])
            if claims.jti in self._known:
                return False
            if len(self._known) >= self._size:
                raise TicketRefused("ticket.memory_full")
            self._known.add(claims.jti)
            heapq.heappush(self._until, (claims.exp + self._leeway_s, claims.jti))
            return True


class Redemption:
    """Has the gateway remember: one use over all replicas of a tool server, recorded as evidence `ticket.redeemed`."""

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        """Take the gateway's base URL. Raises ValueError where it is none."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.username:
            raise ValueError("the gateway's base URL expected, such as https://customhouse.acme.test")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._path = parts.path.rstrip("/") + "/api/v1/tickets/redeem"
        self._timeout_s = timeout_s

    def claim(self, ticket: str, claims: Claims) -> bool:
        """Redeem a ticket. Raises TicketRefused where the gateway refuses it or does not say. Cost: one request.

        An answer that is lost has used the ticket up: the call does not run, and its repetition needs a new one.
        """
        status, answer = self._post(json.dumps({"ticket": ticket}).encode())
        if status == 409:  # noqa: PLR2004 - Conflict
            return False
        if status != 200 or answer.get("jti") != claims.jti:  # noqa: PLR2004 - OK
            raise TicketRefused("ticket.not_redeemed", f"The gateway answered {status}.")
        return True

    def _post(self, body: bytes) -> tuple[int, Mapping[str, object]]:
        # Neither redirects nor the environment's proxies are followed: who answers is who was named.
        from http.client import HTTPConnection, HTTPException, HTTPSConnection  # noqa: PLC0415 - for this alone

        opened = HTTPSConnection if self._secure else HTTPConnection
        connection = opened(self._host, self._port, timeout=self._timeout_s)
        try:
            connection.request("POST", self._path, body, {"content-type": "application/json"})
            response = connection.getresponse()
            return response.status, _object(response.read(MAX_ANSWER_BYTES))
        except (OSError, HTTPException, ValueError) as error:
            raise TicketRefused("ticket.not_redeemed", "The gateway did not answer.") from error
        finally:
            connection.close()


def requires_ticket(
    verifier: Verifier, tool: str | None = None
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Let a function run only with a ticket for the very call; it takes the ticket first, then its arguments by name.

    `tool` is the function's name unless given. An `async` function stays one; its ticket is checked in a thread.
    """

    def decorate(function: Callable[..., Result]) -> Callable[..., Result]:
        name = tool or function.__name__

        @functools.wraps(function)
        def checked(ticket: object = None, /, **arguments: object) -> Result:
            verifier.verify(ticket, name, arguments)
            return function(**arguments)

        @functools.wraps(function)
        async def checked_async(ticket: object = None, /, **arguments: object) -> object:
            await asyncio.to_thread(verifier.verify, ticket, name, arguments)
            return await cast("Callable[..., Awaitable[object]]", function)(**arguments)

        return cast("Callable[..., Result]", checked_async) if inspect.iscoroutinefunction(function) else checked

    return decorate


def call_digest(tool: str, arguments: Mapping[str, object] | str | bytes) -> str:
    """Return what a ticket says of a call: `sha256:` of the canonical JSON of its arguments and its tool's name.

    Arguments are an object or its JSON text; empty text is no arguments. Raises ValueError. Cost: about 15 µs.
    """
    given = _object(arguments) if isinstance(arguments, (str, bytes)) else dict(arguments)
    return "sha256:" + hashlib.sha256(canonical({"arguments": given, "tool": tool})).hexdigest()


def canonical(value: object) -> bytes:
    """Return the RFC 8785 bytes of plain data: dict, list, tuple, str, int, float, bool, None. Raises ValueError.

    Refused: integers of 2^53 or more, infinities, keys that are no text, lone surrogates, nesting deeper than 64, and
    what is longer than 1 MiB.
    """
    parts: list[str] = []
    _write(value, parts.append, 0)
    text = "".join(parts).encode()  # strict: UnicodeEncodeError, a ValueError, for a lone surrogate
    if len(text) > MAX_ARGUMENTS_BYTES:
        raise ValueError(f"more than {MAX_ARGUMENTS_BYTES} bytes")
    return text


def _write(value: object, add: Callable[[str], None], depth: int) -> None:
    if depth > MAX_DEPTH + 1:  # the call itself is one level
        raise ValueError(f"nesting deeper than {MAX_DEPTH}")
    if isinstance(value, dict):
        separator = "{"
        # RFC 8785 3.2.3: by UTF-16 units, which order otherwise than code points do.
        for key, item in sorted(cast("dict[object, object]", value).items(), key=_utf16):
            add(f"{separator}{_scalar(key)}:")
            _write(item, add, depth + 1)
            separator = ","
        add("}" if separator == "," else "{}")
    elif isinstance(value, (list, tuple)):
        separator = "["
        for item in cast("list[object]", value):
            add(separator)
            _write(item, add, depth + 1)
            separator = ","
        add("]" if separator == "," else "[]")
    else:
        add(_scalar(value))


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return json.encoder.encode_basestring(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise ValueError("an integer does not fit in 53 bits: write it as a string")
        return int.__repr__(value)
    if isinstance(value, float):
        return _number(value)
    raise ValueError(f"{type(value).__name__} is not JSON")  # noqa: TRY004 - one error for all that has no form


def _utf16(pair: tuple[object, object]) -> bytes:
    if not isinstance(pair[0], str):
        raise ValueError("a key is no text")  # noqa: TRY004 - as above
    return pair[0].encode("utf-16-be")


def _number(value: float) -> str:
    """Write a number as ECMAScript does (ECMA-262 6.1.6.1.20); Python finds the same shortest digits."""
    if not math.isfinite(value):
        raise ValueError("a number is too large for any parser")
    if value == 0:
        return "0"
    mantissa, _, exponent = float.__repr__(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(digits) - len(fraction) + int(exponent or 0)
    digits = digits.rstrip("0")
    size = len(digits)
    if size <= point <= 21:  # noqa: PLR2004 - ECMAScript's own bounds, here and below
        text = digits + "0" * (point - size)
    elif 0 < point <= 21:  # noqa: PLR2004
        text = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:  # noqa: PLR2004
        text = f"0.{'0' * -point}{digits}"
    else:
        text = f"{digits[0]}{'.' if size > 1 else ''}{digits[1:]}e{point - 1:+d}"
    return f"-{text}" if value < 0 else text


def _object(text: str | bytes) -> dict[str, object]:
    """Return a JSON object, no key of which stands twice. Raises ValueError."""
    if len(text) > MAX_ARGUMENTS_BYTES:
        raise ValueError(f"more than {MAX_ARGUMENTS_BYTES} bytes")
    decoded = text if isinstance(text, str) else text.decode()
    try:
        value: object = _decode(decoded) if decoded.strip(" \t\r\n") else {}
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - as above
    return cast("dict[str, object]", value)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _whole(digits: str) -> int:
    if len(digits) > 17:  # noqa: PLR2004 - bounds int(): 2^53 has 16 digits, and a sign
        raise ValueError("an integer does not fit in 53 bits: write it as a string")
    return int(digits)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_decode: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_whole, parse_constant=_refuse).decode
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")
_JTI: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def _key(found: object) -> tuple[str, Ed25519PublicKey]:
    """Read a public key of a JWK set (RFC 8037 2)."""
    jwk = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    kid = jwk.get("kid")
    if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519" or not isinstance(kid, str) or "d" in jwk:
        raise ValueError("each key of the set must be an Ed25519 public key with a kid (RFC 8037)")
    return kid, Ed25519PublicKey.from_public_bytes(_bytes(jwk.get("x")))


def _bytes(text: object) -> bytes:
    """Decode base64url without padding, of which each value has one form alone (RFC 7515 2, RFC 4648 3.5)."""
    if not isinstance(text, str) or not _BASE64URL.fullmatch(text):
        raise ValueError("not base64url")
    try:
        found = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if base64.urlsafe_b64encode(found).rstrip(b"=") != text.encode():
        raise ValueError("not the one form of these bytes")
    return found


def _claims(found: Mapping[str, object]) -> Claims:
    """Return the claims by name; what a newer gateway says besides is left out."""
    values: dict[str, object] = {field.name: found[field.name] for field in fields(Claims)}
    for name, value in values.items():
        if type(value) is not (int if name in {"iat", "exp"} else str):
            raise ValueError(f"{name} has another type")
    if not _JTI.fullmatch(cast("str", values["jti"])):
        raise ValueError("jti is no UUIDv7")
    return Claims(**values)  # pyright: ignore[reportArgumentType] - each was looked at
