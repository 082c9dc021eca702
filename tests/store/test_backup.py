# SPDX-License-Identifier: Apache-2.0
"""Archives: what goes in comes out, byte for byte, and nothing else ever does."""

import asyncio
import fcntl
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import apsw
import msgspec
import pytest
from tests.api.house import open_house

from customhouse.domain.clock import SystemClock
from customhouse.domain.errors import BackupRefused
from customhouse.store import backup
from customhouse.vault.keyring import root_key
from customhouse.vault.sign import open_release_key

NOW = "2026-11-23T14:00:00.000000Z"


def fill(home: Path) -> None:
    """Make a home with two people and every key file."""

    async def main() -> None:
        async with open_house(home) as house:
            await house.person("ada@acme.test", "admin")
            await house.person("sam@acme.test", "auditor")

    asyncio.run(main())
    root_key(home / "keys", SystemClock())
    open_release_key(home / "keys")


def write(home: Path, archive: Path) -> backup.Contents:
    return backup.write(home, home / "keys", archive, version="0", created_at=NOW)


def accept(_: Path) -> None:
    """Check nothing."""


def emails(home: Path) -> list[str]:
    connection = apsw.Connection(str(home / "customhouse.db"))
    try:
        return [str(row[0]) for row in connection.execute("SELECT email FROM person ORDER BY email")]
    finally:
        connection.close()


def test_what_goes_in_comes_out(home: Path, tmp_path: Path) -> None:
    fill(home)
    (home / "dev-key").write_text("chk_", encoding="ascii")
    archive = tmp_path / "a.tar"
    contents = write(home, archive)
    assert archive.stat().st_mode & 0o777 == 0o600
    names = [file.name for file in contents.files]
    assert names == ["customhouse.db", "keys/release.key", "keys/release.pub", "keys/root.key"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".customhouse", "a.tar"], "nothing is left behind"
    back = tmp_path / "back" / ".customhouse"
    assert backup.read(archive, back, accept) == contents
    assert emails(back) == ["ada@acme.test", "sam@acme.test"]
    for name in names[1:]:
        assert (back / name).read_bytes() == (home / name).read_bytes()
    modes = {path.name: path.stat().st_mode & 0o777 for path in (back, *back.rglob("*"))}
    assert {modes[".customhouse"], modes["keys"]} == {0o700}
    assert {mode for name, mode in modes.items() if "." in name[1:]} == {0o600}
    assert [path.name for path in back.parent.iterdir()] == [".customhouse"]


def test_a_backup_is_consistent_while_a_writer_works(home: Path, tmp_path: Path) -> None:
    fill(home)

    async def main() -> None:
        async with open_house(home) as house:
            for number in range(20):
                await house.person(f"p{number}@acme.test", "auditor")
            await asyncio.to_thread(write, home, tmp_path / "a.tar")
            await house.person("late@acme.test", "auditor")

    asyncio.run(main())
    back = tmp_path / "back"
    backup.read(tmp_path / "a.tar", back, accept)
    assert len(emails(back)) == 22
    assert backup.problems(back / "customhouse.db") == []


def test_an_archive_is_never_written_over_a_file(home: Path, tmp_path: Path) -> None:
    fill(home)
    kept = tmp_path / "kept"
    kept.write_text("mine", encoding="ascii")
    link = tmp_path / "link.tar"
    link.symlink_to(tmp_path / "elsewhere")
    for target in (kept, link, tmp_path, tmp_path / "no" / "such" / "dir.tar"):
        with pytest.raises(BackupRefused):
            write(home, target)
    assert kept.read_text(encoding="ascii") == "mine"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("missing", ["customhouse.db", "keys/root.key"])
def test_half_a_home_is_no_backup(home: Path, tmp_path: Path, missing: str) -> None:
    fill(home)
    (home / missing).unlink()
    with pytest.raises(BackupRefused):
        write(home, tmp_path / "a.tar")
    assert not (tmp_path / "a.tar").exists()


def test_a_link_among_the_keys_is_not_followed(home: Path, tmp_path: Path) -> None:
    fill(home)
    (home / "keys" / "other.key").symlink_to("/etc/passwd")
    with pytest.raises(BackupRefused, match="no key file"):
        write(home, tmp_path / "a.tar")


def test_a_damaged_database_is_not_backed_up(home: Path, tmp_path: Path) -> None:
    fill(home)
    database = home / "customhouse.db"
    with database.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(os.urandom(4096 * 4))
    assert backup.problems(database)
    with pytest.raises(BackupRefused):
        write(home, tmp_path / "a.tar")
    assert not (tmp_path / "a.tar").exists()


