# SPDX-License-Identifier: Apache-2.0
"""Minting tickets: the Ed25519 keys that sign them and nothing else, derived from the root key by number.

Rules kept:
- Replicas share the root key already (ledger/own_key.py), so they sign with the same ticket key without sharing more.
- The key of a number is published with the one before it, whose tickets may still be under way, and the one after it,
  so that tool servers have it before it signs. Rotation is one number higher on every replica, in any order.
- A key that leaked tells nothing of the next: HKDF goes one way, and only the root key leads to either.

Story: Ola raises `ticket_key_number` from 3 to 4 and restarts one replica after the other. Meanwhile some tickets are
signed by 3 and some by 4; a tool server that read the set last month knows 2, 3 and 4, and takes all of them.
"""

import base64
import hashlib
from dataclasses import dataclass
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from customhouse.ticket import ALGORITHM, TYPE, Claims, Trust, trust
from customhouse.vault.derive import subkey

LIFETIME_S: Final = 60
"""How long a ticket is good: an application runs a call at once or asks again."""


class PublicTicketKey(msgspec.Struct, frozen=True, kw_only=True):
    """One public key as a JWK (RFC 8037 2). `kid` is its RFC 7638 thumbprint."""

    kty: str = "OKP"
    crv: str = "Ed25519"
    x: str
    kid: str
    use: str = "sig"
    alg: str = ALGORITHM


class TicketKeySet(msgspec.Struct, frozen=True, kw_only=True):
    """The JWK set (RFC 7517 5) that tool servers check tickets with, and which installation's it is."""

    issuer: str
    keys: tuple[PublicTicketKey, ...]


class TicketKey:
    """The private key that signs tickets; it never leaves this object."""

    __slots__ = ("_header", "_private", "public")

    def __init__(self, seed: bytes) -> None:
        """Make the key of a 32-byte seed (RFC 8032 5.1.5)."""
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public: Final = _public(self._private)
        header = {"alg": ALGORITHM, "kid": self.public.kid, "typ": TYPE}
        self._header = _base64url(msgspec.json.encode(header)) + "."

    def mint(self, claims: Claims) -> str:
        """Return the signed ticket of a call (RFC 7515 7.1): the claims say when, for how long. Cost: about 30 µs."""
        signed = self._header + _base64url(msgspec.json.encode(claims))
        return f"{signed}.{_base64url(self._private.sign(signed.encode()))}"


@dataclass(frozen=True, slots=True)
class TicketKeys:
    """Which key signs tickets now, and which are published."""

    signing: TicketKey
    published: TicketKeySet

    @property
    def issuer(self) -> str:
        """Return the installation's name in tickets: the same on every replica, whichever key signs."""
        return self.published.issuer

    @property
    def trusted(self) -> Trust:
        """Return the published keys as a verifier takes them."""
        return trust(msgspec.json.encode(self.published))


def ticket_keys(root: bytes, number: int) -> TicketKeys:
    """Return the keys around a number, which is 1 or more. Cost: about 0.2 ms."""
    issuer = "urn:customhouse:" + subkey(root, b"customhouse installation v1").hex()[:32]
    keys = {each: _derived(root, each) for each in range(max(1, number - 1), number + 2)}
    published = TicketKeySet(issuer=issuer, keys=tuple(key.public for key in keys.values()))
    return TicketKeys(keys[number], published)


def _derived(root: bytes, number: int) -> TicketKey:
    return TicketKey(subkey(root, b"customhouse ticket key v1", str(number).encode()))


def _public(private: Ed25519PrivateKey) -> PublicTicketKey:
    x = _base64url(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    # RFC 7638 3.2 and RFC 8037 2: these members, in this order, without space.
    thumbprint = hashlib.sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'.encode()).digest()
    return PublicTicketKey(x=x, kid=_base64url(thumbprint))


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
