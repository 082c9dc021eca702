# SPDX-License-Identifier: Apache-2.0
"""Reads evidence on PostgreSQL as an outsider, and watches who places it: with SQL of its own.

`watch_placements` has the server itself note every move of a log's head, in the transaction that moves it: from where
to where, under which epoch, by which session. So it is known afterwards who placed every record, whatever the
replicas say of themselves.
"""

from collections.abc import Mapping
from typing import Any, Final

import psycopg
from benchmarks.ledger_reader import Log
from benchmarks.reading import Reading, slim

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
    reading.require_once()
    return reading


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
    reading.require_payloads(present)


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
