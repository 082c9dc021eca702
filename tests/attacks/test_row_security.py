# SPDX-License-Identifier: Apache-2.0
"""What each role of PostgreSQL cannot do with raw SQL, whatever bug let it through: see, change or forge others' rows.

Story: a query of the gateway forgot its WHERE, or somebody injected his own. The connection acts for acme, as row
security says, and bolt's rows are not there for it; there is no statement by which evidence is changed at all.
"""

import asyncio
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final, cast
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
from tests import postgres as servers
from tests.ledger.book import CLOCK, asked, open_book, record

from customhouse.ledger.entry import Entry
from customhouse.store.postgres_session import Role, session

TODAY: Final = "to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')"
STAGED: Final = "evidence_staged (tenant_id, id, trace_id, kind, canonical)"
DENIED, UNSET, NOT_SUPPORTED = "42501", "CH001", "0A000"
ROLES: Final[tuple[Role, ...]] = ("control", "gateway", "sequencer", "auditor")
TENANTS_TABLES: Final = (
    "evidence", "evidence_staged", "payload", "reference", "tenant_key", "open_call", "chain_head", "budget_window",
    "approval", "approval_answer", "notification"
)  # fmt: skip
REDEEMED: Final = "INSERT INTO ticket_redemption VALUES ('{tenant}', 'ticket-of-{tenant}', 9, 9)"
BUDGET: Final = (
    "INSERT INTO budget_window VALUES ('{tenant}', 'dev', 'bot', 'tenant', 'day', 0, 9, {requests}, 0, 0, 0, 0, 0)"
)
APPROVAL: Final = (
    "INSERT INTO approval VALUES ('{tenant}', 'approval-of-{tenant}', 'dev', 'assistant-of-{tenant}',"
    " 'trace-of-{tenant}', 'call-of-{tenant}', 'tool-of-{tenant}', 'd', 'write', 'binding-of-{tenant}', 'd', 'k', 'c',"
    " NULL, 'none', '[]', '[]', 1, 0, {expires}, 2, '{state}', NULL, NULL)"
)
ANSWER: Final = (
    "INSERT INTO approval_answer VALUES ('{tenant}', 'approval-of-{tenant}', 'ola@acme.test', 'approve',"
    " 'reason-of-{tenant}', 0)"
)
NOTIFICATION: Final = "INSERT INTO notification VALUES ('{tenant}', 'approval-of-{tenant}', 'smtp', 'requested', 1, 0)"
EVERY_TENANTS: Final = ("chain_head", "approval", "approval_answer", "notification")
"""Tables whose rows operators list, whosever they are."""
NOT_THE_GATEWAYS: Final = ("chain_head", "notification")
"""Tenants' tables of which the gateway's role sees nothing at all."""


@pytest.fixture
def filled(postgres: str) -> str:
    """Return a database in which acme and bolt have every kind of row."""

    async def main() -> None:
        async with open_book(postgres) as book:
            for tenant in ("acme", "bolt"):
                key, trace_id = await book.ledger.tenant_key(tenant), CLOCK.uuid7()
                sealed = key.seal(trace_id, "request", b"TRIPWIRE")
                called = record("model.called", tenant, trace_id, span_id=CLOCK.uuid7())
                await book.ledger.append([Entry(called, (sealed,), ("name",), opens=True)])
            await book.settle()
            for tenant in ("acme", "bolt"):
                await book.ledger.append([Entry(record(tenant=tenant, trace_id=CLOCK.uuid7()))])
                book.asked(BUDGET.format(tenant=tenant, requests=7))
                book.asked(APPROVAL.format(tenant=tenant, expires=9, state="requested"))
                book.asked(ANSWER.format(tenant=tenant))
                book.asked(REDEEMED.format(tenant=tenant))
                book.asked(NOTIFICATION.format(tenant=tenant))

    asyncio.run(main())
    return postgres


