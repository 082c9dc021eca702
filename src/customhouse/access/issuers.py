# SPDX-License-Identifier: Apache-2.0
"""Issuers that the operator trusts to say for whom an application acts, their keys, and what was believed lately. I/O.

Rules kept:
- Who is trusted stands in a file of the operator's. Each issuer vouches in the tenants that are named for it alone, and
  its subjects begin with a prefix of its own: user 42 of one issuer is nobody at another.
- Keys are fetched by a task, never by a turn. Keys that could not be confirmed for STALE_S verify nothing.
- A token is verified once, and kept by the hash of all of it until it expires or its issuer's keys change.

Story: the issuer's key leaks, and Dana takes it out of the set. Within a minute every replica has the new set, and the
tokens that it had believed under the old one are verified anew, and refused.
"""

import asyncio
import hashlib
import logging
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from customhouse.access import jwt
from customhouse.access.jwt import Algorithm, Key, Refused
from customhouse.dialects.strict_json import has_duplicates
from customhouse.domain.clock import Clock
from customhouse.domain.errors import InvalidRequest

REFRESH_S: Final = 60.0
"""How often the keys of an issuer are read or fetched: a key that is taken out counts for this long."""
STALE_S: Final = 3600.0
"""An issuer whose keys could not be confirmed for this long vouches for nobody."""
FETCH_S: Final = 10.0
MAX_SET_BYTES: Final = 256 * 1024
MAX_ISSUERS: Final = 50
MAX_BELIEVED: Final = 10_000
"""Tokens kept: some 10 MB. The oldest goes first, and is verified again when it comes again."""
MAX_CLAIMS: Final = 64
MAX_ITEMS: Final = 256
MAX_TEXT: Final = 1024
RESERVED: Final = frozenset(
    {"key", "key_id", "tenant", "assistant", "environment", "on_behalf_of", "assertion", "issuer", "claims"}
)
"""Names that mean something else of a principal; no token says them."""
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_INT64: Final = 2**63
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
_log = logging.getLogger(__name__)


