# SPDX-License-Identifier: Apache-2.0
"""Keys from keys: HKDF-SHA256 (RFC 5869), one purpose each, so that no key is ever used for two things."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def subkey(key: bytes, purpose: bytes, salt: bytes | None = None) -> bytes:
    """Return the 32-byte key for `purpose`; with a `salt`, one for each salt."""
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=purpose).derive(key)
