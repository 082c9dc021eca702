# SPDX-License-Identifier: Apache-2.0
"""`customhouse backup` and `restore`: the round trip, and evidence that was changed on the way."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import apsw
import msgspec
import pytest
from click.testing import CliRunner, Result

from customhouse.cli.main import customhouse
from customhouse.store import backup


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(customhouse, ["--local", "--home", str(home), *arguments])


def fill(home: Path) -> None:
    for email in ("ada@acme.test", "ben@acme.test", "cem@acme.test"):
        assert run(home, "people", "add", email, "--role", "admin").exit_code == 0


def test_the_round_trip(home: Path, tmp_path: Path) -> None:
    fill(home)
    archive = tmp_path / "a.tar"
    written = run(home, "backup", str(archive), "--json")
    assert written.exit_code == 0, written.output
    assert "SECRET KEYS" in written.stderr
    assert {file["name"] for file in json.loads(written.stdout)["files"]} >= {"customhouse.db", "keys/root.key"}
    assert run(home, "restore", str(archive)).exit_code == 1, "nothing is overwritten"
    back = tmp_path / "back"
    restored = run(back, "restore", str(archive))
    assert restored.exit_code == 0, restored.output
    assert "revoke them again" in restored.stderr
    assert run(back, "people", "list", "--json").stdout == run(home, "people", "list", "--json").stdout
    assert run(back, "people", "revoke", "cem@acme.test").exit_code == 0, "and the chain goes on"


def test_the_keys_of_the_settings_are_backed_up_not_those_that_stayed_in_the_home(home: Path, tmp_path: Path) -> None:
    fill(home)
    keys = tmp_path / "elsewhere"
    (home / "keys").rename(keys)
    (home / "keys").mkdir(mode=0o700)
    (home / "keys" / "root.key").write_text("00" * 32 + "\n", encoding="ascii")
    elsewhere = {"CUSTOMHOUSE_KEYS": str(keys)}
    archive = tmp_path / "a.tar"
    written = CliRunner().invoke(customhouse, ["--home", str(home), "backup", str(archive)], env=elsewhere)
    assert written.exit_code == 0, written.output
    back = tmp_path / "back"
    restored = CliRunner().invoke(customhouse, ["--home", str(back), "restore", str(archive)], env=elsewhere)
    assert restored.exit_code == 0, restored.output
    assert f"move them to {keys}" in restored.stderr
    assert (back / "keys" / "root.key").read_bytes() == (keys / "root.key").read_bytes()


def test_without_a_name_the_archive_stands_here(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(home)
    monkeypatch.chdir(tmp_path)
    written = run(home, "backup")
    assert written.exit_code == 0, written.output
    (archive,) = tmp_path.glob("customhouse-*.tar")
    assert f"wrote {archive.name}" in written.stdout
    assert archive.stat().st_mode & 0o777 == 0o600


TAMPERING = {
    "a record that was changed": "UPDATE evidence SET canonical = zeroblob(200) WHERE position = 1",
    "a record that was taken out": "DELETE FROM evidence WHERE position = 1",
    "a log that was cut short": "DELETE FROM evidence WHERE position = 2",
}


@pytest.mark.parametrize("because", TAMPERING)
def test_evidence_that_was_changed_is_not_restored(home: Path, tmp_path: Path, because: str) -> None:
    """The attacker fixes the archive's digests as well: only the chain tells."""
    fill(home)
    connection = apsw.Connection(str(home / "customhouse.db"))
    connection.execute(TAMPERING[because])
    connection.close()
    archive = tmp_path / "a.tar"
    assert run(home, "backup", str(archive)).exit_code == 0
    back = tmp_path / "back"
    restored = run(back, "restore", str(archive))
    assert restored.exit_code == 1, because
    assert "does not verify" in restored.stderr
    assert not back.exists()


def test_a_database_that_is_none_is_not_restored(home: Path, tmp_path: Path) -> None:
    fill(home)
    archive = tmp_path / "a.tar"
    assert run(home, "backup", str(archive)).exit_code == 0
    with tarfile.open(archive) as tar:
        members = [(member, tar.extractfile(member)) for member in tar]
        found = [(member, source.read() if source else b"") for member, source in members]
    forged = b"not a database" * 100
    contents = msgspec.json.decode(found[0][1], type=backup.Contents)
    sha256 = hashlib.sha256(forged).hexdigest()
    files = tuple(
        msgspec.structs.replace(file, size_bytes=len(forged), sha256=sha256) if file.name == "customhouse.db" else file
        for file in contents.files
    )
    with tarfile.open(archive, "w") as tar:
        for member, content in found:
            match member.name:
                case "manifest.json":
                    changed = msgspec.json.encode(msgspec.structs.replace(contents, files=files))
                case "customhouse.db":
                    changed = forged
                case _:
                    changed = content
            member.size = len(changed)
            tar.addfile(member, io.BytesIO(changed))
    restored = run(tmp_path / "back", "restore", str(archive))
    assert restored.exit_code == 1
    assert "damaged" in restored.stderr


def test_usage_errors(home: Path, tmp_path: Path) -> None:
    assert run(home, "restore").exit_code == 2
    assert run(home, "restore", str(tmp_path / "absent.tar")).exit_code == 2
    assert run(home, "backup", str(tmp_path / "a.tar")).exit_code == 1, "there is nothing to back up"
