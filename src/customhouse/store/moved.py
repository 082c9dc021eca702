# SPDX-License-Identifier: Apache-2.0
"""The mark of a home whose database has moved away, so that nobody serves the copy that stayed behind by accident.

Story: Ola moves the installation to PostgreSQL on Monday. On Tuesday a machine restarts and its old start script serves
the home again, without a database URL. It is refused, and told where the installation is; otherwise two histories would
begin there.

The mark is written before the move is committed (`moving`) and completed after it (`moved`). A crash in between leaves
`moving`: nobody knows yet, and `customhouse migrate` finds out by comparing every row.
"""

import os
from pathlib import Path
from typing import Final, Literal

import msgspec

from customhouse.domain.errors import StoreUnavailable
from customhouse.store.disk import RealDisk, sync_directory

NAME: Final = "moved.json"


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the database went, and since when; `to` is a URL without its password."""

    state: Literal["moving", "moved"]
    to: str
    at: str


def read(home: Path) -> Mark | None:
    """Return a home's mark, or None. Raises StoreUnavailable when it cannot be read."""
    if not os.access(f"{home}/{NAME}", os.F_OK):  # asked at every commit: a look that raises costs twice as much
        return None
    try:
        content = (home / NAME).read_bytes()
    except FileNotFoundError:
        return None
    try:
        return msgspec.json.decode(content, type=Mark)
    except msgspec.MsgspecError as error:
        raise StoreUnavailable(f"{home / NAME} cannot be read: has this installation moved to PostgreSQL?") from error


def write(home: Path, mark: Mark) -> None:
    """Set a home's mark, durably, whole or not at all. Raises OSError."""
    scratch = home / f"{NAME}.new"
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(mark) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    scratch.rename(home / NAME)
    sync_directory(RealDisk(), home)


def clear(home: Path) -> None:
    """Take a home's mark away, durably."""
    (home / NAME).unlink(missing_ok=True)
    sync_directory(RealDisk(), home)


def refuse(home: Path) -> None:
    """Raise StoreUnavailable when a home's database has moved away, or may have."""
    mark = read(home)
    if mark is None:
        return
    if mark.state == "moved":
        raise StoreUnavailable(
            f"this installation moved to {mark.to} at {mark.at}: name that database (--database, "
            f"CUSTOMHOUSE_DATABASE). Only to go back to the state of then, remove {home / NAME}"
        )
    raise StoreUnavailable(
        f"a move to {mark.to} was cut off at its end: run `customhouse migrate` again, which finds out whether it is "
        "complete"
    )
