# SPDX-License-Identifier: Apache-2.0
"""A database as the first version wrote it: its schema (migration 1 alone), records, ids and payloads, in any number.

Records go through the encoder, payloads through the vault; chain and rows are written here in bulk. What a reader must
find again is remembered beside it: how long each log is, where its chain ends, the sum over all leaves, and a sample of
traces with every id by which a person may ask for them.
"""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import apsw

from customhouse.domain.clock import SystemClock, rfc3339
from customhouse.ledger.record import ORGANIZATION, ModelFacts, Record, Ruling, Subject, ToolFacts, encode
from customhouse.store.migrate import migrate
from customhouse.store.migration import packaged
from customhouse.vault.seal import TENANT_KEY_BYTES, TenantKey, wrap

ROOT_KEY: Final = bytes(range(32))
TENANTS: Final = ("acme", "bolt", "cargo")
DAYS: Final = 90
"""Traces lie in the days before today."""
OPEN_CALLS: Final = 3
"""Calls whose outcome a crash left open, at the end of the first log."""
_BATCH: Final = 20_000
_CLOCK: Final = SystemClock()
_STAMPS: Final = ("support@3", "support@4+prompt@2")
_SNAPSHOT: Final = "sha256:" + "5a" * 32
_VERSIONS: Final = {plane: f"sha256:{plane[0].encode().hex() * 32}" for plane in ("model", "prompt", "tools", "safety")}
_MODEL: Final = ModelFacts(deployment="local/small-chat", provider="local", requested="smollm2-135m", attempt=1)
_TOOL: Final = ToolFacts(name="get_order_status", digest="sha256:" + "77" * 32, effect="read")


@dataclass(frozen=True, slots=True)
class Turn:
    """A trace of the sample: every id it is known by, and what it was asked."""

    tenant: str
    trace_id: str
    own: dict[str, str]
    shared: dict[str, str]
    question: bytes


@dataclass(slots=True)
class Log:
    """What a reader must find of one tenant's log."""

    size: int = 0
    link: bytes = bytes(32)
    total: int = 0

    def add(self, canonical: bytes) -> tuple[int, bytes, bytes]:
        """Join a record to the chain; return its place, leaf and link."""
        leaf = hashlib.sha256(b"\x00" + canonical).digest()
        self.link = hashlib.sha256(b"\x02" + self.link + leaf).digest()
        self.total = (self.total + int.from_bytes(leaf, "big")) % 2**256
        self.size += 1
        return self.size - 1, leaf, self.link


@dataclass(slots=True)
class Written:
    """What is in the database."""

    logs: dict[str, Log] = field(default_factory=dict[str, Log])
    sample: list[Turn] = field(default_factory=list[Turn])
    turns: int = 0
    payloads: int = 0


@dataclass(slots=True)
class _Rows:
    evidence: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])
    reference: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])
    payload: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])