@contextmanager
def acting(url: str, role: Role, tenant: str | None = "acme") -> Generator[psycopg.Connection[Any]]:
    """Yield a connection as a process has it, inside a transaction that acts for `tenant`."""
    with psycopg.connect(url, options=session(role, 5.0)) as connection:
        if tenant is not None:
            connection.execute("SELECT set_config('customhouse.tenant', %s, true)", (tenant,))
        yield connection
        connection.rollback()


def attempt(connection: psycopg.Connection[Any], statement: str) -> str | list[Any]:
    """Return the rows, or the SQLSTATE of the refusal."""
    try:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else [(cursor.rowcount,)]
    except psycopg.Error as error:
        return error.sqlstate or str(error)


REFUSED: Final[list[tuple[Role, str, str]]] = [
    # who, what he tries while he acts for acme, the refusal
    ("gateway", f"INSERT INTO {STAGED} VALUES ('bolt', 'i', 't', 'k', 'x')", DENIED),  # noqa: S608 - a constant
    ("gateway", "INSERT INTO payload VALUES ('bolt', 'c', 't', 'k', 'x')", DENIED),
    ("gateway", "INSERT INTO evidence VALUES ('acme', 9, 'i', 't', 'k', 'x', 'x', 'x')", DENIED),
    ("gateway", "UPDATE evidence SET kind = 'x'", DENIED),
    ("gateway", "DELETE FROM evidence", DENIED),
    ("gateway", "TRUNCATE evidence", DENIED),
    ("gateway", "UPDATE evidence_staged SET canonical = 'x'", DENIED),
    ("gateway", "DELETE FROM evidence_staged", DENIED),
    ("gateway", "DELETE FROM payload", DENIED),
    ("gateway", "UPDATE chain_head SET size = 0", DENIED),
    ("gateway", BUDGET.format(tenant="bolt", requests=1), DENIED),
    ("gateway", "UPDATE budget_window SET tenant_id = 'bolt', began_us = 1", DENIED),
    ("gateway", "DELETE FROM budget_window", DENIED),
    ("control", "UPDATE budget_window SET requests = 0", DENIED),
    ("control", "DELETE FROM budget_window", DENIED),
    ("sequencer", "UPDATE budget_window SET requests = 0", DENIED),
    ("auditor", "SELECT 1 FROM budget_window", DENIED),
    ("gateway", APPROVAL.format(tenant="bolt", expires=9, state="requested"), DENIED),
    ("gateway", APPROVAL.format(tenant="acme", expires=9, state="approved").replace("'approval-", "'an-"), DENIED),
    ("gateway", "UPDATE approval SET state = 'approved'", DENIED),
    ("gateway", "UPDATE approval SET expires_at_us = 99", DENIED),
    ("gateway", "UPDATE approval SET approvers = '[\"eve\"]'", DENIED),
    ("gateway", "DELETE FROM approval", DENIED),
    ("gateway", ANSWER.format(tenant="acme"), DENIED),
    ("gateway", "UPDATE approval_answer SET verdict = 'approve'", DENIED),
    ("control", APPROVAL.format(tenant="acme", expires=9, state="approved"), DENIED),
    ("control", "UPDATE approval SET quorum = 0", DENIED),
    ("control", "UPDATE approval SET binding = 'x'", DENIED),
    ("control", "DELETE FROM approval", DENIED),
    ("control", "UPDATE approval_answer SET verdict = 'approve'", DENIED),
    ("control", ANSWER.format(tenant="bolt"), DENIED),
    ("sequencer", "UPDATE approval SET state = 'approved'", DENIED),
    ("sequencer", "SELECT 1 FROM approval_answer", DENIED),
    ("auditor", "SELECT 1 FROM approval", DENIED),
    ("gateway", REDEEMED.format(tenant="bolt"), DENIED),
    ("gateway", "SELECT 1 FROM ticket_redemption", DENIED),
    ("gateway", "UPDATE ticket_redemption SET id = 'x'", DENIED),
    ("gateway", "DELETE FROM ticket_redemption", DENIED),
    ("control", "DELETE FROM ticket_redemption", DENIED),
    ("control", REDEEMED.format(tenant="acme"), DENIED),
    ("sequencer", REDEEMED.format(tenant="acme"), DENIED),
    ("auditor", "SELECT 1 FROM ticket_redemption", DENIED),
    ("gateway", "SELECT 1 FROM notification", DENIED),
    ("gateway", "UPDATE notification SET stage = 'done'", DENIED),
    ("control", "DELETE FROM notification", DENIED),
    ("control", NOTIFICATION.format(tenant="bolt"), DENIED),
    ("sequencer", "SELECT 1 FROM notification", DENIED),
    ("auditor", "SELECT 1 FROM notification", DENIED),
    ("gateway", "SELECT key_hash FROM person", DENIED),
    ("gateway", "SELECT key_hash FROM api_key", DENIED),
    ("gateway", "SELECT 1 FROM pin", DENIED),
    ("gateway", "UPDATE sequencer SET epoch = epoch + 1", DENIED),
    ("gateway", "SELECT 1 FROM evidence_default", DENIED),
    ("gateway", "SELECT ensure_day(CURRENT_DATE)", DENIED),
    ("gateway", "SELECT drop_payloads(CURRENT_DATE)", DENIED),
    ("gateway", "SELECT staged_logs()", DENIED),
    ("gateway", f"COPY {STAGED} FROM STDIN", NOT_SUPPORTED),
    ("gateway", "COPY (SELECT 1) TO PROGRAM 'true'", DENIED),
    ("gateway", "COPY evidence_default TO STDOUT", DENIED),
    ("gateway", "ALTER TABLE evidence DISABLE ROW LEVEL SECURITY", DENIED),
    ("gateway", "ALTER TABLE evidence NO FORCE ROW LEVEL SECURITY", DENIED),
    ("gateway", "CREATE POLICY all_rows ON evidence USING (true)", DENIED),
    ("gateway", "DROP TABLE evidence_default", DENIED),
    ("gateway", "CREATE OR REPLACE FUNCTION acting_tenant() RETURNS text LANGUAGE sql AS $$SELECT 'bolt'$$", DENIED),
    ("gateway", "SELECT pg_read_file('/etc/passwd')", DENIED),
    ("control", "UPDATE evidence SET kind = 'x'", DENIED),
    ("control", "DELETE FROM evidence_staged", DENIED),
    ("control", "DELETE FROM payload", DENIED),
    ("control", "DELETE FROM pin_event", DENIED),
    ("control", "UPDATE release SET signature = 'x'", DENIED),
    ("control", "UPDATE version SET document = 'x'", DENIED),
    ("control", "UPDATE switch_lift SET reason = 'x'", DENIED),
    ("control", "INSERT INTO evidence VALUES ('acme', 9, 'i', 't', 'k', 'x', 'x', 'x')", DENIED),
    ("sequencer", "UPDATE evidence SET kind = 'x'", DENIED),
    ("sequencer", "DELETE FROM evidence", DENIED),
    ("sequencer", "SELECT sealed FROM payload", DENIED),
    ("sequencer", "SELECT wrapped FROM tenant_key", DENIED),
    ("sequencer", "INSERT INTO payload VALUES ('acme', 'c', 't', 'k', 'x')", DENIED),
    ("sequencer", "UPDATE evidence_staged SET canonical = 'x'", DENIED),
    ("sequencer", "SELECT 1 FROM person", DENIED),
    ("auditor", "SELECT sealed FROM payload", DENIED),
    ("auditor", "SELECT * FROM payload", DENIED),
    ("auditor", "SELECT wrapped FROM tenant_key", DENIED),
    ("auditor", "SELECT key_hash FROM person", DENIED),
    ("auditor", "SELECT key_hash FROM api_key", DENIED),
    ("auditor", "INSERT INTO reference VALUES ('acme', 'n', 't')", DENIED),
    ("auditor", "DELETE FROM evidence", DENIED),
    ("auditor", "UPDATE chain_head SET size = 0", DENIED),
    ("auditor", "SELECT drop_payloads(CURRENT_DATE)", DENIED),
]  # fmt: skip


