# SPDX-License-Identifier: Apache-2.0
"""One evidence record and its canonical bytes: RFC 8785 JSON without floats, at most 8 KB, payloads by commitment only.

The record is written by the point that enforces, when it has enforced: never from the intent.
"""

from typing import Final

import msgspec

MAX_RECORD_BYTES: Final = 8192
"""A record that does not fit is refused (and so is the turn): a payload belongs behind a commitment."""

KINDS: Final = frozenset(
    {
        "request.accepted",
        "request.refused",
        "model.called",
        "model.answered",
        "model.failed",
        "model.unknown",
        "tool.proposed",
        "tool.decided",
        "tool.passed",
        "approval.requested",
        "approval.decided",
        "ticket.redeemed",
        "tool.returned",
        "tool.reported",
        "response.completed",
        "response.deleted",
        "release.published",
        "pin.moved",
        "hold.lifted",
        "switch.set",
        "switch.lifted",
        "charter.changed",
        "environment.changed",
        "change.proposed",
        "change.reviewed",
        "key.created",
        "key.revoked",
        "person.added",
        "person.revoked",
        "access.read",
        "session.began",
        "session.ended",
        "gap.declared",
        "payload.expired",
    }
)
"""Every kind this version writes; docs/reference/evidence.md has a heading for each."""

ORGANIZATION: Final = "_organization"
"""The tenant whose log holds what concerns the whole organisation."""

Detail = dict[str, object]


class Subject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who asked: a data-plane key, or a person (or local actor) of the control plane."""

    key: str | None = None
    actor: str | None = None
    environment: str | None = None
    on_behalf_of: str | None = None
    assertion: str | None = None
    issuer: str | None = None


class Ruling(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A decision, as it was made."""

    outcome: str
    reasons: tuple[str, ...] = ()
    obligations: tuple[str, ...] = ()


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which deployment was asked, for which model, and what it says of itself."""

    deployment: str
    provider: str
    requested: str
    region: str | None = None
    weights: str | None = None
    answered: str | None = None
    fingerprint: str | None = None
    upstream_id: str | None = None
    attempt: int


class ToolFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which tool a record is about. `digest` covers its released definition."""

    name: str
    call_id: str | None = None
    digest: str | None = None
    effect: str | None = None


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One leaf of the ledger. Times are RFC 3339 UTC with microseconds, ids UUIDv7, no floats anywhere."""

    v: int
    id: str
    tenant: str
    trace_id: str
    kind: str
    at: str
    span_id: str | None = None
    parents: tuple[str, ...] = ()
    principal: Subject | None = None
    assistant: str | None = None
    release: str | None = None
    snapshot: str | None = None
    generation: int | None = None
    charter: int | None = None
    versions: dict[str, str] | None = None
    decision: Ruling | None = None
    labels: str | None = None
    model: ModelFacts | None = None
    tool: ToolFacts | None = None
    tools_offered: str | None = None
    usage: dict[str, int] | None = None
    timing_us: dict[str, int] | None = None
    commitments: dict[str, str] | None = None
    outcome: str | None = None
    late: bool = False
    detail: Detail | None = None


_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(Record).decode


def encode(record: Record) -> bytes:
    """Return the canonical bytes. Raises ValueError for an unknown kind or a record over 8 KB. Cost: about 2 µs."""
    if record.kind not in KINDS:
        raise ValueError(f"{record.kind} is not an evidence kind")
    content = _encode(record)
    if len(content) > MAX_RECORD_BYTES:
        raise ValueError(f"a {record.kind} record of {len(content)} bytes is over {MAX_RECORD_BYTES}")
    return content


def decode(content: bytes) -> Record:
    """Read a record back; raises ValueError (msgspec's errors are such) for other bytes."""
    return _decode(content)
