# SPDX-License-Identifier: Apache-2.0
"""The history of a schema: numbered steps, applied in order, once. Pure but for reading the package's own files.

Story: Dana edits 0001 after it ran in production. At the next start the digest recorded there differs from the file's,
and the server refuses to touch the data until the file is what it was.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Literal

from customhouse.domain.errors import StoreUnavailable

StoreName = Literal["sqlite", "postgres"]


class SchemaBehind(StoreUnavailable):
    """The database is of an older version, and who opens it now changes nothing."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema's history."""

    number: int
    name: str
    sql: str

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the file's text, in hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def packaged(store: StoreName) -> tuple[Migration, ...]:
    """Return the package's migrations in order; a gap in the numbers is a mistake in the package (ValueError)."""
    folder = resources.files("customhouse.store").joinpath("migrations", store)
    files = sorted(folder.iterdir(), key=lambda entry: entry.name)
    found = tuple(
        Migration(int(entry.name[:4]), entry.name.removesuffix(".sql"), entry.read_text(encoding="utf-8"))
        for entry in files
        if entry.name.endswith(".sql")
    )
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"migrations of {store} are not numbered 1 to {len(found)} without a gap")
    return found


def pending(done: Mapping[int, str], migrations: tuple[Migration, ...]) -> tuple[Migration, ...]:
    """Return the steps that a database lacks, whose applied steps are `done` (number to digest).

    Raises StoreUnavailable when the database has a step that differs from the package's or is newer than it.
    """
    known = {migration.number: migration for migration in migrations}
    for number, digest in sorted(done.items()):
        if number not in known:
            raise StoreUnavailable(
                f"the database has migration {number}, this package ends at {len(migrations)}: "
                "it was written by a newer version; upgrade customhouse"
            )
        if known[number].digest != digest:
            raise StoreUnavailable(
                f"migration {known[number].name} was edited after it was applied: restore the file as it was released"
            )
    return tuple(migration for migration in migrations if migration.number not in done)
