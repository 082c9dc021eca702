# SPDX-License-Identifier: Apache-2.0
"""Keys as text: what they look like, and the hash under which they are kept.

Rules:
- 256 random bits, so that guessing is hopeless and a slow hash would protect nothing (argon2 is for passwords).
- Kept and looked up by SHA-256 of the whole text, prefix included: a token that differs in any byte is another token.
- The prefix names the plane (`chk_` data, `cho_` control, `chs_` a session of the console), so that a key found in the
  wrong place can be named.
"""

import base64
import hashlib
import re
from typing import Final, Literal

Prefix = Literal["chk_", "cho_", "chs_"]

RANDOM_BYTES: Final = 32
_SHAPE: Final = re.compile(r"ch[kos]_[A-Za-z0-9_-]{43}", re.ASCII)


def make(prefix: Prefix, random: bytes) -> str:
    """Return the token that carries `random`, 32 bytes fit for keys."""
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"a token takes {RANDOM_BYTES} random bytes, not {len(random)}")
    return prefix + base64.urlsafe_b64encode(random).rstrip(b"=").decode()


def shaped(token: str, prefix: Prefix) -> bool:
    """Return whether `token` is the prefix and 43 base64url characters, and nothing else."""
    return token.startswith(prefix) and _SHAPE.fullmatch(token) is not None


def mentions(text: str) -> bool:
    """Return whether something that looks like a key stands anywhere in `text`."""
    return _SHAPE.search(text) is not None


def digest(token: str) -> bytes:
    """Return the hash under which a token is kept."""
    return hashlib.sha256(token.encode()).digest()
