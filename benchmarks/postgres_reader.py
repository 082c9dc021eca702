# SPDX-License-Identifier: Apache-2.0
"""Reads evidence on PostgreSQL as an outsider, and watches who places it: with SQL of its own.

`watch_placements` has the server itself note every move of a log's head, in the transaction that moves it: from where
to where, under which epoch, by which session. So it is known afterwards who placed every record, whatever the
replicas say of themselves.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from benchmarks.ledger_reader import Log

ORGANIZATION: Final = "_organization"
PAGE: Final = 5000
_WATCH: Final = """
CREATE SCHEMA crash_watch;
CREATE TABLE crash_watch.placed (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, log text NOT NULL, before bigint NOT NULL,
    after bigint NOT NULL, epoch bigint NOT NULL, session text NOT NULL
);
CREATE FUNCTION crash_watch.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = customhouse AS $$
BEGIN
    INSERT INTO crash_watch.placed (log, before, after, epoch, session)
    SELECT NEW.tenant_id, coalesce(OLD.size, 0), NEW.size, epoch, current_setting('application_name') FROM sequencer;
    RETURN NULL;
END $$;
CREATE TRIGGER crash_watch AFTER INSERT OR UPDATE ON customhouse.chain_head
   FOR EACH ROW EXECUTE FUNCTION crash_watch.note();
"""


@dataclass(slots=True)
class Reading:
    """Every log of a database, and what is wrong with them."""

    logs: dict[str, Log] = field(default_factory=dict[str, Log])
    terms: int = 0
    placements: int = 0
    faults: list[str] = field(default_factory=list[str])

    @property
    def records(self) -> int:
        """Return how many records there are."""
        return sum(log.size for log in self.logs.values())

    def count(self, kind: str) -> int:
        """Return how many records of a kind there are."""
        return sum(log.count(kind) for log in self.logs.values())

    def gaps(self) -> Iterable[tuple[str, dict[str, Any]]]:
        """Yield every declared gap's log and details."""
        for tenant, log in self.logs.items():
            for records in log.traces.values():
                yield from ((tenant, record["detail"]) for record in records if record["kind"] == "gap.declared")


def watch_placements(url: str) -> None:
    """Have the server note who moves the logs' heads from now on."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_WATCH)


def read(url: str, names: Mapping[str, str]) -> Reading:
    """Read everything once; `names` maps each replica's id to the name that its sessions have."""
    reading = Reading()
    with psycopg.connect(url, options="-c search_path=customhouse") as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        _read_logs(connection, reading)
        _read_what_is_left(connection, reading)
        _read_placements(connection, reading, names)
    _require_once(reading)
    return reading


def slim(record: dict[str, Any]) -> dict[str, Any]:
    """Return what the checks need of a record: a long series has hundreds of thousands."""
    names = ("id", "kind", "span_id", "release", "assistant", "outcome", "late")
    kept = {name: record[name] for name in names if name in record}
    commitments: dict[str, str] = record.get("commitments", {})
    kept["sealed"] = tuple(commitments.values())
    if record["kind"] == "gap.declared":
        kept["detail"] = record["detail"]
    return kept


def _read_logs(connection: psycopg.Connection[Any], reading: Reading) -> None:
    with connection.cursor(name="records") as cursor:
        cursor.itersize = PAGE
        cursor.execute(
            "SELECT tenant_id, position, canonical, leaf_hash, link_hash FROM evidence ORDER BY tenant_id, position"
        )
        for tenant, *row in cursor:
            reading.logs.setdefault(tenant, Log(tenant, keep=slim)).take(*row)
    heads = {tenant: (size, link) for tenant, size, link in connection.execute("SELECT * FROM chain_head")}
    for tenant in heads.keys() | reading.logs.keys():
        log = reading.logs.setdefault(tenant, Log(tenant, keep=slim))
        log.require_head(*heads.get(tenant, (0, bytes(32))))
        reading.faults += log.faults[:10]


def _read_what_is_left(connection: psycopg.Connection[Any], reading: Reading) -> None:
    [(opened, staged)] = connection.execute(
        "SELECT (SELECT count(*) FROM open_call), (SELECT count(*) FROM evidence_staged)"
    ).fetchall()
    if opened or staged:
        reading.faults.append(f"{opened} model calls are still open, {staged} records have no place")
    present = {row[0] for row in connection.execute("SELECT tenant_id || ' ' || commitment FROM payload")}
    missing = [
        f"{tenant} {commitment}"
        for tenant, log in reading.logs.items()
        for records in log.traces.values()
        for record in records
        for commitment in record["sealed"]
        if f"{tenant} {commitment}" not in present
    ]
    if missing:
        reading.faults.append(f"{len(missing)} payloads that records name are not there, the first: {missing[0]}")


def _read_placements(connection: psycopg.Connection[Any], reading: Reading, names: Mapping[str, str]) -> None:
    terms = dict(connection.execute("SELECT epoch, replica FROM sequencer_term ORDER BY epoch").fetchall())
    reading.terms = len(terms)
    if list(terms) != list(range(1, len(terms) + 1)):
        reading.faults.append("the terms are not numbered one after the other")
    stands: dict[str, int] = {}
    newest = 0
    placed = connection.execute("SELECT log, before, after, epoch, session FROM crash_watch.placed ORDER BY number")
    for log, before, after, epoch, session in placed:
        reading.placements += 1
        if before != stands.get(log, before) or after <= before:
            reading.faults.append(f"log {log}: placed {before} to {after}, it stood at {stands.get(log)}")
        if epoch < newest:
            reading.faults.append(f"log {log}: epoch {epoch} placed after epoch {newest} had")
        if names.get(terms.get(epoch, "")) != session:
            reading.faults.append(f"log {log}: {session} placed in epoch {epoch}, which is of {terms.get(epoch)}")
        stands[log], newest = after, max(newest, epoch)
    for tenant, log in reading.logs.items():
        if stands.get(tenant, log.size) != log.size:
            reading.faults.append(f"log {tenant}: {log.size} records, placed {stands[tenant]}")


def _require_once(reading: Reading) -> None:
    seen = Counter(
        record["id"] for log in reading.logs.values() for records in log.traces.values() for record in records
    )
    doubled = [record_id for record_id, times in seen.items() if times > 1]
    if doubled:
        reading.faults.append(f"{len(doubled)} records stand there twice, the first: {doubled[0]}")
