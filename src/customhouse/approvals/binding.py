# SPDX-License-Identifier: Apache-2.0
"""What exactly is approved: one digest over everything that must be the same when the call is released. Pure.

Story: Ola approves a refund of 5.00. The client repeats its request, and meanwhile the policy, the tool's definition,
the caller or the model's arguments have changed. The digest is another one, and Ola's yes is worth nothing.
"""

import hashlib
from collections.abc import Mapping

import msgspec

from customhouse.domain.digest import Digest, canonical


class Bound(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What an approval is good for (invariant 7). `versions` are the digests of the five planes by name.

    `arguments` is the canonical text of the arguments; `body_digest` covers the client's canonical request.
    `email` is that of a verified token: whoever asked with it cannot have the call released with a token without.
    """

    tenant: str
    environment: str
    assistant: str
    versions: Mapping[str, Digest]
    tool: str
    tool_digest: str
    arguments: str
    reasons: tuple[str, ...]
    key_id: str
    on_behalf_of: str | None
    assertion: str
    body_digest: str
    email: str | None = None


def digest(bound: Bound) -> str:
    """Return the SHA-256 of its canonical JSON, 64 hexadecimal digits. Raises ValueError for what is no Unicode."""
    return hashlib.sha256(canonical(msgspec.to_builtins(bound))).hexdigest()
