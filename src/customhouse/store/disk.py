# SPDX-License-Identifier: Apache-2.0
"""Files that must be there after a loss of power: reserved before use, written at a place, fsynced, 0600.

After an fsync that failed nobody knows which bytes arrived (the kernel may drop the pages and report success the next
time: "PostgreSQL's fsync() surprise", LWN 2018). So no caller repeats one: it goes on in another file, or refuses.
"""

import contextlib
import os
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    """The three calls that can fail for want of space or for a broken disk. Each raises OSError."""

    def reserve(self, descriptor: int, size_bytes: int) -> None:
        """Allocate the file's blocks, so that writing within them needs no more space."""
        ...

    def write(self, descriptor: int, content: bytes, offset: int) -> int:
        """Write at a place and return how many bytes were taken, which may be fewer."""
        ...

    def sync(self, descriptor: int) -> None:
        """Return when all that was written is on the medium."""
        ...


class RealDisk:
    """The machine's own."""

    def reserve(self, descriptor: int, size_bytes: int) -> None:
        """Allocate the file's blocks; file systems that cannot are given zeros to hold."""
        os.posix_fallocate(descriptor, 0, size_bytes)

    def write(self, descriptor: int, content: bytes, offset: int) -> int:
        """Write at a place and return how many bytes were taken."""
        return os.pwrite(descriptor, content, offset)

    def sync(self, descriptor: int) -> None:
        """Return when all that was written is on the medium."""
        os.fsync(descriptor)


def create(disk: Disk, path: Path, size_bytes: int, content: bytes) -> int:
    """Create a file of `size_bytes` that begins with `content`, durably, and return its descriptor.

    It is written under the name `….new` first, so that a crash leaves no half file under its own. Raises OSError; then
    nothing is left behind. Cost: two fsyncs.
    """
    scratch = path.with_name(f"{path.name}.new")
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(scratch, flags, 0o600)
    try:
        disk.reserve(descriptor, size_bytes)
        write_all(disk, descriptor, content, 0)
        disk.sync(descriptor)
        scratch.rename(path)
        sync_directory(disk, path.parent)
    except OSError:
        os.close(descriptor)
        for name in (scratch, path):
            with contextlib.suppress(OSError):
                name.unlink()
        raise
    return descriptor


def write_all(disk: Disk, descriptor: int, content: bytes, offset: int) -> None:
    """Write all of `content` at a place. Raises OSError; then any part of it may be there."""
    while content:
        taken = disk.write(descriptor, content, offset)
        if taken <= 0:
            raise OSError("the disk takes no more bytes")
        content, offset = content[taken:], offset + taken


def sync_directory(disk: Disk, directory: Path) -> None:
    """Make names that were added or removed durable. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        disk.sync(descriptor)
    finally:
        os.close(descriptor)
