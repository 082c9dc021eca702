# SPDX-License-Identifier: Apache-2.0
"""The store of an installation, as each kind of work sees it: one SQLite file, or one PostgreSQL database in roles."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from customhouse.domain.errors import StoreUnavailable
from customhouse.settings import Settings
from customhouse.store import moved
from customhouse.store.database import Database
from customhouse.store.sqlite import open_sqlite

if TYPE_CHECKING:  # only an installation that uses PostgreSQL pays for its driver
    from customhouse.store.leadership import Leadership


@dataclass(frozen=True, slots=True)
class Stores:
    """One database, seen by the verbs of people, by turns and by the sequencer; on SQLite all three are one object.

    `shared` says that other replicas may use it too, and that evidence is staged for a sequencer; `leadership` decides
    whose sequencer that is. `waiting` says how many works wait or run in each role.
    """

    control: Database
    gateway: Database
    sequencer: Database
    shared: bool
    waiting: Callable[[], Mapping[str, int]]
    leadership: "Leadership | None" = None


@asynccontextmanager
async def open_stores(settings: Settings) -> AsyncGenerator[Stores]:
    """Open the store that the settings name, its schema brought up to date; close it at the end.

    Raises StoreUnavailable.
    """
    async with AsyncExitStack() as stack:
        if settings.database:
            yield await _postgres(settings.database, stack)
            return
        moved.refuse(settings.home_path)
        # Asked again for each commit (some µs): a command that waits for the file while it moves away would write
        # into the copy that stays behind, and nobody would ever read it.
        database = await open_sqlite(settings.database_path, still_here=partial(moved.refuse, settings.home_path))
        stack.push_async_callback(database.close)
        yield Stores(database, database, database, shared=False, waiting=lambda: {"all": database.unsettled})


@asynccontextmanager
async def open_auditor(settings: Settings) -> AsyncGenerator[Database]:
    """Open the store that the settings name for reading alone, without a deadline: on PostgreSQL as auditor.

    Raises StoreUnavailable, also where there is no database yet, or one of an older version: nothing is made.
    """
    async with AsyncExitStack() as stack:
        if settings.database:
            from customhouse.store.postgres import open_postgres  # noqa: PLC0415 - as below

            database: Database = await open_postgres(settings.database, "auditor", deadline_s=None)
        elif settings.database_path.exists():
            database = await open_sqlite(settings.database_path, upgrade=False)
        else:
            raise StoreUnavailable(f"there is no database at {settings.database_path}")
        stack.push_async_callback(database.close)
        yield database


async def _postgres(url: str, stack: AsyncExitStack) -> Stores:
    # Only an installation that uses PostgreSQL pays for its driver.
    from customhouse.store import migrate_postgres  # noqa: PLC0415
    from customhouse.store.leadership import SEQUENCER_LOCK, Leadership  # noqa: PLC0415
    from customhouse.store.migration import packaged  # noqa: PLC0415
    from customhouse.store.postgres import PostgresDatabase, open_postgres  # noqa: PLC0415
    from customhouse.store.postgres_session import Role  # noqa: PLC0415

    async def opened(role: Role) -> PostgresDatabase:
        database = await open_postgres(url, role)
        stack.push_async_callback(database.close)
        return database

    migrate_postgres.migrate(url, packaged("postgres"))
    leadership = Leadership(url, "sequencer", SEQUENCER_LOCK)
    stack.push_async_callback(leadership.resign)
    roles: tuple[Role, ...] = ("control", "gateway", "sequencer")
    control, gateway, sequencer = [await opened(role) for role in roles]
    by_role = {"control": control, "gateway": gateway, "sequencer": sequencer}
    return Stores(
        control,
        gateway,
        sequencer,
        shared=True,
        waiting=lambda: {role: database.unsettled for role, database in by_role.items()},
        leadership=leadership,
    )
