# SPDX-License-Identifier: Apache-2.0
"""One archive of everything that an installation cannot make again: the database and the key files.

Rules:
- The archive holds the SECRET KEYS: whoever has it can read every payload and sign releases. It is created 0600, never
  over another file, and belongs where the keys themselves might be kept.
- The database is copied by SQLite's online backup (sqlite.org/backup.html): consistent while a server writes.
- A manifest with the SHA-256 of each file comes first. Reading takes exactly the files it names, under names that this
  program itself writes, and refuses everything else: an archive from elsewhere cannot place a file.
- What is read lands in a scratch directory; the home appears by one rename when all has been verified, or not at all.

What is not in it: `dev-key` (make a new one), `serve.lock`, downloaded weights (verified by digest anyway), and what
waits in `spool/` while the database takes nothing: it joins the database when the server starts on its own home again.
"""

import fcntl
import hashlib
import io
import os
import re
import tarfile
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Literal

import apsw
import msgspec

from customhouse.domain.errors import BackupRefused

DATABASE: Final = "customhouse.db"
MANIFEST: Final = "manifest.json"
LOCK: Final = "serve.lock"
MAX_MANIFEST_BYTES: Final = 1024 * 1024
BLOCK_BYTES: Final = 1024 * 1024
PAGES_PER_STEP: Final = 4096
"""Pages copied at once: 16 MB, after which other processes may write."""
_KEY_NAME: Final = re.compile(r"keys/[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One file of an archive."""

    name: str
    size_bytes: int
    sha256: str


class Contents(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The manifest of an archive."""

    format: Literal["customhouse-backup-1"] = "customhouse-backup-1"
    version: str
    created_at: str
    files: tuple[File, ...]


def write(home: Path, keys: Path, archive: Path, *, version: str, created_at: str) -> Contents:
    """Write the archive of `home` and of the key files in `keys`, its own or another directory.

    Safe while a server runs. Raises BackupRefused; then there is no archive.
    """
    if not (home / DATABASE).is_file():
        raise BackupRefused(f"{home} has no {DATABASE}: is it the home directory?")
    with _created(archive) as file, tempfile.TemporaryDirectory(dir=archive.parent, prefix=".backup-") as scratch:
        copy = Path(scratch) / DATABASE
        _copy_database(home / DATABASE, copy)
        sources = {DATABASE: copy, **_key_files(keys)}
        contents = Contents(
            version=version,
            created_at=created_at,
            files=tuple(_described(name, source) for name, source in sources.items()),
        )
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            encoded = msgspec.json.format(msgspec.json.encode(contents), indent=1)
            tar.addfile(_member(MANIFEST, len(encoded)), io.BytesIO(encoded))
            for described in contents.files:
                with sources[described.name].open("rb") as source:
                    tar.addfile(_member(described.name, described.size_bytes), source)
        file.flush()
        os.fsync(file.fileno())
    return contents


def read(archive: Path, home: Path, check: Callable[[Path], None]) -> Contents:
    """Put an archive back as `home`, which must not be in use.

    `check` gets the unpacked directory and raises when something in it is wrong. Raises BackupRefused; then `home` is
    as it was.
    """
    home = home.absolute()
    home.parent.mkdir(parents=True, exist_ok=True)
    with unused(home), tempfile.TemporaryDirectory(dir=home.parent, prefix=".restore-") as scratch:
        unpacked = Path(scratch) / "home"
        unpacked.mkdir(mode=0o700)
        (unpacked / "keys").mkdir(mode=0o700)
        contents = _unpack(archive, unpacked)
        check(unpacked)
        if home.exists():
            (home / LOCK).unlink(missing_ok=True)
            home.rmdir()
        unpacked.rename(home)
    return contents


@contextmanager
def unused(home: Path) -> Generator[None]:
    """Hold `home` while nobody serves it and nothing is in it. Raises BackupRefused."""
    if not home.exists():
        yield
        return
    if not home.is_dir() or home.is_symlink():
        raise BackupRefused(f"{home} is no directory; nothing was changed.")
    lock = home / LOCK
    with lock.open("ab") if lock.exists() else io.BytesIO() as held:
        if not isinstance(held, io.BytesIO):
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BackupRefused(f"a server is running on {home}: stop it first.") from error
        others = sorted(entry.name for entry in home.iterdir() if entry.name != LOCK)
        if others:
            raise BackupRefused(f"{home} has {', '.join(others[:5])}: move it away first; nothing is overwritten.")
        yield


def problems(database: Path) -> list[str]:
    """Return what SQLite's own quick check finds wrong with a database file; empty when it is sound. Reads it all."""
    try:
        connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(5)")]
        finally:
            connection.close()
    except apsw.Error as error:
        return [str(error)]
    return [] if found == ["ok"] else found


@contextmanager
def _created(archive: Path) -> Generator[IO[bytes]]:
    """Create the archive 0600, refuse to overwrite, and leave nothing behind when writing fails."""
    try:
        descriptor = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise BackupRefused(f"{archive} cannot be created: {error.strerror}.") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
    except BaseException:
        archive.unlink(missing_ok=True)
        raise


def _copy_database(source: Path, target: Path) -> None:
    target.touch(mode=0o600)
    try:
        origin = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READWRITE)
        copy = apsw.Connection(str(target))
        try:
            origin.set_busy_timeout(5000)
            with copy.backup("main", origin, "main") as running:
                while not running.done:
                    running.step(PAGES_PER_STEP)
        finally:
            copy.close()
            origin.close()
    except apsw.Error as error:
        raise BackupRefused(f"{source} cannot be copied: {error}.") from error
    if found := problems(target):
        raise BackupRefused(f"{source} is damaged ({found[0]}): no backup was written; see docs on `restore`.")


def _key_files(keys: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(keys.iterdir()) if keys.is_dir() else []:
        name = f"keys/{path.name}"
        if path.is_symlink() or not path.is_file() or _KEY_NAME.fullmatch(name) is None:
            raise BackupRefused(f"{path} is no key file of this program: move it away, then back up.")
        found[name] = path
    if "keys/root.key" not in found:
        raise BackupRefused(f"{keys} has no root.key: without it no payload of this database could be read.")
    return found


def _described(name: str, path: Path) -> File:
    with path.open("rb") as file:
        state = hashlib.file_digest(file, "sha256")
    return File(name=name, size_bytes=path.stat().st_size, sha256=state.hexdigest())


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


def _unpack(archive: Path, target: Path) -> Contents:
    try:
        with tarfile.open(archive, mode="r:") as tar:
            contents = _contents(tar)
            expected = {file.name: file for file in contents.files}
            for member in iter(tar.next, None):
                described = expected.pop(member.name, None)
                if described is None or not member.isreg() or member.size != described.size_bytes:
                    raise BackupRefused(f"the archive has {member.name!r}, which its manifest does not describe.")
                _extract(tar, member, target / described.name, described.sha256)
    except (tarfile.TarError, OSError) as error:
        raise BackupRefused(f"{archive} cannot be read: {error}.") from error
    if expected:
        raise BackupRefused(f"the archive lacks {', '.join(sorted(expected))}: it was cut short.")
    return contents


def _contents(tar: tarfile.TarFile) -> Contents:
    member = tar.next()
    if member is None or member.name != MANIFEST or not member.isreg() or member.size > MAX_MANIFEST_BYTES:
        raise BackupRefused("the archive does not begin with a manifest: it is no backup of Customhouse.")
    source = tar.extractfile(member)
    try:
        contents = msgspec.json.decode(source.read() if source else b"", type=Contents)
    except msgspec.MsgspecError as error:
        raise BackupRefused(f"the archive's manifest cannot be read: {error}.") from error
    names = [file.name for file in contents.files]
    allowed = all(name == DATABASE or _KEY_NAME.fullmatch(name) for name in names)
    if not allowed or len(set(names)) != len(names) or not {DATABASE, "keys/root.key"} <= set(names):
        raise BackupRefused("the archive's manifest names other files than a backup has: nothing was taken from it.")
    return contents


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, sha256: str) -> None:
    source = tar.extractfile(member)
    if source is None:
        raise BackupRefused(f"{member.name} cannot be read from the archive.")
    state = hashlib.sha256()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while block := source.read(BLOCK_BYTES):
            state.update(block)
            file.write(block)
        os.fsync(file.fileno())
    if state.hexdigest() != sha256:
        raise BackupRefused(f"{member.name} in the archive is not what its manifest describes: it was changed.")
