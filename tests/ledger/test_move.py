# SPDX-License-Identifier: Apache-2.0
"""Moving an installation to PostgreSQL: every row arrives, or none does, and the file stays as it was."""

import asyncio
import hashlib
import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote, urlsplit, urlunsplit

import apsw
import msgspec
import psycopg
import pytest
from click.testing import CliRunner, Result
from tests import postgres as servers
from tests.ledger.book import CLOCK, ROOT, asked, open_book
from tests.ledger.moving import AGES, CALL, furnish, trace_of

from customhouse.cli.main import customhouse
from customhouse.domain.errors import StoreUnavailable
from customhouse.ledger import tables
from customhouse.ledger.append import Ledger
from customhouse.ledger.entry import storable
from customhouse.ledger.spool import Spool
from customhouse.ledger.standby import open_standby
from customhouse.settings import Settings, masked
from customhouse.store import catalog, home_lock, moved
from customhouse.store.database import Transaction
from customhouse.store.disk import RealDisk
from customhouse.store.move import Source
from customhouse.store.moved import Mark
from customhouse.store.stores import open_stores

LOOKED_AT: Final = (
    ("people", "list"),
    ("keys", "list"),
    ("changes", "list", "--all"),
    ("switch", "list"),
    ("holds", "list"),
    ("history", "support"),
    ("trace", trace_of(0)),
    ("trace", f"call-of-{trace_of(399)}"),
)
"""What an operator asks for, which must be the same on both stores."""


CUSTOMHOUSE: Final = Path(sys.executable).parent / "customhouse"


def run(home: Path, *arguments: str, **env: str) -> Result:
    return CliRunner().invoke(customhouse, ["--local", "--home", str(home), *arguments], env=env)


