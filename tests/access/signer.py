# SPDX-License-Identifier: Apache-2.0
"""An identity provider for tests: keys, a JWK set, and tokens, true and forged."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
RSA: Final = rsa.generate_private_key(65537, 2048)
EC: Final = ec.generate_private_key(ec.SECP256R1())
ED: Final = ed25519.Ed25519PrivateKey.generate()
ISSUER: Final = "https://id.acme.test"
AUDIENCE: Final = "customhouse"


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8))


def jwk(private: PrivateKey, kid: str | None) -> dict[str, str]:
    """Return the public half as a JWK."""
    public = private.public_key()
    match public:
        case rsa.RSAPublicKey():
            found = {"kty": "RSA", "n": number(public.public_numbers().n), "e": number(public.public_numbers().e)}
        case ec.EllipticCurvePublicKey():
            numbers = public.public_numbers()
            x, y = (b64(value.to_bytes(32)) for value in (numbers.x, numbers.y))
            found = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
        case ed25519.Ed25519PublicKey():
            found = {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw())}
    return found if kid is None else {**found, "kid": kid}


def jwks(*keys: tuple[str | None, PrivateKey]) -> bytes:
    return json.dumps({"keys": [jwk(key, kid) for kid, key in keys]}).encode()


SET: Final = jwks(("rsa", RSA), ("ec", EC), ("ed", ED))


def signature(private: PrivateKey, content: bytes) -> bytes:
    match private:
        case rsa.RSAPrivateKey():
            return private.sign(content, padding.PKCS1v15(), SHA256())
        case ec.EllipticCurvePrivateKey():
            r, s = decode_dss_signature(private.sign(content, ec.ECDSA(SHA256())))
            return r.to_bytes(32) + s.to_bytes(32)
        case ed25519.Ed25519PrivateKey():
            return private.sign(content)


def token(
    claims: Mapping[str, Any],
    private: PrivateKey | bytes | None = RSA,
    **header: Any,  # noqa: ANN401 - any JSON
) -> str:
    """Return a token: signed, with bytes as an HMAC secret, or (None) without a signature."""
    return raw(json.dumps({"alg": "RS256", "kid": "rsa", **header}), json.dumps(claims), private)


def raw(header: str, claims: str, private: PrivateKey | bytes | None = RSA) -> str:
    """Return a token of two texts as they are."""
    signed = f"{b64(header.encode())}.{b64(claims.encode())}"
    if private is None:
        return f"{signed}."
    if isinstance(private, bytes):
        return f"{signed}.{b64(hmac.new(private, signed.encode(), hashlib.sha256).digest())}"
    return f"{signed}.{b64(signature(private, signed.encode()))}"


def pem(private: rsa.RSAPrivateKey = RSA) -> bytes:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True, slots=True)
class Provider:
    """The files of a provider: who is trusted, and the set of keys."""

    folder: Path

    @property
    def file(self) -> str:
        return str(self.folder / "issuers.json")

    def trust(self, *issuers: Mapping[str, Any]) -> None:
        (self.folder / "issuers.json").write_text(json.dumps({"issuers": issuers}))

    def publish(self, content: bytes = SET, name: str = "jwks.json") -> None:
        (self.folder / name).write_bytes(content)


def issuer(**changed: Any) -> dict[str, Any]:  # noqa: ANN401 - the issuer's own fields
    """Return an issuer as its file has it."""
    return {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "jwks": "jwks.json",
        "algorithms": ["RS256", "ES256", "EdDSA"],
        "tenants": ["acme"],
        "prefix": "user:",
        **changed,
    }
