# SPDX-License-Identifier: Apache-2.0
"""`customhouse doctor` where the installation is in PostgreSQL: what is wrong there is found, with what to do."""

import json
import os
import socket
import uuid
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from click.testing import CliRunner, Result
from tests import postgres as servers
from tests.ledger.moving import furnish

from customhouse.cli.main import customhouse

ROLES = ("control", "gateway", "sequencer", "auditor")
CHECKS = (
    *(f"role {role}" for role in ROLES),
    *("postgres", "connections", "clocks", "schema", "rights", "sequencer", "evidence"),
)


@pytest.fixture(autouse=True)
def _free_port(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction] - autouse
    """Look at a port that nobody else uses now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("CUSTOMHOUSE_PORT", str(listener.getsockname()[1]))


def run(home: Path, *arguments: str, **env: str) -> Result:
    return CliRunner().invoke(customhouse, ["--local", "--home", str(home), *arguments], env=env)


def findings(home: Path, **env: str) -> tuple[int, dict[str, tuple[str, str, str]]]:
    """Return the exit status, and (state, found, advice) of each check."""
    result = run(home, "doctor", "--json", **env)
    found = json.loads(result.stdout)["findings"]
    return result.exit_code, {each["check"]: (each["state"], each["found"], each.get("advice", "")) for each in found}


@pytest.fixture
def installed(home: Path, postgres: str) -> Path:
    """Return a home whose database is in PostgreSQL."""
    furnish(home)
    assert run(home, "migrate", "--to", postgres).exit_code == 0
    assert run(home, "people", "list", CUSTOMHOUSE_DATABASE=postgres).exit_code == 0
    return home


def test_a_sound_installation_is_well(installed: Path, postgres: str) -> None:
    _, found = findings(installed, CUSTOMHOUSE_DATABASE=postgres)
    assert {name: found[name][0] for name in CHECKS} == dict.fromkeys(CHECKS, "ok")
    assert found["login"][0] == "warn", "the tests' own login is a superuser"
    assert "database" not in found, "the file in the home is not what is served"
    assert {name for name, (state, *_) in found.items() if state == "fail"} == {"release"}, "signed by another key"


def _rewriter(url: str) -> None:
    servers.execute(url, "GRANT UPDATE ON customhouse.evidence TO customhouse_gateway")


def _open_table(url: str) -> None:
    servers.execute(url, "ALTER TABLE customhouse.payload NO FORCE ROW LEVEL SECURITY")


def _newer(url: str) -> None:
    servers.execute(url, "INSERT INTO customhouse.schema_migration VALUES (99, 'later', 'x', 1)")


def _altered(url: str) -> None:
    servers.execute(url, "UPDATE customhouse.evidence SET canonical = 'x' WHERE tenant_id = 'acme' AND position = 2")


DAMAGES = [
    (_rewriter, "rights", "customhouse_gateway may UPDATE"),
    (_open_table, "rights", "row security is not forced"),
    (_newer, "schema", "newer version"),
    (_altered, "evidence", "does not verify"),
]


@pytest.mark.parametrize(("damage", "check", "said"), DAMAGES, ids=[row[0].__name__ for row in DAMAGES])
def test_what_is_wrong_is_found(
    installed: Path, postgres: str, damage: Callable[[str], None], check: str, said: str
) -> None:
    damage(postgres)
    status, found = findings(installed, CUSTOMHOUSE_DATABASE=postgres)
    assert status == 1
    state, told, advice = found[check]
    assert state == "fail"
    assert said in told
    assert advice


def test_a_login_that_owns_nothing_is_well_but_checks_no_rights(installed: Path, postgres: str) -> None:
    login = f"server_{uuid.uuid4().hex[:8]}"
    servers.execute(postgres, "CREATE ROLE {} LOGIN PASSWORD 'x'", login)
    for role in ("control", "gateway", "sequencer"):
        servers.execute(postgres, "GRANT {} TO {}", f"customhouse_{role}", login)
    parts = urlsplit(postgres)
    url = urlunsplit(parts._replace(netloc=f"{login}:x@{parts.netloc.rpartition('@')[2]}"))
    try:
        _, found = findings(installed, CUSTOMHOUSE_DATABASE=url)
        assert found["login"][:2] == ("ok", f"{login} is bound by row security")
        assert found["role auditor"][0] == "warn"
        assert "rights" not in found
        assert all(":x@" not in text for each in found.values() for text in each), "no password is shown"
        servers.execute(postgres, "REVOKE customhouse_gateway FROM {}", login)
        status, found = findings(installed, CUSTOMHOUSE_DATABASE=url)
        assert (status, found["role gateway"][0]) == (1, "fail")
    finally:
        servers.execute(postgres, "DROP ROLE {}", login)


def test_a_server_that_is_away_is_said_to_be(home: Path) -> None:
    status, found = findings(home, CUSTOMHOUSE_DATABASE="postgresql://ada:secret@127.0.0.1:1/customhouse")
    assert status == 1
    state, told, _ = found["role control"]
    assert (state, "secret" in told, "127.0.0.1" in told) == ("fail", False, True)
    assert not home.exists(), "nothing is created"


def test_a_home_that_has_moved_says_where(installed: Path, postgres: str) -> None:
    assert "CUSTOMHOUSE_DATABASE" not in os.environ
    status, found = findings(installed)
    assert (status, found["home"][0]) == (1, "fail")
    assert postgres.rpartition("/")[2].partition("?")[0] in found["home"][1]
