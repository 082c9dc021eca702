# SPDX-License-Identifier: Apache-2.0
"""What `customhouse doctor` looks at where the installation is in PostgreSQL: server, roles, rights, clock, room.

Rules of checkup.py; the schema is not brought up to date here, a server does that when it starts.
"""

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Final, get_args

import psycopg

from customhouse.cli.finding import Finding, fail, ok, warn
from customhouse.domain.clock import Clock
from customhouse.domain.errors import StoreUnavailable
from customhouse.ledger import fsck_rights, fsck_tables, partition
from customhouse.registry import replica_tables
from customhouse.settings import Settings, masked
from customhouse.store import server_tables
from customhouse.store.database import Database, Transaction
from customhouse.store.migrate_postgres import OLDEST_SERVER
from customhouse.store.migration import packaged, pending
from customhouse.store.postgres import CONNECTIONS, open_postgres
from customhouse.store.postgres_session import CONNECT_TIMEOUT_S, Role, reason, require_role, session

REPLICA_CONNECTIONS: Final = sum(CONNECTIONS[role] for role in ("control", "gateway", "sequencer")) + 2
"""Connections of one replica at most: its pools, one that listens, one that asks for the sequencer's lock."""
CLOCK_WARN_S: Final = 1.0
CLOCK_FAIL_S: Final = 60.0
"""Evidence carries the replicas' time, and its day decides its partition."""
STAGED_S: Final = 60
_ADVICE: Final = (
    "is it running and named right? does a pooler pass start-up options on? The first command with --local as owner "
    "makes schema and roles; another login is granted them: docs/howto/postgresql-and-replicas.md"
)


async def server(chosen: Settings, clock: Clock) -> list[Finding]:
    """Check the server that the settings name; the first finding that fails says why nothing else was looked at."""
    taken = [*_roles(chosen.database)]
    if any(each.state == "fail" for each in taken):
        return taken
    async with _opened(chosen, "control") as database:
        facts = await database.read(server_tables.server)
        found = [*taken, *_facts(chosen, facts), await _clock(database), await _schema(database)]
        replicas = await database.read(replica_tables.replicas)
    if any(each.state != "ok" for each in taken):
        return found
    async with _opened(chosen, "auditor") as database:
        waiting, oldest = await database.read(fsck_tables.staged)
        return [*found, await database.read(_rights), _staged(clock, waiting, oldest, running=len(replicas))]


@asynccontextmanager
async def _opened(chosen: Settings, role: Role) -> AsyncGenerator[Database]:
    database = await open_postgres(chosen.database, role, deadline_s=None)
    try:
        yield database
    finally:
        await database.close()


def _roles(url: str) -> Iterator[Finding]:
    """Check that every role can be taken, as every connection does."""
    for role in get_args(Role):
        options = session(role, CONNECT_TIMEOUT_S)
        try:
            with psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S, options=options) as connection:
                require_role(connection, role)
        except psycopg.Error as error:
            where = f"{masked(url)} as customhouse_{role}: {reason(error)}"
            if role == "auditor":
                yield warn("role auditor", where, "GRANT customhouse_auditor to the login that runs `customhouse fsck`")
                continue
            yield fail(f"role {role}", where, _ADVICE)
            return
        else:
            yield ok(f"role {role}", f"customhouse_{role} can be taken")


def _facts(chosen: Settings, facts: server_tables.Server) -> Iterator[Finding]:
    if facts.number < OLDEST_SERVER:
        yield fail(
            "postgres", f"the server is {facts.version}", f"PostgreSQL {OLDEST_SERVER // 10_000} or newer is needed"
        )
    else:
        yield ok("postgres", f"{masked(chosen.database)} is {facts.version}")
    unsafe = [name for name in ("fsync", "full_page_writes") if getattr(facts, name) != "on"]
    if unsafe:
        yield fail("durability", f"{', '.join(unsafe)} is off", "switch it on: a crash may lose what was acknowledged")
    if facts.encoding != "UTF8":
        yield fail("encoding", f"the database keeps text as {facts.encoding}", "make it anew with ENCODING 'UTF8'")
    free = facts.connections - facts.used
    shown = f"{facts.used} of {facts.connections} connections are open; a replica takes {REPLICA_CONNECTIONS} at most"
    if free < REPLICA_CONNECTIONS:
        yield warn(
            "connections", shown, "raise max_connections, or run fewer replicas: the next one may not get its own"
        )
    else:
        yield ok("connections", shown)
    if facts.unbound:
        advice = "let servers log in as a role that owns nothing: docs/howto/postgresql-and-replicas.md"
        yield warn("login", f"{facts.login} is not bound by row security", advice)
    else:
        yield ok("login", f"{facts.login} is bound by row security")


async def _clock(database: Database) -> Finding:
    before = time.time()
    there = await database.read(replica_tables.now_us) / 1_000_000
    apart = there - (before + time.time()) / 2
    shown = f"the server's clock is {abs(apart):.1f} s {'ahead' if apart > 0 else 'behind'}"
    if abs(apart) > CLOCK_FAIL_S:
        return fail("clocks", shown, "set both clocks (NTP): evidence carries its time, and its day its place")
    if abs(apart) > CLOCK_WARN_S:
        return warn("clocks", shown, "set both clocks (NTP)")
    return ok("clocks", shown)


async def _schema(database: Database) -> Finding:
    applied = await database.read(server_tables.steps)
    try:
        missing = pending(applied, packaged("postgres"))
    except StoreUnavailable as error:
        return fail("schema", error.detail, "run the version of customhouse that wrote it, or restore the file")
    if missing:
        return warn("schema", f"{len(missing)} steps are missing", "the next server that starts as owner applies them")
    return ok("schema", f"{len(applied)} steps, up to date")


def _rights(tx: Transaction) -> Finding:
    problems = [
        *fsck_rights.security_problems(fsck_tables.row_security(tx)),
        *fsck_rights.policy_problems(fsck_tables.policies(tx)),
        *fsck_rights.grant_problems(fsck_tables.grants(tx)),
        *fsck_rights.role_problems(fsck_tables.roles(tx)),
    ]
    if problems:
        where, problem = problems[0]
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        return fail("rights", f"{where}: {problem}{more}", "`customhouse fsck` lists all; find out who changed them")
    return ok("rights", "row security is forced everywhere, and nobody may more than he should")


def _staged(clock: Clock, waiting: int, oldest: str | None, *, running: int) -> Finding:
    born_us = None if oldest is None else partition.time_of_id_us(oldest)
    age_s = 0 if born_us is None else (clock.now_us() - born_us) // 1_000_000
    shown = f"{waiting} records wait for their places, {running} replicas are known"
    if age_s > STAGED_S:
        return warn("sequencer", f"{shown}, the oldest waits for {age_s} s", "start a server, or see the leader's log")
    return ok("sequencer", shown)