@pytest.mark.parametrize(("role", "statement", "refusal"), REFUSED, ids=[f"{row[0]}: {row[1][:60]}" for row in REFUSED])
def test_is_refused(filled: str, role: Role, statement: str, refusal: str) -> None:
    with acting(filled, role) as connection:
        assert attempt(connection, statement) == refusal


@pytest.mark.parametrize("role", ["control", "gateway"])
@pytest.mark.parametrize("table", TENANTS_TABLES)
def test_whoever_acts_for_nobody_sees_nothing_and_is_told_so(filled: str, role: Role, table: str) -> None:
    may = not (role == "gateway" and table in NOT_THE_GATEWAYS)
    every_log = role == "control" and table in EVERY_TENANTS
    for tenant in (None, ""):
        with acting(filled, role, tenant) as connection:
            found = attempt(connection, f"SELECT 1 FROM {table}")  # noqa: S608 - the names above
            assert (found == [(1,), (1,)]) if every_log else found == (UNSET if may else DENIED)


@pytest.mark.parametrize(
    ("role", "table"),
    [
        (role, name)
        for role in ("control", "gateway")
        for name in TENANTS_TABLES
        if name not in (EVERY_TENANTS if role == "control" else NOT_THE_GATEWAYS)
    ],
)
def test_a_query_that_forgot_the_tenant_sees_one_tenants_rows(filled: str, role: Role, table: str) -> None:
    with acting(filled, role, "acme") as connection:
        assert attempt(connection, f"SELECT DISTINCT tenant_id FROM {table}") == [("acme",)]  # noqa: S608 - the names above
        assert attempt(connection, f"SELECT 1 FROM {table} WHERE tenant_id = 'bolt'") == []  # noqa: S608 - likewise
        everything = f"SELECT 1 FROM {table} WHERE tenant_id = 'bolt' OR 1 = 1"  # noqa: S608 - likewise
        assert attempt(connection, everything) == attempt(connection, f"SELECT 1 FROM {table}")  # noqa: S608 - likewise
    with acting(filled, role, "nobody") as connection:
        assert attempt(connection, f"SELECT 1 FROM {table}") == []  # noqa: S608 - likewise


