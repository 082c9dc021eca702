# SPDX-License-Identifier: Apache-2.0
"""A turn's beginning as SQLite keeps it until the first call's outcome: one row, so that little is written first. Pure.

What a turn writes before it asks a model is durable before anything leaves, and its client waits for that. As one row
it touches one page of the file; as records, payloads, further ids and an open call it touched ten (docs/adr/0044).
"""

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from customhouse.ledger import record
from customhouse.ledger.entry import Entry, Leaf, storable
from customhouse.vault.seal import Sealed

_MASK: Final = (1 << 63) - 1
"""SQLite's numbers of rows have 63 bits."""


class Opening(NamedTuple):
    """One row: whose it is, and its leaves as JSON text that SQL reads too, with what is sealed in one piece."""

    tenant: str
    trace_id: str
    span_id: str
    leaves: str
    sealed: bytes


class _Payload(msgspec.Struct, frozen=True):
    commitment: str
    kind: str
    first: int
    size: int


class _Leaf(msgspec.Struct, frozen=True):
    """A leaf; `canonical` is the text of its record's bytes."""

    id: str
    kind: str
    canonical: str
    opens: bool
    payloads: tuple[_Payload, ...]
    names: tuple[str, ...]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[_Leaf, ...]).decode


def number(tenant: str, span_id: str) -> int:
    """Return the number of a call's row, which nobody else's has: 63 bits of the SHA-256 of its tenant and span."""
    return int.from_bytes(hashlib.sha256(f"{tenant}\0{span_id}".encode()).digest()[:8]) & _MASK


def begun(leaves: Sequence[Leaf]) -> str | None:
    """Return the span of the one call that a trace's leaves open and do not close; None when they do anything else."""
    spans = [leaf.entry.record.span_id for leaf in leaves if leaf.entry.opens]
    if len(spans) != 1 or any(leaf.entry.closes is not None for leaf in leaves):
        return None
    return spans[0]


def kept(span_id: str, leaves: Sequence[Leaf]) -> Opening:
    """Return the row of one trace's first leaves."""
    rows: list[_Leaf] = []
    sealed: list[bytes] = []
    first = 0
    for leaf in leaves:
        entry = leaf.entry
        payloads: list[_Payload] = []
        for payload in entry.payloads:
            payloads.append(_Payload(payload.commitment, payload.kind, first, len(payload.content)))
            sealed.append(payload.content)
            first += len(payload.content)
        written = leaf.canonical.decode()
        names = tuple(storable(name) for name in entry.references)
        rows.append(_Leaf(entry.record.id, entry.record.kind, written, entry.opens, tuple(payloads), names))
    begins = leaves[0].entry.record
    return Opening(begins.tenant, begins.trace_id, span_id, _encode(rows).decode(), b"".join(sealed))


def leaves_of(opening: Opening) -> list[Leaf]:
    """Return the leaves of a row, in order. Raises ValueError for what no row of ours has."""
    return [
        Leaf(
            Entry(
                record.decode(canonical := each.canonical.encode()),
                tuple(
                    Sealed(
                        payload.commitment, payload.kind, opening.sealed[payload.first : payload.first + payload.size]
                    )
                    for payload in each.payloads
                ),
                each.names,
                opens=each.opens,
            ),
            canonical,
        )
        for each in _decode(opening.leaves)
    ]
