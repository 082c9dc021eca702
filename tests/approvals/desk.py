# SPDX-License-Identifier: Apache-2.0
"""A real desk: a store (either), its ledger, a charter, people with roles, and a gateway's side that asks and takes.

in_desk(store, story)      # runs `story(desk)`; the clock moves only when the story moves it
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from tests.approvals.holding import BOT, held, hold
from tests.ledger.book import CLOCK, Book, open_book

from customhouse.access import people
from customhouse.access.people import NewPerson
from customhouse.access.roles import Role
from customhouse.approvals import decide, standing, tables
from customhouse.approvals.approval import Approval, Verdict
from customhouse.approvals.consume import consume
from customhouse.approvals.decide import Answered
from customhouse.approvals.standing import Refusal
from customhouse.domain.principal import Actor
from customhouse.ledger import record as records
from customhouse.ledger import trace
from customhouse.registry import tables as registry
from customhouse.registry.charter import Charter
from customhouse.registry.control import Control
from customhouse.store.database import Database, Transaction
from customhouse.vault.sign import ReleaseKey, generate

LOCAL: Final = Actor("local:1000", "local", frozenset())
KEY: Final[ReleaseKey] = generate()
PEOPLE: Final[dict[str, tuple[Role, ...]]] = {
    "dana": ("captain",),
    "drew": ("captain", "approver"),
    "ola": ("approver", "oncall"),
    "ben": ("approver",),
    "pat": ("approver",),
    "otto": ("oncall",),
    "sam": ("auditor",),
    "ada": ("admin",),
    "mia": ("captain", "approver"),
}
CHARTER: Final = Charter(
    owner="dana@acme.test",
    deputy="drew@acme.test",
    on_call="support-oncall",
    fallback="Please call.",
    groups={"refunds": ("ola@acme.test", "ben@acme.test", "otto@acme.test")},
)


def email(name: str) -> str:
    """Return a person's address."""
    return f"{name}@acme.test"


def person(name: str) -> Actor:
    """Return a person as the API recognises him."""
    return Actor(email(name), "person", frozenset(PEOPLE[name]))


@dataclass(slots=True)
class HandClock:
    """The machine's clock, moved ahead by hand."""

    ahead_us: int = 0

    def now_us(self) -> int:
        """Return the time as this desk has it."""
        return CLOCK.now_us() + self.ahead_us

    def elapsed_us(self) -> int:
        """Return what the machine says."""
        return CLOCK.elapsed_us()

    def uuid7(self) -> str:
        """Return a new id."""
        return CLOCK.uuid7()

    def random(self, size_bytes: int) -> bytes:
        """Return random bytes."""
        return CLOCK.random(size_bytes)


@dataclass(frozen=True, slots=True)
class Desk:
    """A desk. `gateway` is the store as turns use it."""

    book: Book
    control: Control
    clock: HandClock = field(default_factory=HandClock)

    @property
    def gateway(self) -> Database:
        """Return the store as turns use it."""
        return self.book.database

    async def ask(self, tenant: str = "acme", **fields: Any) -> Approval:  # noqa: ANN401 - the approval's own fields
        """Hold a call as the gateway does."""
        approval = held(tenant, self.clock.now_us(), **fields)
        await hold(self.book.ledger, self.gateway, approval)
        return approval

    async def say(self, name: str | Actor, approval: Approval, verdict: Verdict = "approve") -> Answered:
        """Let somebody answer."""
        actor = name if isinstance(name, Actor) else person(name)
        return await decide.decide(self.control, actor, approval.id, verdict, "because", trace_id=CLOCK.uuid7())

    async def take_back(self, name: str | Actor, approval: Approval) -> Answered:
        """Let somebody take a yes back."""
        actor = name if isinstance(name, Actor) else person(name)
        return await decide.revoke(self.control, actor, approval.id, "a mistake", trace_id=CLOCK.uuid7())

    async def refusal(self, approval: Approval, tenant: str | None = None) -> Refusal | str | None:
        """Return what the gateway finds when the client comes back."""

        def work(tx: Transaction) -> Refusal | str | None:
            tx.act_for(tenant or approval.tenant)
            found = tables.find(tx, tenant or approval.tenant, approval.id)
            return "approval.unknown" if found is None else standing.refusal(tx, found, self.clock.now_us())

        return await self.gateway.begin(work)

    async def take(self, approval: Approval, database: Database | None = None) -> bool:
        """Release the call as the gateway does; return whether this is who did."""

        def work(tx: Transaction) -> bool:
            tx.act_for(approval.tenant)
            found = tables.find(tx, approval.tenant, approval.id)
            return found is not None and consume(tx, found, self.clock.now_us())

        return await (database or self.gateway).begin(work)

    async def state(self, approval: Approval) -> str:
        """Return the stored state."""
        found = await self.book.control.read(lambda tx: tables.get(tx, approval.id))
        assert found is not None
        return found.state

    async def decisions(self, approval: Approval) -> list[records.Record]:
        """Return the records of what became of a held call, oldest first."""
        found = await self.book.control.read(lambda tx: trace.read(tx, approval.tenant, approval.trace_id))
        return [step.record for step in found.steps if step.record.kind == "approval.decided"]

    async def charter(self, number: int, **changed: Any) -> None:  # noqa: ANN401 - the charter's own fields
        """Put another charter into force."""
        document = msgspec.structs.replace(CHARTER, **changed)
        await self.control.database.transact(
            lambda tx: registry.insert_charter(tx, BOT, number, document, email("dana"), self.clock.now_us())
        )

    async def dismiss(self, name: str) -> None:
        """Revoke a person's key."""
        await people.revoke(self.control, LOCAL, email(name), trace_id=CLOCK.uuid7())

    def pass_s(self, seconds: int) -> None:
        """Let time go by."""
        self.clock.ahead_us += seconds * 1_000_000


@asynccontextmanager
async def open_desk(place: Path | str) -> AsyncGenerator[Desk]:
    """Open a desk on a file, or on the database of a URL, with its people and charter."""
    async with open_book(place) as book:
        clock = HandClock()
        desk = Desk(book, Control(book.control, book.ledger, KEY, clock), clock)
        for name, roles in PEOPLE.items():
            await people.add(desk.control, LOCAL, NewPerson(email=email(name), roles=roles), trace_id="t")
        await desk.charter(1)
        yield desk


def in_desk(place: Path | str, story: Callable[[Desk], Awaitable[None]]) -> None:
    """Run a story at an empty desk: in a file in the directory `place`, or in the database of a URL."""

    async def main() -> None:
        async with open_desk(place / "customhouse.db" if isinstance(place, Path) else place) as desk:
            await story(desk)

    asyncio.run(main())