class Issuer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One trusted issuer, as its file has it. `jwks` is a path beside that file, or an https address."""

    issuer: _Text
    audience: _Text
    jwks: _Text
    algorithms: Annotated[tuple[Algorithm, ...], msgspec.Meta(min_length=1)]
    tenants: Annotated[tuple[_Text, ...], msgspec.Meta(min_length=1, max_length=1000)]
    prefix: Annotated[str, msgspec.Meta(max_length=100)] = ""
    subject_claim: _Text = "sub"
    tenant_claim: _Text | None = None

    def vouches_in(self, tenant: str) -> bool:
        """Return whether the issuer is trusted in a tenant: named, or `*`."""
        return tenant in self.tenants or "*" in self.tenants


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    issuers: Annotated[tuple[Issuer, ...], msgspec.Meta(max_length=MAX_ISSUERS)]


@dataclass(frozen=True, slots=True)
class Verified:
    """What an issuer has signed: for whom, what else it says of him, and which tenant it names, if it has to."""

    issuer: str
    subject: str
    claims: Mapping[str, object]
    expires_s: float
    tenant: object


@dataclass(slots=True)
class _Known:
    """An issuer and its keys. `at_us` is when they were last confirmed, by the monotonic clock."""

    issuer: Issuer
    keys: tuple[Key, ...] = ()
    content: bytes = b""
    at_us: int | None = None
    believed: dict[bytes, Verified] = field(default_factory=dict[bytes, Verified])


class Issuers:
    """Who is trusted. Invariant: what is believed under one set of keys is forgotten with it."""

    def __init__(
        self, trusted: tuple[Issuer, ...], directory: Path, clock: Clock, tls: ssl.SSLContext | None = None
    ) -> None:
        """Begin without keys; the first `refresh` brings them. `tls` is the system's trust, if None."""
        self._known = {each.issuer: _Known(each) for each in trusted}
        self._directory = directory
        self._clock = clock
        self._tls = tls

    @property
    def any(self) -> bool:
        """Return whether anybody is trusted."""
        return bool(self._known)

    def verify(self, text: str, tenant: str) -> Verified:
        """Return what a token says, if it counts in a tenant now. Raises Refused. Cost: a hash, if it is remembered."""
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
        now_s = self._clock.now_us() / 1_000_000
        for known in self._known.values():
            found = known.believed.get(digest)
            if found is not None:
                self._require_fresh(known)
                if now_s >= found.expires_s:
                    del known.believed[digest]
                    raise Refused("it has expired")
                return _counts(known.issuer, found, tenant)
        token = jwt.read(text)
        known = self._known.get(token.standard.iss)
        if known is None:
            raise Refused("its issuer is not one that is trusted here")
        self._require_fresh(known)
        jwt.verify(token, known.keys, known.issuer.algorithms, known.issuer.audience, now_s)
        subject = token.claims.get(known.issuer.subject_claim)
        if not isinstance(subject, str) or not subject:
            raise Refused(f"its claim {known.issuer.subject_claim} names nobody")
        said = Verified(
            known.issuer.issuer,
            known.issuer.prefix + subject,
            bounded(token.claims),
            float(token.standard.exp),
            token.claims.get(known.issuer.tenant_claim or ""),
        )
        while len(known.believed) >= MAX_BELIEVED:
            del known.believed[next(iter(known.believed))]
        known.believed[digest] = said
        return _counts(known.issuer, said, tenant)

    async def refresh(self) -> None:
        """Read or fetch the keys of every issuer; what cannot be had is logged, and ages. None waits for another."""
        async with asyncio.TaskGroup() as tasks:
            for known in self._known.values():
                tasks.create_task(self._confirm(known))

    async def keep(self) -> None:
        """Refresh until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_S)
            await self.refresh()

    async def _confirm(self, known: _Known) -> None:
        try:
            content = await _content(known.issuer.jwks, self._directory, self._tls)
            if content != known.content:
                known.keys, known.content = jwt.keys(content), content
                known.believed.clear()
        except (OSError, TimeoutError, Refused) as error:
            why = str(error) if isinstance(error, Refused) else "it could not be read or fetched"
            _log.warning("the keys of the issuer %s: %s", known.issuer.issuer, why)
            return
        known.at_us = self._clock.elapsed_us()

    def _require_fresh(self, known: _Known) -> None:
        age_us = None if known.at_us is None else self._clock.elapsed_us() - known.at_us
        if age_us is None or age_us > STALE_S * 1_000_000:
            raise Refused("its issuer's keys could not be confirmed lately")


def load(path: str, clock: Clock) -> Issuers:
    """Read the file of trusted issuers; an empty path trusts nobody. Raises InvalidRequest."""
    if not path:
        return Issuers((), Path(), clock)
    try:
        content = Path(path).read_bytes()
        found = msgspec.json.decode(content, type=_File).issuers
    except OSError as error:
        raise InvalidRequest(f"issuers: {path}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"issuers: {path}: {error}") from None
    if has_duplicates(content) or len({each.issuer for each in found}) != len(found):
        raise InvalidRequest(f"issuers: {path}: a key or an issuer stands there twice")
    for each in found:
        if "://" in each.jwks and urlsplit(each.jwks).scheme != "https":
            raise InvalidRequest(f"issuers: {path}: jwks of {each.issuer} is neither a path nor an https address")
        others = [other for other in found if other is not each and other.prefix.startswith(each.prefix)]
        if others:
            raise InvalidRequest(
                f"issuers: {path}: {each.issuer} and {others[0].issuer} could name the same person: "
                "give each a prefix that does not begin the other's"
            )
    return Issuers(found, Path(path).parent, clock)


def bounded(claims: Mapping[str, object]) -> Mapping[str, object]:
    """Return what rules may look at: scalars and lists of scalars within bounds. What is left out is not there."""
    kept: dict[str, object] = {}
    # Who approves is compared with the address, so that the bound never takes it away.
    for name, value in sorted(claims.items(), key=lambda claim: claim[0] != "email"):
        if len(kept) >= MAX_CLAIMS:
            break
        if _NAME.fullmatch(name) is None or name in RESERVED:
            continue
        if isinstance(value, list):
            items = tuple(value) if len(value) <= MAX_ITEMS else ()  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            if len(items) == len(value) and all(_scalar(item) for item in items):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
                kept[name] = items
        elif _scalar(value):
            kept[name] = value
    return MappingProxyType(kept)


def _scalar(value: object) -> bool:
    match value:
        case bool():
            return True
        case int():
            return -_INT64 <= value < _INT64
        case str():
            return len(value) <= MAX_TEXT
        case float():
            return True
        case _:
            return False


def _counts(issuer: Issuer, found: Verified, tenant: str) -> Verified:
    """Return what was verified, if it counts in this tenant: asked for each turn, never kept."""
    if not issuer.vouches_in(tenant):
        raise Refused("its issuer is not trusted in this tenant")
    if issuer.tenant_claim is not None and found.tenant != tenant:
        raise Refused(f"its claim {issuer.tenant_claim} names another tenant")
    return found


async def _content(jwks: str, directory: Path, tls: ssl.SSLContext | None) -> bytes:
    """Return a set's bytes. Raises OSError, TimeoutError, Refused."""
    if "://" not in jwks:
        content = (directory / jwks).read_bytes()
    else:
        import aiohttp  # noqa: PLC0415 - only who names an address pays for it

        try:
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(ssl=tls or True, force_close=True, limit=1),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    timeout=aiohttp.ClientTimeout(total=FETCH_S),
                    auto_decompress=False,
                    trust_env=False,
                ) as session,
                session.get(jwks, allow_redirects=False, headers={"accept-encoding": "identity"}) as answer,
            ):
                if answer.status != 200:  # noqa: PLR2004 - HTTP's own number
                    raise Refused(f"it answered {answer.status}")
                content = await answer.content.read(MAX_SET_BYTES + 1)
                while not answer.content.at_eof() and len(content) <= MAX_SET_BYTES:
                    content += await answer.content.read(MAX_SET_BYTES + 1)
        except aiohttp.ClientError:
            raise Refused("no connection could be made, or it broke") from None
    if len(content) > MAX_SET_BYTES:
        raise Refused(f"it is larger than {MAX_SET_BYTES} bytes")
    return content