def test_an_open_call_of_another_tenant_cannot_be_closed(filled: str) -> None:
    with acting(filled, "gateway", "acme") as connection:
        assert attempt(connection, "DELETE FROM open_call WHERE tenant_id = 'bolt'") == [(0,)]
        assert attempt(connection, "DELETE FROM open_call") == [(1,)]


def test_another_tenants_budget_can_be_neither_spent_nor_filled_up_again(filled: str) -> None:
    with acting(filled, "gateway", "acme") as connection:
        assert attempt(connection, "UPDATE budget_window SET requests = 1 WHERE tenant_id = 'bolt'") == [(0,)]
        assert attempt(connection, "UPDATE budget_window SET requests = requests + 1 RETURNING requests") == [(8,)]


def test_whoever_lists_every_tenants_held_calls_still_answers_for_one(filled: str) -> None:
    with acting(filled, "control", "acme") as connection:
        assert attempt(connection, "SELECT count(*) FROM approval") == [(2,)]
        assert attempt(connection, "UPDATE approval SET state = 'denied' WHERE tenant_id = 'bolt'") == [(0,)]
        assert attempt(connection, "UPDATE approval SET state = 'denied'") == [(1,)]


@pytest.mark.parametrize("role", ["gateway", "sequencer"])
def test_what_people_ended_is_brought_back_by_nobody(filled: str, role: Role) -> None:
    asked(filled, "UPDATE approval SET state = 'denied'")
    with acting(filled, role) as connection:
        assert attempt(connection, "UPDATE approval SET state = 'expired'") == [(0,)]


