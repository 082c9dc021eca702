# SPDX-License-Identifier: Apache-2.0
"""`customhouse keys`, over a real socket."""

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.api.house import TICKET_KEYS
from tests.cli.served import Served, served

from customhouse.api import tickets
from customhouse.cli.main import customhouse
from customhouse.ticket import trust


@pytest.fixture
def server(home: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Served]:
    """Serve a house in which Dana answers for `support` and is the caller."""
    with served(home) as running:
        running.run(running.house.charter("dana@acme.test"))
        monkeypatch.setenv("CUSTOMHOUSE_URL", running.url)
        monkeypatch.setenv("CUSTOMHOUSE_KEY", running.run(running.house.person("dana@acme.test", "captain")))
        yield running


def run(*arguments: str) -> Result:
    return CliRunner().invoke(customhouse, ["keys", *arguments])


def test_a_key_from_created_to_revoked(server: Served) -> None:
    terms = ("-e", "staging", "--tenants", "a, b", "--delegate", "user:*", "--delegate", "bot:7", "--note", "shop")
    created = run("create", "--assistant", "support", *terms)
    assert created.exit_code == 0, created.output
    token = created.stdout.strip()
    server.run(server.house.credentials.refresh())
    key = server.house.credentials.key(token)
    assert key is not None
    assert (key.environment, key.tenants, key.delegate) == ("staging", ("a", "b"), ("user:*", "bot:7"))
    assert token not in created.stderr
    listed = run("list")
    assert key.id in listed.stdout
    assert token not in listed.output
    assert run("revoke", key.id).exit_code == 0
    server.run(server.house.credentials.refresh())
    assert server.house.credentials.key(token) is None
    (shown,) = json.loads(run("list", "--json").stdout)["keys"]
    assert shown["revoked_at"] is not None
    assert "token" not in shown
    assert json.loads(run("list", "--json", "--assistant", "other").stdout) == {"keys": []}


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (("create",), 2, "--assistant"),
        (("create", "--assistant", "support", "-e", "prod"), 2, "production"),
        (("create", "--assistant", "nobody"), 1, "no assistant nobody was released"),
        (("create", "--assistant", "support", "--tenants", "_organization"), 2, "begin with a letter or digit"),
        (("create", "--assistant", "support", "--tenants", ""), 2, "begin with a letter or digit"),
        (("create", "--assistant", "support", "--delegate", "*"), 2, "must look like user:42"),
        (("revoke", "key_1/../../people"), 1, "request.not_found"),
        (("revoke", "../keys"), 1, "request.not_found"),
    ],
)
def test_what_is_refused(server: Served, arguments: tuple[str, ...], status: int, expected: str) -> None:
    del server
    result = run(*arguments)
    assert result.exit_code == status, result.output
    assert expected in result.stderr


def test_the_public_key_of_releases(server: Served) -> None:
    pem = server.house.control.release_key.public_pem
    assert run("public").stdout == pem
    assert json.loads(run("public", "--json").stdout)["pem"] == pem


def test_no_key_says_how_to_make_one(server: Served) -> None:
    del server
    assert "keys create --assistant" in run("list").stdout


def test_the_public_keys_of_tickets_are_a_set_that_a_tool_server_reads(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(home, tickets.ROUTES) as running:
        monkeypatch.setenv("CUSTOMHOUSE_URL", running.url)
        monkeypatch.setenv("CUSTOMHOUSE_KEY", "cho_" + "A" * 43)
        for arguments in ((), ("--json",)):
            shown = run("public", "--tickets", *arguments)
            assert shown.exit_code == 0, shown.output
            assert trust(shown.stdout) == TICKET_KEYS.trusted
