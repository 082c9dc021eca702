# SPDX-License-Identifier: Apache-2.0
"""Files and commands of the operator's credentials directory: found by plain name, checked, read. I/O.

Rules kept: nothing outside the directory is opened, whatever a link says; what others could have read is no secret,
what others could have written is no command. A file that is a pipe does not hang us.

The group may read a file, which the key files in the vault do not allow: an orchestrator mounts a secret that it
rotates as root and a group (Kubernetes: fsGroup, 0440), and a copy of it would not rotate.
"""

import os
import stat
from pathlib import Path
from typing import Final, NamedTuple

from customhouse.outgoing.reference import NAME, Reference
from customhouse.outgoing.token import MAX_BYTES, Token, token

SECRET_MODE: Final = stat.S_IWGRP | stat.S_IRWXO
"""What nobody else may: write by the group, anything by others."""
COMMAND_MODE: Final = stat.S_IWGRP | stat.S_IWOTH


class Stamp(NamedTuple):
    """What changes when a file does."""

    device: int
    inode: int
    size: int
    changed_ns: int


class Read(NamedTuple):
    """One file as it was read."""

    stamp: Stamp
    token: Token


def located(directory: Path, reference: Reference) -> Path:
    """Return where a file or command is, links followed. Raises ValueError, saying what is wrong, OSError likewise."""
    if NAME.fullmatch(reference.name) is None:
        raise ValueError("it is not a plain name")
    root = directory.resolve(strict=True)
    about = root.stat()
    if about.st_uid not in {0, os.geteuid()} or about.st_mode & COMMAND_MODE:
        raise ValueError(f"{directory} may be written by others: chmod 0700 it")
    found = (root / reference.name).resolve(strict=True)
    if not found.is_relative_to(root):
        raise ValueError(f"it leads out of {directory}")
    return found


def stamp(directory: Path, reference: Reference) -> Stamp:
    """Return what tells whether a file has changed. Raises as `located`."""
    return _stamp(located(directory, reference).stat())


def read(directory: Path, reference: Reference) -> Read:
    """Read a file's token. Raises as `located`."""
    path = located(directory, reference)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        _require(about, SECRET_MODE, "chmod 0600 it")
        return Read(_stamp(about), token(file.read(MAX_BYTES + 2)))


def command(directory: Path, reference: Reference) -> Path:
    """Return the program of a command. Raises as `located`."""
    path = located(directory, reference)
    _require(path.stat(), COMMAND_MODE, "chmod 0700 it")
    if not os.access(path, os.X_OK):
        raise ValueError("it is not executable")
    return path


def problem(directory: Path, reference: Reference) -> str | None:
    """Return what is wrong with a file or command, or None; nothing is run and no value is returned."""
    try:
        if reference.kind == "command":
            command(directory, reference)
        else:
            read(directory, reference)
    except (OSError, ValueError) as error:
        return said(error)
    return None


def said(error: OSError | ValueError) -> str:
    """Return an error as one sentence; an OSError's own text has the path twice."""
    return (error.strerror or "it cannot be read") if isinstance(error, OSError) else str(error)


def _require(about: os.stat_result, refused: int, advice: str) -> None:
    if not stat.S_ISREG(about.st_mode):
        raise ValueError("it is no regular file")
    if about.st_mode & refused:
        raise ValueError(f"it is open to others (mode {stat.S_IMODE(about.st_mode):04o}): {advice}")
    if about.st_uid not in {0, os.geteuid()}:
        raise ValueError(f"it belongs to user {about.st_uid}")


def _stamp(about: os.stat_result) -> Stamp:
    return Stamp(about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns)