def write(path: Path, records: int, sample: int, seed: int) -> Written:
    """Write a database of at least `records` records; remember `sample` of its traces."""
    written, rows, dice = Written(), _Rows(), random.Random(seed)  # noqa: S311 - a reproducible benchmark
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    migrate(connection, packaged("sqlite")[:1], _CLOCK.now_us())
    keys = dict(_keys(connection))
    first_us = _CLOCK.now_us() - DAYS * 86_400_000_000
    turns = -(-records // 7)
    _published(written, rows)
    connection.execute("BEGIN")
    for number in range(turns):
        at_us = first_us + number * (DAYS * 86_400_000_000 // turns)
        turn = _turn(written, rows, dice, keys, at_us)
        if turns <= sample or dice.random() < sample / turns or turns - number <= sample - len(written.sample):
            written.sample.append(turn)
        if len(rows.evidence) > _BATCH:
            _flush(connection, rows)
    for _ in range(OPEN_CALLS):
        called = _record(
            "model.called", TENANTS[0], _uuid7(dice, _CLOCK.now_us()), dice, span_id=_uuid7(dice, _CLOCK.now_us())
        )
        content = _keep(written, rows, called)
        connection.execute("INSERT INTO open_call VALUES (?, ?, ?)", (TENANTS[0], called.span_id, content))
    _flush(connection, rows)
    heads = [(tenant, log.size, log.link) for tenant, log in written.logs.items()]
    connection.executemany("INSERT INTO chain_head VALUES (?, ?, ?)", heads)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    written.turns = turns
    del written.sample[sample:]
    return written


def _keys(connection: apsw.Connection) -> Iterator[tuple[str, TenantKey]]:
    for tenant in TENANTS:
        key = _CLOCK.random(TENANT_KEY_BYTES)
        row = (tenant, wrap(ROOT_KEY, tenant, key, _CLOCK), _CLOCK.now_us())
        connection.execute("INSERT INTO tenant_key VALUES (?, ?, ?)", row)
        yield tenant, TenantKey(tenant, key, _CLOCK)


def _published(written: Written, rows: _Rows) -> None:
    for number in (3, 4):
        said = Record(
            v=1,
            id=_CLOCK.uuid7(),
            tenant=ORGANIZATION,
            trace_id=_CLOCK.uuid7(),
            kind="release.published",
            at=rfc3339(_CLOCK.now_us()),
            principal=Subject(actor="dana@acme.test"),
            assistant="support",
            detail={"release": f"support@{number}"},
        )
        _keep(written, rows, said)
        rows.reference.append((ORGANIZATION, f"support@{number}", said.trace_id))


def _turn(written: Written, rows: _Rows, dice: random.Random, keys: dict[str, TenantKey], at_us: int) -> Turn:
    """Write a turn with one tool call: seven records, three payloads, three ids of its own."""
    tenant = dice.choice(TENANTS)
    key, trace_id, span, number = keys[tenant], _uuid7(dice, at_us), _uuid7(dice, at_us), dice.getrandbits(48)
    proposed, decision, call = _uuid7(dice, at_us), _uuid7(dice, at_us), f"call_{number:012x}"
    client_trace, person = f"{dice.getrandbits(128):032x}", f"user:{number % 50_000}"
    release, key_id = dice.choice(_STAMPS), f"key_{number % 8:03d}"
    question = f"Where is order {number}? I moved to Straße {number % 97}.".encode()
    asked = key.seal(trace_id, "request", question)
    said = key.seal(trace_id, "model_answer", b'{"text":"It arrives on Friday."}')
    arguments = key.seal(trace_id, f"arguments:{proposed}", b'{"order_id":"%d"}' % number)
    subject = Subject(key=key_id, environment="production", on_behalf_of=person, assertion="asserted")
    about: dict[str, Any] = {"release": release, "at_us": at_us}
    tool = ToolFacts(name=_TOOL.name, call_id=call, digest=_TOOL.digest, effect=_TOOL.effect)
    records = (
        _record("request.accepted", tenant, trace_id, dice, **about, principal=subject, versions=_VERSIONS,
                commitments={"request": asked.commitment},
                detail={"classification": "internal", "client_trace": client_trace}),
        _record("model.called", tenant, trace_id, dice, **about, span_id=span, model=_MODEL),
        _record("model.answered", tenant, trace_id, dice, **about, span_id=span, parents=(span,), model=_MODEL,
                usage={"prompt_tokens": 40, "completion_tokens": 9}, commitments={"model_answer": said.commitment}),
        _record("tool.proposed", tenant, trace_id, dice, **about, id=proposed, span_id=span, tool=tool,
                commitments={"arguments": arguments.commitment}),
        _record("tool.decided", tenant, trace_id, dice, **about, id=decision, parents=(proposed,), tool=tool,
                decision=Ruling(outcome="allow", reasons=("tool.granted",))),
        _record("tool.passed", tenant, trace_id, dice, **about, parents=(decision,), tool=tool),
        _record("response.completed", tenant, trace_id, dice, **about, outcome="answered",
                commitments={"response": said.commitment}, timing_us={"total": 1500}),
    )  # fmt: skip
    for each in records:
        _keep(written, rows, each)
    rows.reference += [(tenant, name, trace_id) for name in (call, decision, client_trace)]
    rows.payload += [(tenant, each.commitment, trace_id, each.kind, each.content) for each in (asked, said, arguments)]
    written.payloads += 3
    own = {
        "trace": trace_id,
        "response": f"chatcmpl-{trace_id.replace('-', '')}",
        "tool call": call,
        "decision": decision,
        "client's trace": client_trace,
    }
    return Turn(tenant, trace_id, own, {"release": release, "key": key_id, "person": person}, question)


def _record(kind: str, tenant: str, trace_id: str, dice: random.Random, **fields: Any) -> Record:  # noqa: ANN401 - the record's own
    at_us = fields.pop("at_us", None) or _CLOCK.now_us()
    values: dict[str, Any] = {
        "v": 1,
        "id": _uuid7(dice, at_us),
        "tenant": tenant,
        "trace_id": trace_id,
        "kind": kind,
        "at": rfc3339(at_us),
        "assistant": "support",
        "release": _STAMPS[0],
        "snapshot": _SNAPSHOT,
        "generation": 7,
        "labels": "labels: not computed yet",
    }
    return Record(**{**values, **fields})


def _keep(written: Written, rows: _Rows, record: Record) -> bytes:
    canonical = encode(record)
    position, leaf, link = written.logs.setdefault(record.tenant, Log()).add(canonical)
    rows.evidence.append((record.tenant, position, record.id, record.trace_id, record.kind, canonical, leaf, link))
    return canonical


def _flush(connection: apsw.Connection, rows: _Rows) -> None:
    connection.executemany("INSERT INTO evidence VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows.evidence)
    connection.executemany("INSERT INTO reference VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rows.reference)
    connection.executemany("INSERT INTO payload VALUES (?, ?, ?, ?, ?)", rows.payload)
    rows.evidence, rows.reference, rows.payload = [], [], []


def _uuid7(dice: random.Random, at_us: int) -> str:
    """Return an id of a time (RFC 9562, 5.7)."""
    tail = f"{dice.getrandbits(74):019x}"
    stamp = f"{at_us // 1000:012x}"
    variant = "89ab"[int(tail[3:4], 16) & 3]
    return f"{stamp[:8]}-{stamp[8:]}-7{tail[:3]}-{variant}{tail[4:7]}-{tail[7:19]}"