def test_a_ticket_of_another_tenant_cannot_be_used_up(filled: str) -> None:
    """The gateway adds rows of the tenant it acts for and sees none, so it cannot learn which tickets were redeemed."""
    for tenant in (None, ""):
        with acting(filled, "gateway", tenant) as connection:
            assert attempt(connection, REDEEMED.format(tenant="acme")) == UNSET
    with acting(filled, "gateway", "acme") as connection:
        assert attempt(connection, REDEEMED.format(tenant="acme").replace("ticket-of", "another")) == [(1,)]


def test_the_days_partition_cannot_be_read_by_itself(filled: str) -> None:
    [(stamp,)] = asked(filled, f"SELECT {TODAY}")
    for role in ROLES:
        for table in (f"evidence_{stamp}", f"payload_{stamp}", "payload_default"):
            with acting(filled, role) as connection:
                assert attempt(connection, f"SELECT 1 FROM {table}") == DENIED  # noqa: S608 - the names above


def test_switching_row_security_off_is_an_error_and_shows_nothing(filled: str) -> None:
    for role in ("control", "gateway"):
        with acting(filled, cast("Role", role)) as connection:
            connection.execute("SET LOCAL row_security = off")
            assert attempt(connection, "SELECT 1 FROM evidence") == DENIED


def test_a_copy_holds_the_own_rows_alone(filled: str) -> None:
    for table in ("reference", "open_call", "tenant_key"):
        statement = f"COPY {table} (tenant_id) TO STDOUT".encode()
        with acting(filled, "gateway") as connection, connection.cursor() as cursor, cursor.copy(statement) as copy:
            assert {bytes(line) for line in copy} == {b"acme\n"}


def test_a_function_that_listens_hears_of_the_own_rows_alone(filled: str) -> None:
    """A condition that is cheaper than the policy is not asked about rows that the policy hides."""
    heard: list[str] = []
    with acting(filled, "gateway", "acme") as connection:
        connection.add_notice_handler(lambda notice: heard.append(notice.message_primary or ""))
        connection.execute(
            "CREATE FUNCTION pg_temp.listen(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS"
            " $$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$"
        )
        connection.execute("SELECT 1 FROM evidence WHERE pg_temp.listen(tenant_id)")
        connection.execute("CREATE FUNCTION pg_temp.acting_tenant() RETURNS text LANGUAGE sql AS $$ SELECT 'bolt' $$")
        assert attempt(connection, "SELECT DISTINCT tenant_id FROM evidence") == [("acme",)]
    assert set(heard) == {"acme"}


def test_the_role_is_the_sessions_own(filled: str) -> None:
    with acting(filled, "gateway") as connection:
        connection.execute("RESET ROLE")
        assert attempt(connection, "SELECT CURRENT_USER") == [("customhouse_gateway",)]


def test_a_login_of_one_role_takes_no_other(filled: str) -> None:
    """Where gateways log in by themselves, a gateway that is taken over is still only a gateway."""
    login = f"login_{uuid.uuid4().hex[:8]}"
    servers.execute(filled, "CREATE ROLE {} LOGIN PASSWORD 'x' NOINHERIT", login)
    servers.execute(filled, "GRANT customhouse_gateway TO {}", login)
    parts = urlsplit(filled)
    place = parts.netloc.rpartition("@")[2]
    url = urlunsplit(parts._replace(netloc=f"{quote(login)}:x@{place}"))
    owner = asked(filled, "SELECT CURRENT_USER")[0][0]
    try:
        for taken in ("customhouse_control", "customhouse_sequencer", "customhouse_auditor", owner):
            with acting(url, "gateway") as connection:
                assert attempt(connection, f"SET ROLE {taken}") == DENIED
        with acting(url, "gateway") as connection:
            connection.execute("SET ROLE NONE")
            assert attempt(connection, "SELECT 1 FROM customhouse.evidence") == DENIED, "no role, no right"
    finally:
        servers.execute(filled, "DROP ROLE {}", login)