def migrate(home: Path, url: str) -> Any:  # noqa: ANN401 - plain JSON
    """Move; return the report."""
    result = run(home, "migrate", "--to", url, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def answers(home: Path, **env: str) -> list[object]:
    """Return what the reading verbs say."""
    results = [run(home, *verb, "--json", **env) for verb in LOOKED_AT]
    assert [result.output for result in results if result.exit_code] == []
    return [json.loads(result.stdout) for result in results]


def contents(path: Path) -> dict[str, str]:
    """Return a digest of every table of a file, read by a connection of our own."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    found: dict[str, str] = {}
    try:
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        for (name,) in cast("list[tuple[str]]", names.fetchall()):
            rows = sorted(connection.execute(f"SELECT * FROM {name}"), key=repr)  # noqa: S608 - its own tables
            found[name] = hashlib.sha256(repr(rows).encode()).hexdigest()
    finally:
        connection.close()
    return found


def counts(url: str) -> dict[str, int]:
    """Return how many rows every table of the target has."""
    with psycopg.connect(url) as connection:
        names = [table.name for table in catalog.target_tables(connection)]
    return {name: asked(url, f"SELECT count(*) FROM {name}")[0][0] for name in names}  # noqa: S608 - its own tables


def test_everything_arrives_and_goes_on(home: Path, postgres: str) -> None:
    furnish(home)
    before, rows = answers(home), contents(home / "customhouse.db")
    report = migrate(home, postgres)
    assert contents(home / "customhouse.db") == rows, "the file stays as it was"
    arrived = {table["name"]: table["rows"] for table in report["tables"]}
    assert set(arrived) == set(rows) - {"sqlite_sequence", *catalog.STAYS}
    assert [name for name, count in arrived.items() if not count] == [], "the test has a row of every kind"
    assert (report["logs"], report["records"], report["already"]) == (3, arrived["evidence"], False)
    assert {name: count for name, count in counts(postgres).items() if name in arrived} == arrived
    assert answers(home, CUSTOMHOUSE_DATABASE=postgres) == before
    thrown = run(home, "switch", "on", "tool:track", "--reason", "x", "--json", CUSTOMHOUSE_DATABASE=postgres)
    assert thrown.exit_code == 0, thrown.output
    assert asked(postgres, "SELECT seq FROM switch ORDER BY seq") == [(1,), (2,), (3,)], "numbers go on"
    assert run(home, "fsck", CUSTOMHOUSE_DATABASE=postgres).exit_code == 0


def test_chains_go_on_payloads_open_and_calls_end(home: Path, postgres: str) -> None:
    furnish(home)
    migrate(home, postgres)

    async def main() -> None:
        async with open_book(postgres) as book:
            ledger, seen = Ledger(book.database, ROOT, CLOCK), dict[str, bytes]()
            for tenant in ("acme", "bolt"):
                key = await ledger.tenant_key(tenant)

                def payloads(tx: Transaction, tenant: str = tenant) -> tuple[tables.StoredPayload, ...]:
                    tx.act_for(tenant)
                    return tables.payloads_of_trace(tx, tenant, trace_of(183))

                (found,) = await book.control.read(payloads)
                seen[tenant] = key.open(trace_of(183), found.kind, found.commitment, found.sealed)
            assert seen == {tenant: f"where is {tenant}'s order".encode() for tenant in seen}
            name = storable(CALL)
            assert await book.control.read(lambda tx: _named(tx, name)) == (trace_of(1),)
            before = await book.verdict("acme")
            assert book.asked("SELECT count(*) FROM open_call WHERE replica = ''") == [(2,)]
            assert (await book.verdict("acme")).reason is None
            assert before.size == len(AGES) * 4 - 2

    asyncio.run(main())


def _named(tx: Transaction, name: str) -> tuple[str, ...]:
    return tuple(place.trace_id for place in tables.traces_named(tx, ["acme"], name))


def test_each_day_has_its_partition_and_nothing_else_is_in_the_default_one(home: Path, postgres: str) -> None:
    furnish(home)
    report = migrate(home, postgres)
    days = asked(
        postgres,
        "SELECT to_char(now() AT TIME ZONE 'UTC' - n * interval '1 day', 'YYYYMMDD') FROM generate_series(0, 500) AS n",
    )
    for age in AGES:
        place = "default" if age == 500 else days[age][0]
        for table, count in (("evidence", 4 if age == 0 else 8), ("payload", 2)):
            child = f"{table}_{place}"
            found = asked(postgres, f"SELECT count(*) FROM {child} WHERE trace_id = %s", trace_of(age))  # noqa: S608 - a partition
            assert found == [(count,)], child
    assert report["partitions"] == 2 * 3, "40, 183 and 399 days ago; yesterday's and today's were there"


@pytest.mark.usefixtures("postgres_template")  # which makes the four roles
def test_a_login_that_is_no_superuser_moves_as_owner(home: Path, postgres_server: str) -> None:
    """Managed databases give no superuser: row security holds for the tables' owner, too."""
    furnish(home)
    login, database = f"owner_{uuid.uuid4().hex[:8]}", f"owned_{uuid.uuid4().hex[:8]}"
    servers.execute(postgres_server, "CREATE ROLE {} LOGIN PASSWORD 'x'", login)
    for role in ("control", "gateway", "sequencer", "auditor"):
        servers.execute(postgres_server, "GRANT {} TO {}", f"customhouse_{role}", login)
    servers.execute(postgres_server, "CREATE DATABASE {} OWNER {}", database, login)
    parts = urlsplit(servers.named(postgres_server, database))
    url = urlunsplit(parts._replace(netloc=f"{quote(login)}:x@{parts.netloc.rpartition('@')[2]}"))
    try:
        assert migrate(home, url)["records"] == counts(servers.named(postgres_server, database))["evidence"]
        assert ":x@" not in (home / moved.NAME).read_text(encoding="utf-8"), "no password is kept"
        assert run(home, "fsck", CUSTOMHOUSE_DATABASE=url).exit_code == 0
    finally:
        servers.execute(postgres_server, "DROP DATABASE {} WITH (FORCE)", database)
        servers.execute(postgres_server, "DROP ROLE {}", login)


def test_who_owns_nothing_moves_nothing(home: Path, postgres: str) -> None:
    furnish(home)
    login = f"other_{uuid.uuid4().hex[:8]}"
    servers.execute(postgres, "CREATE ROLE {} LOGIN PASSWORD 'x'", login)
    servers.execute(postgres, "GRANT USAGE ON SCHEMA customhouse TO {}", login)
    servers.execute(postgres, "GRANT SELECT ON customhouse.schema_migration TO {}", login)
    parts = urlsplit(postgres)
    url = urlunsplit(parts._replace(netloc=f"{login}:x@{parts.netloc.rpartition('@')[2]}"))
    try:
        refused(home, url, postgres, "must own the target's tables")
    finally:
        servers.execute(postgres, "DROP OWNED BY {}", login)
        servers.execute(postgres, "DROP ROLE {}", login)


def refused(home: Path, url: str, target: str, said: str) -> None:
    """Check that a move is refused with this sentence, and that neither side changed."""
    rows, before = contents(home / "customhouse.db"), counts(target)
    result = run(home, "migrate", "--to", url)
    assert result.exit_code == 1, result.output
    assert said in result.output
    assert contents(home / "customhouse.db") == rows
    assert counts(target) == before
    assert moved.read(home) is None


def _used_target(_home: Path, url: str) -> None:
    servers.execute(url, "INSERT INTO customhouse.person VALUES ('a', '', 'x', 'y', 1, NULL)")


def _led_target(_home: Path, url: str) -> None:
    servers.execute(url, "UPDATE customhouse.sequencer SET epoch = 1")


def _falsifying_target(_home: Path, url: str) -> None:
    servers.execute(
        url,
        "CREATE FUNCTION customhouse.falsify() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.pinned_by := 'nobody'; RETURN NEW; END $$;"
        "CREATE TRIGGER falsify BEFORE INSERT ON customhouse.pin FOR EACH ROW EXECUTE FUNCTION customhouse.falsify()",
    )


def _open_target(_home: Path, url: str) -> None:
    servers.execute(url, "GRANT UPDATE ON customhouse.evidence TO customhouse_gateway")


def _newer_target(_home: Path, url: str) -> None:
    servers.execute(url, "INSERT INTO customhouse.schema_migration VALUES (99, 'later', 'x', 1)")


def _altered_record(home: Path, _url: str) -> None:
    connection = apsw.Connection(str(home / "customhouse.db"))
    connection.execute("UPDATE evidence SET canonical = zeroblob(100) WHERE tenant_id = 'acme' AND position = 3")
    connection.close()


def _no_root_key(home: Path, _url: str) -> None:
    (home / "keys" / "root.key").unlink()


def _nul_in_a_note(home: Path, _url: str) -> None:
    connection = apsw.Connection(str(home / "customhouse.db"))
    connection.execute("UPDATE api_key SET note = ?", ("a\x00b",))
    connection.close()


def _waiting_spool(home: Path, _url: str) -> None:
    settings = Settings(home=str(home))
    standby = open_standby(
        settings.spool_path,
        ROOT,
        CLOCK,
        disk=RealDisk(),
        max_bytes=settings.spool_max_bytes,
        max_age_s=3600,
        timeout_s=5,
    )
    spool: Spool = standby.spool
    spool.open()
    spool.commit([b"an entry"])
    asyncio.run(standby.close())


REFUSED: Final[list[tuple[str, Callable[[Path, str], None], str]]] = [
    ("somebody has a key there", _used_target, "the target is not empty: person has rows"),
    ("a sequencer led there", _led_target, "the target is not empty: sequencer has rows"),
    (
        "a trigger changes what is stored",
        _falsifying_target,
        "pin has 10 rows in the file, 10 in the target, or others",
    ),
    ("somebody may rewrite evidence there", _open_target, "customhouse_gateway may UPDATE, and should not"),
    ("a newer version was there", _newer_target, "was written by a newer version"),
    ("a record was altered", _altered_record, "the file is not sound: log acme, position 3"),
    ("payloads could not be read", _no_root_key, "has no root.key"),
    ("text that PostgreSQL cannot hold", _nul_in_a_note, "row 1 of api_key is not taken"),
    ("evidence waits in the spool", _waiting_spool, "holds 1 records and 0 gaps that are not in the ledger yet"),
]


@pytest.mark.parametrize(("damage", "said"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_is_refused(home: Path, postgres: str, damage: Callable[[Path, str], None], said: str) -> None:
    furnish(home)
    damage(home, postgres)
    refused(home, postgres, postgres, said)


def test_a_running_server_and_a_writing_process_stop_it(home: Path, postgres: str) -> None:
    furnish(home)
    with home_lock.held(home):
        refused(home, postgres, postgres, "another server holds")
    assert run(home, "migrate", "--to", "postgresql://127.0.0.1:1/nothing").exit_code == 1
    with psycopg.connect(postgres) as reader:
        reader.execute("SELECT 1 FROM customhouse.pin")
        refused(home, postgres, postgres, "somebody uses the target")


def test_usage(home: Path, tmp_path: Path) -> None:
    home.mkdir()
    assert run(home, "migrate").exit_code == 2
    assert "SQLite to PostgreSQL" in run(home, "migrate", "--to", "sqlite:///x").output
    assert run(home, "migrate", "--from", str(tmp_path / "absent"), "--to", "postgresql://x").exit_code == 2
    assert "there is no" in run(home, "migrate", "--to", "postgresql://x").output


def test_the_old_copy_is_not_served_and_not_moved_twice(home: Path, postgres: str) -> None:
    furnish(home)
    migrate(home, postgres)
    for verb in (("people", "list"), ("serve", "--port", "0")):
        told = run(home, *verb)
        assert told.exit_code == 1
        assert f"this installation moved to {masked(postgres)}" in told.output
    assert run(home, "people", "list", CUSTOMHOUSE_DATABASE=postgres).exit_code == 0
    assert "its database moved to" in run(home, "migrate", "--to", postgres).output
    assert run(home, "fsck").exit_code == 0, "the old copy may still be looked at"
    (home / moved.NAME).unlink()
    assert run(home, "people", "list").exit_code == 0, "whoever wants to go back can"


def test_a_move_that_was_cut_off_at_its_end_is_finished(home: Path, postgres: str) -> None:
    """Killed between the two marks, before or after the commit: a second run finds out which."""
    furnish(home)
    cut_off = Mark(state="moving", to=masked(postgres), at="2026-11-24T00:00:00.000000Z")
    moved.write(home, cut_off)
    assert "run `customhouse migrate` again" in run(home, "people", "list").output
    assert migrate(home, postgres)["already"] is False
    moved.write(home, cut_off)
    again = migrate(home, postgres)
    assert (again["already"], moved.read(home)) == (
        True,
        msgspec.structs.replace(cut_off, state="moved", at=again_at(home)),
    )
    moved.write(home, cut_off)
    servers.execute(postgres, "UPDATE customhouse.pin SET pinned_by = 'somebody'")
    assert "pin has 10 rows" in run(home, "migrate", "--to", postgres).output


def again_at(home: Path) -> str:
    found = moved.read(home)
    assert found is not None
    return found.at


@pytest.mark.parametrize(
    "step", ["check the file: what", "copy 28", "read every row", "check the target: row", "commit"]
)
def test_whenever_it_is_killed_nothing_or_everything_is_there(home: Path, postgres: str, step: str) -> None:
    furnish(home)
    rows, before = contents(home / "customhouse.db"), counts(postgres)
    command = [str(CUSTOMHOUSE), "--home", str(home), "migrate", "--to", postgres]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any(line.startswith(step) for line in process.stderr), "it comes that far"
        process.kill()
    assert contents(home / "customhouse.db") == rows
    mark = moved.read(home)
    if mark is None:  # its locks are gone when the server has noticed that the client is
        assert counts(postgres) == before
    if mark is None or mark.state == "moving":
        migrate(home, postgres)
    assert counts(postgres)["evidence"] > 0
    assert run(home, "fsck", CUSTOMHOUSE_DATABASE=postgres).exit_code == 0


def test_a_command_that_waits_for_the_file_while_it_moves_away_writes_nothing_into_the_old_copy(
    home: Path, postgres: str
) -> None:
    """It was opened before the move, and got the file's write lock right after it."""
    furnish(home)

    def add(tx: Transaction) -> None:
        tx.act_for("late")
        tables.insert_wrapped_key(tx, "late", b"", 0)

    async def story() -> None:
        async with open_stores(Settings(home=str(home))) as stores:
            source = Source(home / "customhouse.db")
            waiting = stores.control.begin(add)
            moved.write(home, Mark(state="moved", to=masked(postgres), at="2026-11-24T00:00:00.000000Z"))
            source.close()
            with pytest.raises(StoreUnavailable, match="this installation moved to"):
                await waiting

    asyncio.run(story())
