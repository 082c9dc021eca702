# SPDX-License-Identifier: Apache-2.0
"""What `customhouse fsck` recomputes of a log, pure. Shares no code with the writer (record.py, chain.py, sequence.py).

Written from docs/reference/evidence.md: leaf = SHA-256(0x00 || bytes), link = SHA-256(0x02 || link before || leaf), the
link before the first is 32 zero bytes; the bytes are canonical JSON (RFC 8785) without floats. A mistake in the writer
that its own check repeats is found here.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from customhouse.ledger.fsck_tables import Record


class Wrong(NamedTuple):
    """What is wrong at a place of a log. `chain`: nothing after it can be relied on to be what was written."""

    position: int
    problem: str
    chain: bool


class Named(NamedTuple):
    """A payload that a record names."""

    trace_id: str
    kind: str
    commitment: str
    position: int


@dataclass(slots=True)
class Walk:
    """The place up to which a log was read, and the link that stands there."""

    tenant: str
    position: int = 0
    link: bytes = bytes(32)
    named: list[Named] = field(default_factory=list[Named])


def read(walk: Walk, rows: Iterable[Record], end: int) -> Iterator[Wrong]:
    """Read the rows of the places up to `end` and yield what is wrong; the walk goes on from what is stored."""
    for row in rows:
        if row.position < walk.position:
            yield Wrong(row.position, f"position {row.position} is taken twice (record {row.id})", chain=True)
            continue
        if row.position > walk.position:
            yield Wrong(walk.position, f"positions {walk.position} to {row.position - 1} are missing", chain=True)
        leaf = hashlib.sha256(b"\x00" + row.canonical).digest()
        link = hashlib.sha256(b"\x02" + walk.link + leaf).digest()
        if leaf != row.leaf_hash:
            yield Wrong(row.position, "the record's bytes are not those of its leaf", chain=True)
        if row.position == walk.position and link != row.link_hash:
            yield Wrong(row.position, "the link does not follow from the one before", chain=True)
        for problem in _contents(walk, row):
            yield Wrong(row.position, problem, chain=False)
        walk.position, walk.link = row.position + 1, row.link_hash
    if walk.position < end:
        yield Wrong(walk.position, f"positions {walk.position} to {end - 1} are missing", chain=True)
        walk.position = end


def fields(canonical: bytes) -> dict[str, object]:
    """Return a record's fields. Raises ValueError with what is wrong with its form."""
    value: object = json.loads(canonical, parse_float=_no_float, parse_constant=_no_float)
    if not isinstance(value, dict):
        raise TypeError("the record is no JSON object")
    # A key given twice, blanks, another order of keys: none of them comes out as it went in.
    written = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    if written != canonical:
        raise ValueError("the record is not canonical JSON")
    return cast("dict[str, object]", value)


def _contents(walk: Walk, row: Record) -> Iterator[str]:
    try:
        found = fields(row.canonical)
    except (ValueError, TypeError) as error:
        yield f"the record cannot be read: {error}"
        return
    own = {"tenant": walk.tenant, "trace_id": row.trace_id, "id": row.id, "kind": row.kind}
    for name, value in own.items():
        if found.get(name) != value:
            yield f"the record says {name} {found.get(name)!r}, its row says {value!r}"
    commitments = found.get("commitments")
    if isinstance(commitments, dict):
        walk.named += [
            Named(row.trace_id, kind, commitment, row.position)
            for kind, commitment in cast("dict[str, str]", commitments).items()
        ]


def _no_float(text: str) -> object:
    raise ValueError(f"{text} is no whole number")
