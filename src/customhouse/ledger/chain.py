# SPDX-License-Identifier: Apache-2.0
"""The hash chain of one log, pure. Leaf hashes are RFC 6962 2.1's, so a Merkle tree can be laid over the same leaves.

link(n) = SHA-256(0x02 || link(n-1) || leaf(n)), link(-1) = 32 zero bytes. The prefix 0x02 keeps links apart from RFC
6962's leaves (0x00) and nodes (0x01).
"""

import hashlib
from collections.abc import Iterable
from typing import Final, NamedTuple

GENESIS: Final = bytes(32)


class Link(NamedTuple):
    """One stored row of a log: what the chain needs of it."""

    position: int
    canonical: bytes
    leaf_hash: bytes
    link_hash: bytes


class Verdict(NamedTuple):
    """What a check of a log found: its length and last link, and the first position that is wrong, if any."""

    size: int
    hash: bytes
    broken_at: int | None
    reason: str | None


def leaf_hash(canonical: bytes) -> bytes:
    """Return SHA-256(0x00 || canonical)."""
    return hashlib.sha256(b"\x00" + canonical).digest()


def link_hash(previous: bytes, leaf: bytes) -> bytes:
    """Return the link after `previous`."""
    return hashlib.sha256(b"\x02" + previous + leaf).digest()


def verify(links: Iterable[Link]) -> Verdict:
    """Recompute a log from its first record. Stops at the first position that is missing, changed or misplaced."""
    expected, previous = 0, GENESIS
    for link in links:
        if link.position != expected:
            return Verdict(expected, previous, expected, f"position {expected} is missing")
        leaf = leaf_hash(link.canonical)
        if leaf != link.leaf_hash:
            return Verdict(expected, previous, expected, "the record's bytes do not match its leaf hash")
        if link_hash(previous, leaf) != link.link_hash:
            return Verdict(expected, previous, expected, "the link does not follow from the one before")
        expected, previous = expected + 1, link.link_hash
    return Verdict(expected, previous, None, None)
