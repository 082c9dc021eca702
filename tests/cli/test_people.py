# SPDX-License-Identifier: Apache-2.0
"""`customhouse people`, over a real socket and with the store here."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.cli.served import served

from customhouse.cli.main import customhouse

PEOPLE = """\
people:
  dana@acme.test: {roles: [captain, approver]}
"""


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(customhouse, ["--local", "--home", str(home), "people", *arguments])


def test_a_person_from_added_to_revoked_on_a_server(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    with served(home) as server:
        monkeypatch.setenv("CUSTOMHOUSE_URL", server.url)
        monkeypatch.setenv("CUSTOMHOUSE_KEY", server.run(server.house.person("ada@acme.test", "admin")))
        runner = CliRunner()
        added = runner.invoke(customhouse, ["people", "add", "sam@acme.test", "--role", "auditor", "--role", "oncall"])
        assert added.exit_code == 0, added.output
        key = added.stdout.strip()
        assert key.startswith("cho_"), "the key alone goes to stdout"
        assert key not in added.stderr
        assert "sam@acme.test is oncall, auditor" in added.stderr
        listed = runner.invoke(customhouse, ["people", "list"])
        assert "sam@acme.test" in listed.stdout
        assert key not in listed.output
        escalation = ["people", "add", "eve@acme.test", "--role", "admin"]
        as_sam = runner.invoke(customhouse, escalation, env={"CUSTOMHOUSE_KEY": key})
        assert as_sam.exit_code == 1
        assert "access.verb_refused" in as_sam.stderr
        assert runner.invoke(customhouse, ["people", "revoke", "sam@acme.test"]).exit_code == 0
        again = runner.invoke(customhouse, ["people", "list"], env={"CUSTOMHOUSE_KEY": key})
        assert again.exit_code == 1
        assert "identity.unauthenticated" in again.stderr
        shown = json.loads(runner.invoke(customhouse, ["people", "list", "--json"]).stdout)
        assert [(each["email"], each["revoked_at"] is None) for each in shown["people"]] == [
            ("ada@acme.test", True),
            ("sam@acme.test", False),
        ]


def test_the_first_admin_comes_from_the_store_here(home: Path) -> None:
    assert "Nobody has a key yet" in run(home, "list").stdout
    added = run(home, "add", "ada@acme.test", "--role", "admin", "--json")
    assert added.exit_code == 0, added.output
    assert json.loads(added.stdout)["person"]["created_by"].startswith("local:")
    assert run(home, "revoke", "ada@acme.test").exit_code == 1, "the last admin stays"


def test_roles_come_from_the_manifest(home: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest"
    absent = run(home, "add", "dana@acme.test", "--manifest", str(manifest))
    assert absent.exit_code == 2
    assert "there is no" in absent.stderr
    manifest.mkdir()
    (manifest / "people.yaml").write_text(PEOPLE)
    added = run(home, "add", "dana@acme.test", "--manifest", str(manifest), "--json")
    assert added.exit_code == 0, added.output
    assert json.loads(added.stdout)["person"]["roles"] == ["captain", "approver"]
    unknown = run(home, "add", "eve@acme.test", "--manifest", str(manifest))
    assert unknown.exit_code == 2
    assert "declares dana@acme.test under `people`" in unknown.stderr
    given = run(home, "add", "eve@acme.test", "--manifest", str(manifest), "--role", "auditor", "--json")
    assert json.loads(given.stdout)["person"]["roles"] == ["auditor"]


@pytest.mark.parametrize("arguments", [("add", "x@y.z", "--role", "root"), ("add",), ("revoke",), ("promote", "x@y.z")])
def test_usage_errors(home: Path, arguments: tuple[str, ...]) -> None:
    assert run(home, *arguments).exit_code == 2
    assert not home.exists()