def members(archive: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(archive) as tar:
        found: list[tuple[tarfile.TarInfo, bytes]] = []
        for member in tar:
            source = tar.extractfile(member)
            found.append((member, source.read() if source else b""))
        return found


def rewrite(archive: Path, changed: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    with tarfile.open(archive, "w") as tar:
        for member, content in changed:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


Members = list[tuple[tarfile.TarInfo, bytes]]


def flipped(found: Members) -> Members:
    member, content = found[-1]
    return [*found[:-1], (member, bytes([content[0] ^ 1]) + content[1:])]


def renamed(found: Members, name: str) -> Members:
    """Rename the last file, in the manifest as well: an attacker writes both."""
    contents = msgspec.json.decode(found[0][1], type=backup.Contents)
    last = msgspec.structs.replace(contents.files[-1], name=name)
    forged = msgspec.structs.replace(contents, files=(*contents.files[:-1], last))
    found[-1][0].name = name
    return [(found[0][0], msgspec.json.encode(forged)), *found[1:]]


def linked(found: Members) -> Members:
    member, _ = found[-1]
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return [*found[:-1], (member, b"")]


def extra(found: Members) -> Members:
    return [*found, (tarfile.TarInfo("../../evil"), b"x")]


TAMPERED: list[tuple[Callable[[Members], Members], str]] = [
    (flipped, "a changed byte"),
    (linked, "a link instead of a file"),
    (extra, "a file that the manifest does not name"),
    (lambda found: found[:-1], "cut short"),
    (lambda found: found[1:], "no manifest"),
    (lambda found: [*found, found[-1]], "a file twice"),
    (lambda found: [found[1], found[0], *found[2:]], "the manifest is not first"),
    (lambda found: [(found[0][0], b"{}"), *found[1:]], "an empty manifest"),
    (lambda found: renamed(found, "../evil.key"), "out of the directory"),
    (lambda found: renamed(found, "keys/../../evil"), "out of the directory, later"),
    (lambda found: renamed(found, "/etc/cron.d/evil"), "absolute"),
    (lambda found: renamed(found, "keys/.hidden"), "a name that backup never writes"),
    (lambda found: renamed(found, "serve.lock"), "likewise"),
    (lambda found: renamed(found, "customhouse.db"), "a file twice in the manifest"),
    (lambda found: renamed(found, "keys/other.key"), "no root key"),
]


@pytest.mark.parametrize(("change", "because"), TAMPERED)
def test_an_archive_that_was_tampered_with(
    home: Path, tmp_path: Path, change: Callable[[Members], Members], because: str
) -> None:
    fill(home)
    archive = tmp_path / "in" / "a.tar"
    archive.parent.mkdir()
    write(home, archive)
    rewrite(archive, change(members(archive)))
    back = tmp_path / "out" / "deep" / "home"
    with pytest.raises(BackupRefused):
        backup.read(archive, back, accept)
    assert [path for path in (tmp_path / "out").rglob("*") if path.name != "deep"] == [], because
    assert not list(tmp_path.glob("**/evil*"))


@pytest.mark.parametrize("content", [b"", b"no tar at all", bytes(10240)])
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(content)
    with pytest.raises(BackupRefused):
        backup.read(archive, tmp_path / "home", accept)


def test_nothing_is_overwritten(home: Path, tmp_path: Path) -> None:
    fill(home)
    archive = tmp_path / "a.tar"
    write(home, archive)
    before = (home / "customhouse.db").read_bytes()
    with pytest.raises(BackupRefused, match="move it away first"):
        backup.read(archive, home, accept)
    assert (home / "customhouse.db").read_bytes() == before


def test_a_running_server_s_home_is_left_alone(home: Path, tmp_path: Path) -> None:
    fill(home)
    write(home, tmp_path / "a.tar")
    served = tmp_path / "served"
    served.mkdir()
    with (served / "serve.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BackupRefused, match="stop it first"):
            backup.read(tmp_path / "a.tar", served, accept)
    backup.read(tmp_path / "a.tar", served, accept)
    assert emails(served), "a lock that nobody holds is in nobody's way"


def test_a_check_that_fails_leaves_nothing(home: Path, tmp_path: Path) -> None:
    fill(home)
    write(home, tmp_path / "a.tar")
    seen: list[Path] = []

    def refuse(unpacked: Path) -> None:
        seen.append(unpacked)
        raise BackupRefused("The evidence does not verify.")

    empty = tmp_path / "empty"
    empty.mkdir()
    for target in (tmp_path / "new", empty):
        with pytest.raises(BackupRefused, match="does not verify"):
            backup.read(tmp_path / "a.tar", target, refuse)
    assert not (tmp_path / "new").exists()
    assert list(empty.iterdir()) == []
    assert not any(path.exists() for path in seen)
