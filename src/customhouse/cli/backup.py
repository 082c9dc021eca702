# SPDX-License-Identifier: Apache-2.0
"""`customhouse backup`: the database and the secret keys into one archive, also while a server runs."""

from datetime import UTC, datetime
from pathlib import Path

import click

from customhouse import __version__
from customhouse.cli.client import settings
from customhouse.cli.options import json_option
from customhouse.cli.output import emit, say
from customhouse.domain.clock import SystemClock, rfc3339
from customhouse.domain.errors import BackupRefused
from customhouse.settings import Settings, masked
from customhouse.store import backup as archive
from customhouse.store import moved
from customhouse.store.backup import Contents


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@json_option
@click.pass_context
def backup(ctx: click.Context, file: Path | None, *, as_json: bool) -> None:
    """Write the database and the keys into FILE (default customhouse-DATE.tar here).

    THE ARCHIVE HOLDS THE SECRET KEYS: whoever reads it can read every payload and sign releases. It is created with
    mode 0600; encrypt it before it leaves this machine. It may be written while a server runs. An installation in
    PostgreSQL is backed up by that server's own tools; this verb then names the commands.
    """
    chosen = settings(ctx)
    if chosen.database:
        raise BackupRefused(_elsewhere(chosen))
    moved.refuse(chosen.home_path)
    now_us = SystemClock().now_us()
    target = file or Path(f"customhouse-{datetime.fromtimestamp(now_us / 1e6, UTC):%Y%m%dT%H%M%SZ}.tar")
    contents = archive.write(
        chosen.home_path, chosen.keys_path, target, version=__version__, created_at=rfc3339(now_us)
    )
    emit(contents, as_json=as_json, render=lambda value: _listed(target, value))
    say(f"WARNING: {target} holds the SECRET KEYS of this installation. Encrypt it before it leaves this machine.")


def _listed(target: Path, contents: Contents) -> str:
    lines = [f"{file.sha256[:16]}  {file.size_bytes:>12}  {file.name}" for file in contents.files]
    return "\n".join([f"wrote {target}", *lines])


def _elsewhere(chosen: Settings) -> str:
    return (
        "this installation is in PostgreSQL, and a copy of the home would not hold it. As a superuser or a role with "
        "BYPASSRLS (row security is forced), run\n"
        f"  pg_dump --format=custom --file customhouse.dump --dbname '{masked(chosen.database)}'\n"
        f"and copy {chosen.keys_path} to a safe place: without its keys nobody can read what was dumped. "
        "How to put both back: docs/howto/size-and-back-up.md"
    )
