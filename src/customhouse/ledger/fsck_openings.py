# SPDX-License-Identifier: Apache-2.0
"""What `customhouse fsck` recomputes of calls that have just begun (SQLite). Shares no code with their writer.

Written from docs/adr/0044: a row has a trace's first records in order, each with its payloads as pieces of one text of
bytes, and one of them is the call that is open; its number is the first 63 bits of the SHA-256 of tenant and span.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any, cast

from customhouse.ledger import fsck_log
from customhouse.ledger.fsck_tables import Opening


def problems(row: Opening, placed: frozenset[str]) -> list[str]:
    """Return what is wrong with a row; `placed` are the ids of the trace's records that have their places."""
    try:
        leaves = cast("list[dict[str, Any]]", json.loads(row.leaves))
        fields = [fsck_log.fields(leaf["canonical"].encode()) for leaf in leaves]
        return [
            *_row(row, leaves, fields),
            *(problem for leaf, said in zip(leaves, fields, strict=True) for problem in _record(row, leaf, said)),
            *(f"the record {said['id']} waits for its place, and has one" for said in fields if said["id"] in placed),
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return [f"what the call began with cannot be read: {error}"]


def _row(row: Opening, leaves: list[dict[str, Any]], fields: list[dict[str, object]]) -> Iterator[str]:
    key = hashlib.sha256(f"{row.tenant}\0{row.span_id}".encode()).digest()
    if row.number != int.from_bytes(key[:8]) % 2**63:
        yield "the row does not have its call's number, so nobody would find it"
    open_spans = [said.get("span_id") for leaf, said in zip(leaves, fields, strict=True) if leaf["opens"]]
    kinds = {said["kind"] for leaf, said in zip(leaves, fields, strict=True) if leaf["opens"]}
    if open_spans != [row.span_id] or kinds != {"model.called"}:
        yield "no record says which call is open"
    pieces = [piece for leaf in leaves for piece in leaf["payloads"]]
    ends = [0, *(piece["first"] + piece["size"] for piece in pieces)]
    if [piece["first"] for piece in pieces] != ends[:-1] or ends[-1] != row.sealed_bytes:
        yield f"its payloads do not make up the {row.sealed_bytes} sealed bytes"


def _record(row: Opening, leaf: dict[str, Any], said: dict[str, object]) -> Iterator[str]:
    own = {"tenant": row.tenant, "trace_id": row.trace_id, "id": leaf["id"], "kind": leaf["kind"]}
    for name, value in own.items():
        if said.get(name) != value:
            yield f"the record says {name} {said.get(name)!r}, its row says {value!r}"
    named = cast("dict[str, str]", said.get("commitments") or {})
    for kind, commitment in named.items():
        if commitment not in {piece["commitment"] for piece in leaf["payloads"]}:
            yield f"its {kind} payload is not there"
