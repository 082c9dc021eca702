# SPDX-License-Identifier: Apache-2.0
"""State that a client keeps for us and cannot read or change: sealed with AES-256-GCM under a key that replicas share.

A token is no proof that anything was not used before: what must happen once is counted in SQL, never here.
Nonces: 96 random bits a token (NIST SP 800-38D 8.2.2: below 2^32 per key).
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from customhouse.domain.clock import Clock
from customhouse.vault.derive import subkey
from customhouse.vault.seal import NONCE_BYTES


class Tokens:
    """Seals and opens the tokens of one purpose: one of another purpose does not open."""

    __slots__ = ("_cipher", "_clock", "_purpose")

    def __init__(self, root_key: bytes, purpose: str, clock: Clock) -> None:
        """Derive the purpose's own key."""
        self._purpose = purpose.encode()
        self._cipher = AESGCM(subkey(root_key, b"customhouse token v1 " + self._purpose))
        self._clock = clock

    def seal(self, content: bytes) -> str:
        """Return a token: letters, digits, `-` and `_`. Its length tells that of the content."""
        nonce = self._clock.random(NONCE_BYTES)
        return urlsafe_b64encode(nonce + self._cipher.encrypt(nonce, content, self._purpose)).rstrip(b"=").decode()

    def open(self, token: str) -> bytes | None:
        """Return what was sealed, or None for anything else than a token of ours, byte for byte."""
        try:
            sealed = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
            if urlsafe_b64encode(sealed).rstrip(b"=").decode() != token:
                return None  # another spelling of the same bytes
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], self._purpose)
        except (InvalidTag, UnicodeError, ValueError, binascii.Error):
            return None
