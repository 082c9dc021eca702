# SPDX-License-Identifier: Apache-2.0
"""`customhouse restore`: put a backup back, when every digest and the whole evidence chain have been verified."""

import asyncio
from pathlib import Path

import click

from customhouse.cli.client import settings
from customhouse.cli.logs import verify_logs
from customhouse.cli.output import say
from customhouse.domain.errors import BackupRefused
from customhouse.settings import masked
from customhouse.store import backup as archive
from customhouse.store.sqlite import open_sqlite


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def restore(ctx: click.Context, file: Path) -> None:
    """Put the backup FILE back as the home directory (.customhouse, or --home).

    Nothing is overwritten: the home directory must not exist or be empty, and no server may be running on it. Digests,
    database and the evidence chain of every tenant are verified first; when one is wrong, nothing is changed.
    """
    chosen = settings(ctx)
    if chosen.database:
        raise BackupRefused(
            f"the settings name {masked(chosen.database)}, and {file} is a backup of a SQLite installation. Restore it "
            "without CUSTOMHOUSE_DATABASE, then `customhouse migrate` it into an empty database; or pg_restore a dump"
        )
    home = chosen.home_path
    contents = archive.read(file, home, _verify)
    say(f"{home} is back as of {contents.created_at}, written by version {contents.version}; the evidence verifies.")
    if chosen.keys:
        say(f"Its key files are in {home / 'keys'}: move them to {chosen.keys}, which CUSTOMHOUSE_KEYS names.")
    say("Keys and people revoked after that time are good again: revoke them again. Pins stand where they stood.")


def _verify(unpacked: Path) -> None:
    """Raise BackupRefused unless the database is sound and every log verifies from its first record to its head."""
    if found := archive.problems(unpacked / archive.DATABASE):
        raise BackupRefused(f"the archive's database is damaged: {found[0]}.")
    asyncio.run(_verify_chains(unpacked / archive.DATABASE))


async def _verify_chains(path: Path) -> None:
    database = await open_sqlite(path)
    try:
        found = await database.read(verify_logs)
    finally:
        await database.close()
    if found.problem is not None:
        raise BackupRefused(f"{found.problem}. Nothing was restored.")
