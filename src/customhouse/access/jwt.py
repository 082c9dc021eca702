# SPDX-License-Identifier: Apache-2.0
"""A JSON Web Token: read strictly, checked against keys that we chose, never against what it says of itself. No I/O.

Rules kept (RFC 8725, "JSON Web Token Best Current Practices"):
- The algorithm is one of the issuer's own list, and of ours: asymmetric ones alone. `none` and HMAC are not in it, so a
  public key is never taken for a shared secret.
- The key is one of the issuer's set, found by comparing `kid` with the names in it: never a path, never an
  address. `jku`, `jwk`, `x5u` and `x5c` are not read.
- An extension that has to be understood (`crit`) is one that we do not understand.
- A key given twice in one object is refused: two readers would see two tokens.

Story: Mallory has the issuer's public key and signs with it as if it were an HMAC secret; then he names his own server
in `jku`; then he takes a true token of another audience. None of the three is Lee's.
"""

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from customhouse.dialects.strict_json import has_duplicates

Algorithm = Literal["RS256", "ES256", "EdDSA"]
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
MAX_BYTES: Final = 8192
"""Of a token; identity providers send 1 to 3 KB, and HTTP servers refuse lines of more than 8 to 16."""
MAX_KEYS: Final = 100
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192
LEEWAY_S: Final = 30
"""By how much an issuer's clock may be ahead of ours. None is given to `exp`."""
_PARTS: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]*)")
_TYPES: Final = frozenset({None, "jwt", "at+jwt"})
_P256_BYTES: Final = 32
_Seconds = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)] | Annotated[float, msgspec.Meta(ge=0, le=2.6e11)]


class Refused(Exception):  # noqa: N818 - a fact that the caller decides on
    """The token is not one that we believe. The text says why, and quotes nothing of it."""


class Header(msgspec.Struct, frozen=True):
    """What we read of a token's header; whatever else stands there is not looked at."""

    alg: str
    kid: str | None = None
    typ: str | None = None
    crit: object = msgspec.UNSET


class Standard(msgspec.Struct, frozen=True):
    """The claims of RFC 7519 that decide whether a token counts."""

    iss: str
    aud: str | tuple[str, ...]
    exp: _Seconds
    nbf: _Seconds | None = None
    iat: _Seconds | None = None


class _Jwk(msgspec.Struct, frozen=True):
    kty: str
    kid: str | None = None
    use: str | None = None
    alg: str | None = None
    crv: str | None = None
    n: str | None = None
    e: str | None = None
    x: str | None = None
    y: str | None = None


class _Jwks(msgspec.Struct, frozen=True):
    keys: Annotated[tuple[msgspec.Raw, ...], msgspec.Meta(max_length=MAX_KEYS)]


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a set: the only algorithm that it is used with, and its name."""

    algorithm: Algorithm
    kid: str | None
    public: PublicKey


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it was read. Nothing of it is believed before `verify`."""

    header: Header
    standard: Standard
    claims: Mapping[str, object]
    signed: bytes
    signature: bytes


_header = msgspec.json.Decoder(Header).decode
_standard = msgspec.json.Decoder(Standard).decode
_claims = msgspec.json.Decoder(dict[str, object]).decode
_jwks = msgspec.json.Decoder(_Jwks).decode
_jwk = msgspec.json.Decoder(_Jwk).decode


def shaped(text: str) -> bool:
    """Return whether a text is a token or means to be one: three parts, the first of which is a JSON object."""
    found = _PARTS.fullmatch(text) if len(text) <= MAX_BYTES else None
    if found is None:
        return len(text) > MAX_BYTES
    try:
        return _decoded(found.group(1)).lstrip()[:1] == b"{"
    except Refused:
        return False


