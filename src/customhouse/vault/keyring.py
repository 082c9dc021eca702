# SPDX-License-Identifier: Apache-2.0
"""Key files: one file for each purpose, created on first use, readable by their owner alone.

Story: Ola copies the keys directory with a tool that makes everything world-readable. At the next start the gateway
refuses to use the root key and says `chmod 600`, instead of carrying on with a key that anyone on the host has read.
"""

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

from customhouse.domain.clock import Clock
from customhouse.domain.errors import StoreUnavailable

ROOT_KEY_BYTES: Final = 32


def root_key(directory: Path, clock: Clock) -> bytes:
    """Return the key that wraps every tenant's key, creating it on first use. Raises StoreUnavailable."""
    return key_file(
        directory / "root.key", clock.random(ROOT_KEY_BYTES).hex().encode() + b"\n", hex_bytes=ROOT_KEY_BYTES
    )


def key_file(path: Path, fresh: bytes, *, hex_bytes: int) -> bytes:
    """Read a hex key file of `hex_bytes` bytes, writing `fresh` first when there is none."""
    content = read_or_create(path, fresh)
    try:
        key = bytes.fromhex(content.decode("ascii").strip())
    except ValueError as error:
        raise StoreUnavailable(f"{path} is not a key file: restore it from a backup") from error
    if len(key) != hex_bytes:
        raise StoreUnavailable(f"{path} holds {len(key)} bytes, {hex_bytes} expected: restore it from a backup")
    return key


def read_or_create(path: Path, fresh: bytes) -> bytes:
    """Return a secret file's content, creating it 0600 and fsynced when absent. Raises StoreUnavailable.

    Two processes may race to create it: the loser's O_EXCL fails and it reads what the winner wrote.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    if not path.exists():
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(fresh)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(scratch, path)  # atomic, and refuses to replace: a key is never overwritten
            _sync_directory(path.parent)
        finally:
            scratch.unlink(missing_ok=True)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise StoreUnavailable(f"{path} is readable by others (mode {mode:04o}): run chmod 600 {path}")
    return path.read_bytes()


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
