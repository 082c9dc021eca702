# SPDX-License-Identifier: Apache-2.0
"""Key files that are not this database's: nothing is opened with them, and none are made beside it."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.ledger.moving import furnish

from customhouse.cli.main import customhouse


def run(home: Path, *arguments: str, **env: str) -> Result:
    return CliRunner().invoke(customhouse, ["--local", "--home", str(home), *arguments], env=env)


@pytest.fixture
def moved(home: Path, postgres: str) -> dict[str, str]:
    """Return the environment of commands on an installation in PostgreSQL, whose keys are in the home."""
    furnish(home)
    assert run(home, "migrate", "--to", postgres).exit_code == 0
    return {"CUSTOMHOUSE_DATABASE": postgres}


def test_no_keys_are_made_for_a_database_that_has_its_own(moved: dict[str, str], tmp_path: Path) -> None:
    """Found by hand: somebody forgets CUSTOMHOUSE_KEYS, and signs a release with a key that was made for it."""
    desk = tmp_path / "desk"
    refused = run(desk, "people", "list", **moved)
    assert refused.exit_code == 1
    assert f"there is no {desk}/keys/root.key" in refused.output
    assert "CUSTOMHOUSE_KEYS" in refused.output
    assert not (desk / "keys").exists()


def test_another_root_key_is_refused(moved: dict[str, str], home: Path, tmp_path: Path) -> None:
    """Found by hand: a replica said that it was ready, and refused every turn."""
    other = tmp_path / "other"
    assert run(other, "people", "list").exit_code == 0, "a new installation in SQLite, with keys of its own"
    refused = run(tmp_path / "desk", "people", "list", CUSTOMHOUSE_KEYS=str(other / "keys"), **moved)
    assert refused.exit_code == 1
    assert "is not the root key of this database" in refused.output
    assert run(tmp_path / "desk", "people", "list", CUSTOMHOUSE_KEYS=str(home / "keys"), **moved).exit_code == 0
    looked = run(tmp_path / "desk", "doctor", CUSTOMHOUSE_KEYS=str(other / "keys"), **moved)
    assert "is not the root key of this database" in " ".join(looked.output.split())


def test_a_database_that_cannot_be_opened_leaves_no_keys_behind(tmp_path: Path) -> None:
    away = {"CUSTOMHOUSE_DATABASE": "postgresql://ada@127.0.0.1:1/customhouse"}
    assert run(tmp_path / "desk", "people", "list", **away).exit_code == 1
    assert not (tmp_path / "desk" / "keys").exists()