def read(text: str) -> Token:
    """Read a token in its compact form (RFC 7515, 7.1). Raises Refused."""
    found = _PARTS.fullmatch(text) if len(text) <= MAX_BYTES else None
    if found is None:
        raise Refused(f"it is no token in compact form of at most {MAX_BYTES} bytes")
    head, body = _decoded(found.group(1)), _decoded(found.group(2))
    if has_duplicates(head) or has_duplicates(body):
        raise Refused("it is no JSON, or has a key twice")
    try:
        header, standard, claims = _header(head), _standard(body), _claims(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Refused("its header needs alg; its claims need iss, aud and exp, and times are numbers") from None
    signed = f"{found.group(1)}.{found.group(2)}".encode("ascii")
    return Token(header, standard, claims, signed, _decoded(found.group(3)))


def verify(token: Token, keys: Collection[Key], algorithms: Collection[Algorithm], audience: str, now_s: float) -> None:
    """Check a token of an issuer whose keys these are. Raises Refused. Cost: one signature."""
    header, standard = token.header, token.standard
    if header.crit is not msgspec.UNSET:
        raise Refused("it names an extension that has to be understood (crit), and none is")
    if (header.typ.lower() if header.typ else None) not in _TYPES:
        raise Refused("its typ is neither JWT nor at+jwt")
    if header.alg not in algorithms:
        raise Refused(f"its alg is not one of the issuer's: {', '.join(algorithms)}")
    fitting = [key for key in keys if key.algorithm == header.alg and (header.kid is None or key.kid == header.kid)]
    if len(fitting) != 1:
        raise Refused("its kid names no key of the issuer" if header.kid else "it has no kid, and the issuer has keys")
    _check(fitting[0].public, token.signature, token.signed)
    audiences = (standard.aud,) if isinstance(standard.aud, str) else standard.aud
    if audience not in audiences:
        raise Refused("it is meant for another audience")
    if now_s >= standard.exp:
        raise Refused("it has expired")
    if max(standard.nbf or 0, standard.iat or 0) > now_s + LEEWAY_S:
        raise Refused("it is not valid yet")


def keys(content: bytes) -> tuple[Key, ...]:
    """Read a JWK set (RFC 7517): the signing keys of our algorithms, without the others. Raises Refused."""
    try:
        found = _jwks(content).keys
        read_keys = tuple(key for raw in found if (key := _key(_jwk(raw))) is not None)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Refused(f"it is no JWK set of at most {MAX_KEYS} keys") from None
    if not read_keys:
        raise Refused("it has no key for RS256 (2048 bits or more), ES256 or EdDSA")
    return read_keys


def _decoded(part: str) -> bytes:
    try:
        content = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        raise Refused("a part of it is not base64url") from None
    if base64.urlsafe_b64encode(content).rstrip(b"=") != part.encode("ascii"):
        raise Refused("a part of it is not base64url in its one form")  # else many texts were one token
    return content


def _check(public: PublicKey, signature: bytes, signed: bytes) -> None:
    try:
        match public:
            case rsa.RSAPublicKey():
                public.verify(signature, signed, padding.PKCS1v15(), SHA256())
            case ec.EllipticCurvePublicKey():
                r, s = (int.from_bytes(half) for half in (signature[:_P256_BYTES], signature[_P256_BYTES:]))
                whole = len(signature) == 2 * _P256_BYTES  # RFC 7518, 3.4: two numbers of 32 bytes, and nothing else
                public.verify(encode_dss_signature(r, s) if whole else b"", signed, ec.ECDSA(SHA256()))
            case ed25519.Ed25519PublicKey():
                public.verify(signature, signed)
    except InvalidSignature:
        raise Refused("its signature is not the issuer's") from None


def _key(jwk: _Jwk) -> Key | None:
    """Return a key that we use, or None for any other: for encryption, another curve, a secret, what is malformed."""
    if jwk.use not in {None, "sig"}:
        return None
    algorithm: Algorithm
    try:
        match jwk.kty, jwk.crv:
            case "RSA", _:
                public = rsa.RSAPublicNumbers(_number(jwk.e), _number(jwk.n)).public_key()
                if not MIN_RSA_BITS <= public.key_size <= MAX_RSA_BITS:
                    return None
                algorithm = "RS256"
            case "EC", "P-256":
                public = ec.EllipticCurvePublicNumbers(_number(jwk.x), _number(jwk.y), ec.SECP256R1()).public_key()
                algorithm = "ES256"
            case "OKP", "Ed25519":
                public = ed25519.Ed25519PublicKey.from_public_bytes(_decoded(jwk.x or ""))
                algorithm = "EdDSA"
            case _:
                return None
    except (Refused, UnsupportedAlgorithm, ValueError):
        return None
    if jwk.alg not in {None, algorithm, *(("Ed25519",) if algorithm == "EdDSA" else ())}:
        return None
    return Key(algorithm, jwk.kid, public)


def _number(text: str | None) -> int:
    return int.from_bytes(_decoded(text or ""))
