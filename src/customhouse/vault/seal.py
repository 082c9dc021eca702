# SPDX-License-Identifier: Apache-2.0
"""Sealing payloads: AES-256-GCM under a tenant's key, and the keyed commitment by which evidence names them.

A plain hash of personal text in an append-only log stays personal data: whoever guesses the text can confirm it. A
commitment is HMAC-SHA256 under a key derived from the tenant's, so that destroying that key makes it meaningless.
Nonces: 96 random bits a payload (NIST SP 800-38D 8.2.2: below 2^32 per key).
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from customhouse.domain.clock import Clock
from customhouse.domain.errors import StoreUnavailable
from customhouse.vault.derive import subkey

NONCE_BYTES: Final = 12
TENANT_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Sealed:
    """A payload as it is stored, and the commitment that names it."""

    commitment: str
    kind: str
    content: bytes


class TenantKey:
    """Seals, opens and commits to one tenant's payloads."""

    __slots__ = ("_cipher", "_clock", "_keyed", "_tenant")

    def __init__(self, tenant: str, key: bytes, clock: Clock) -> None:
        """Derive the two subkeys."""
        self._tenant = tenant
        self._clock = clock
        self._cipher = AESGCM(subkey(key, b"customhouse payload v1"))
        # Copied for each commitment: the key is then hashed once.
        self._keyed = hmac.new(subkey(key, b"customhouse commitment v1"), digestmod=hashlib.sha256)

    def seal(self, trace_id: str, kind: str, payload: bytes) -> Sealed:
        """Encrypt a payload for its place: tenant, trace and kind are authenticated. Cost: about 3 µs for 1 KB."""
        place = self._place(trace_id, kind)
        nonce = self._clock.random(NONCE_BYTES)
        return Sealed(self._commit(place, payload), kind, nonce + self._cipher.encrypt(nonce, payload, place))

    def open(self, trace_id: str, kind: str, commitment: str, sealed: bytes) -> bytes:
        """Return the payload; raises StoreUnavailable when the bytes are not what was sealed for this place."""
        place = self._place(trace_id, kind)
        try:
            payload = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place)
        except (InvalidTag, ValueError) as error:  # ValueError: too short to hold a nonce
            raise StoreUnavailable(f"the {kind} payload of trace {trace_id} does not open: it was altered") from error
        if not hmac.compare_digest(self._commit(place, payload), commitment):
            raise StoreUnavailable(f"the {kind} payload of trace {trace_id} is not the one its evidence names")
        return payload

    def _commit(self, place: bytes, payload: bytes) -> str:
        mac = self._keyed.copy()
        mac.update(place + b"\x00" + payload)
        return f"hmac-sha256:{mac.hexdigest()}"

    def _place(self, trace_id: str, kind: str) -> bytes:
        return f"{self._tenant}\x00{trace_id}\x00{kind}".encode()


def wrap(root: bytes, tenant: str, key: bytes, clock: Clock) -> bytes:
    """Encrypt a tenant's key under the root key, bound to the tenant's name."""
    nonce = clock.random(NONCE_BYTES)
    return nonce + AESGCM(root).encrypt(nonce, key, b"tenant\x00" + tenant.encode())


def unwrap(root: bytes, tenant: str, wrapped: bytes) -> bytes:
    """Return a tenant's key; raises StoreUnavailable when the root key is not the one that wrapped it."""
    try:
        return AESGCM(root).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], b"tenant\x00" + tenant.encode())
    except (InvalidTag, ValueError) as error:
        raise StoreUnavailable(
            "the root key does not open this database's tenant keys: restore keys/root.key"
        ) from error
