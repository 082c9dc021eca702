# SPDX-License-Identifier: Apache-2.0
"""Who may release an assistant reads no file, runs no program and learns no secret of the gateway by it.

Each row is a reference that Mallory writes into a document, and what he has prepared on disk. Nothing of it is looked
up; the refusal names what is wrong, and not what was found.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from customhouse.domain.clock import SystemClock
from customhouse.domain.errors import UpstreamFailed
from customhouse.outgoing.credential import UpstreamCredentials
from customhouse.outgoing.reference import Reference

SECRET: Final = "r00tk3y"


def linked(home: Path) -> None:
    (home / "credentials" / "azure").symlink_to(home / "keys" / "root.key")


def linked_directory(home: Path) -> None:
    (home / "credentials" / "azure").symlink_to(home / "keys")


def open_to_all(home: Path) -> None:
    path = home / "credentials" / "azure"
    path.write_text(SECRET)
    path.chmod(0o644)


def pipe(home: Path) -> None:
    os.mkfifo(home / "credentials" / "azure", 0o600)


def program_that_others_write(home: Path) -> None:
    path = home / "credentials" / "azure"
    path.write_text(f"#!/bin/sh\necho {SECRET}\n")
    path.chmod(0o777)


def program_outside(home: Path) -> None:
    path = home / "evil"
    path.write_text(f"#!/bin/sh\necho {SECRET}\n")
    path.chmod(0o700)
    (home / "credentials" / "azure").symlink_to(path)


def directory_that_others_write(home: Path) -> None:
    path = home / "credentials" / "azure"
    path.write_text(SECRET)
    path.chmod(0o600)
    (home / "credentials").chmod(0o777)


def nothing(home: Path) -> None:
    del home


@pytest.mark.parametrize(
    ("reference", "prepared"),
    [
        (Reference("file", "../keys/root.key"), nothing),
        (Reference("file", "/etc/passwd"), nothing),
        (Reference("file", ".."), nothing),
        (Reference("file", "azure"), linked),
        (Reference("file", "azure"), linked_directory),
        (Reference("file", "azure"), open_to_all),
        (Reference("file", "azure"), pipe),
        (Reference("file", "azure"), directory_that_others_write),
        (Reference("command", "/bin/cat"), nothing),
        (Reference("command", "../../../bin/id"), nothing),
        (Reference("command", "azure; id"), nothing),
        (Reference("command", "azure"), program_outside),
        (Reference("command", "azure"), program_that_others_write),
        (Reference("command", "azure"), directory_that_others_write),
        (Reference("env", "CUSTOMHOUSE_DATABASE"), nothing),
        (Reference("env", "PGPASSWORD"), nothing),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value),
)
def test_a_reference_leads_nowhere(tmp_path: Path, reference: Reference, prepared: Callable[[Path], None]) -> None:
    for name in ("credentials", "keys"):
        (tmp_path / name).mkdir(mode=0o700)
    key = tmp_path / "keys" / "root.key"
    key.write_text(SECRET)
    key.chmod(0o600)
    prepared(tmp_path)
    environ = {"CUSTOMHOUSE_DATABASE": SECRET, "PGPASSWORD": SECRET}
    credentials = UpstreamCredentials(tmp_path / "credentials", environ, SystemClock())
    with pytest.raises(UpstreamFailed) as caught:
        asyncio.run(credentials.token(reference))
    assert caught.value.reason in {"upstream.credential_missing", "upstream.credential_failed"}
    assert SECRET not in caught.value.detail
