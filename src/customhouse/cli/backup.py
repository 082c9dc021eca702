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
from customhouse.store import backup as archive
from customhouse.store.backup import Contents


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@json_option
@click.pass_context
def backup(ctx: click.Context, file: Path | None, *, as_json: bool) -> None:
    """Write the database and the keys into FILE (default customhouse-DATE.tar here).

    THE ARCHIVE HOLDS THE SECRET KEYS: whoever reads it can read every payload and sign releases. It is created with
    mode 0600; encrypt it before it leaves this machine. It may be written while a server runs.
    """
    now_us = SystemClock().now_us()
    target = file or Path(f"customhouse-{datetime.fromtimestamp(now_us / 1e6, UTC):%Y%m%dT%H%M%SZ}.tar")
    contents = archive.write(settings(ctx).home_path, target, version=__version__, created_at=rfc3339(now_us))
    emit(contents, as_json=as_json, render=lambda value: _listed(target, value))
    say(f"WARNING: {target} holds the SECRET KEYS of this installation. Encrypt it before it leaves this machine.")


def _listed(target: Path, contents: Contents) -> str:
    lines = [f"{file.sha256[:16]}  {file.size_bytes:>12}  {file.name}" for file in contents.files]
    return "\n".join([f"wrote {target}", *lines])
