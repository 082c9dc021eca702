# SPDX-License-Identifier: Apache-2.0
"""A real registry: SQLite, ledger, release key, and people who release, promote, roll back and review in it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast

import apsw
import msgspec

from customhouse.domain.clock import SystemClock
from customhouse.domain.plane import PLANES, Plane
from customhouse.domain.principal import Actor
from customhouse.ledger import record
from customhouse.ledger import tables as ledger_tables
from customhouse.ledger.append import Ledger
from customhouse.ledger.chain import Link
from customhouse.planes.model.document import Choice, Deployment, Posture
from customhouse.planes.model.document import Document as ModelDocument
from customhouse.planes.prompt.document import Document as PromptDocument
from customhouse.planes.retrieval.document import Document as RetrievalDocument
from customhouse.planes.safety.document import Document as SafetyDocument
from customhouse.planes.tools.document import Document as ToolsDocument
from customhouse.planes.tools.document import Grant
from customhouse.registry import history_tables, tables
from customhouse.registry.charter import Charter
from customhouse.registry.control import Control
from customhouse.registry.documents import Documents
from customhouse.registry.environment import EnvironmentName
from customhouse.registry.history_tables import Change, Hold
from customhouse.registry.pins import Pins
from customhouse.rollout.answer import Moved, Outcome, Waiting
from customhouse.rollout.promote import Promotion, promote
from customhouse.rollout.release import release
from customhouse.rollout.review import Answer, Reviewed, Verdict, review
from customhouse.rollout.rollback import Rollback, rollback
from customhouse.rollout.submission import Published, Submission, SubmittedDocuments
from customhouse.store.database import Transaction
from customhouse.store.sqlite import SqliteDatabase, open_sqlite
from customhouse.vault.sign import generate

BOT: Final = "support"
COMMIT: Final = "c0ffee" + "0" * 34


def person(name: str, *roles: str) -> Actor:
    """Return a person with roles."""
    return Actor(f"{name}@acme.test", "person", frozenset(roles))


DANA: Final = person("dana", "captain", "approver")
"""Owner of the support assistant."""
DREW: Final = person("drew", "captain")
"""Her deputy."""
OLA: Final = person("ola", "approver", "oncall")
PAT: Final = person("pat", "approver")
BEN: Final = person("ben", "captain")
"""Captain of other assistants."""
LOCAL: Final = Actor("local:1000", "local", frozenset())

CHARTER: Final = Charter(
    owner=DANA.name,
    deputy=DREW.name,
    on_call="support-oncall",
    fallback="Please call.",
    groups={"refunds": (OLA.name,)},
)

READ: Final = Grant(permission="allow", effect="read")
DENIED: Final = Grant(permission="deny", effect="read")
REFUND: Final = Grant(permission="approve", effect="irreversible")


def documents(
    prompt: str = "You help.",
    *,
    tools: dict[str, Grant] | None = None,
    needs: tuple[str, ...] = (),
    features: tuple[str, ...] = ("tools",),
    needs_features: tuple[str, ...] = (),
    sources: dict[str, str] | None = None,
    safety: str = "default",
) -> Documents:
    """Return five small documents that fit each other unless asked otherwise."""
    small = Deployment(
        name="small",
        provider="local",
        model="smollm2-135m",
        dialect="openai_chat",
        base_url="http://127.0.0.1:1/v1",
        posture="self_hosted",
        accepts="restricted",
        features=features,
    )
    return Documents(
        model=ModelDocument(
            deployments={"small": small}, route=(Choice(use=("small",)),), posture=Posture(use="self_hosted")
        ),
        prompt=PromptDocument(
            template=prompt, source="prompts/support.md", requires_tools=needs, requires_features=needs_features
        ),
        tools=ToolsDocument(grants={"search": READ} if tools is None else tools),
        retrieval=RetrievalDocument(sources=sources or {}),
        safety=SafetyDocument(name=safety, input_classification="internal"),
    )


@dataclass(frozen=True, slots=True)
class Yard:
    """A registry and shorthands for its verbs."""

    control: Control
    path: Path

    async def publish(
        self,
        given: Documents,
        environment: EnvironmentName | None = "dev",
        *,
        actor: Actor = DANA,
        charter: Charter = CHARTER,
        reviewers: dict[EnvironmentName, int] | None = None,
        commit: str | None = COMMIT,
        assistant: str = BOT,
        expected: int | None = None,
    ) -> Published:
        """Release documents."""
        submission = Submission(
            assistant=assistant,
            documents=SubmittedDocuments(**{plane.value: given.of(plane) for plane in PLANES}),  # pyright: ignore[reportArgumentType] - by name
            charter=charter,
            notes="notes",
            git_commit=commit,
            environment=environment,
            reviewers=reviewers,
            expected_generation=expected,
        )
        return await release(self.control, actor, "trace", submission)

    async def promote(
        self,
        number: int,
        environment: EnvironmentName = "production",
        *,
        actor: Actor = DANA,
        expected: int | None = None,
    ) -> Outcome:
        """Promote a release."""
        wanted = Promotion(assistant=BOT, number=number, environment=environment, expected_generation=expected)
        return await promote(self.control, actor, "trace", wanted)

    async def rollback(
        self,
        *planes: Plane,
        to: int | None = None,
        environment: EnvironmentName = "dev",
        actor: Actor = DANA,
        reason: str = "it babbles",
    ) -> Outcome:
        """Roll planes back."""
        wanted = Rollback(assistant=BOT, planes=planes, environment=environment, reason=reason, to=to)
        return await rollback(self.control, actor, "trace", wanted)

    async def review(self, change_id: str, actor: Actor = OLA, verdict: Verdict = "approve") -> Reviewed:
        """Answer a change."""
        return await review(self.control, actor, "trace", change_id, verdict, Answer(reason="looked at it"))

    async def in_production(self, *given: Documents) -> None:
        """Release each of the documents to dev, promote it to production, and have Ola sign it off."""
        for each in given:
            published = await self.publish(each)
            outcome = await self.promote(published.release.statement.number)
            if outcome.waiting is not None:
                await self.review(outcome.waiting.change)

    async def pins(self, environment: str = "dev", assistant: str = BOT) -> Pins | None:
        """Return the pins."""
        return await self.control.database.read(lambda tx: tables.pins(tx, environment, assistant))

    async def base(self, environment: str = "dev") -> int | None:
        """Return the number of the release that was promoted last."""
        found = await self.pins(environment)
        return None if found is None else found.base

    async def generation(self, environment: str = "dev") -> int:
        """Return an environment's generation."""
        return (await self.control.database.read(lambda tx: tables.environment(tx, environment))).generation

    async def reviewers(self, environment: str = "production") -> int:
        """Return how many reviewers an environment asks for."""
        return (await self.control.database.read(lambda tx: tables.environment(tx, environment))).reviewers

    async def charter(self) -> Charter | None:
        """Return the charter in force."""
        found = await self.control.database.read(lambda tx: tables.charter(tx, BOT))
        return None if found is None else found.charter

    async def holds(self, environment: str = "dev") -> tuple[Hold, ...]:
        """Return the holds that stand."""
        return await self.control.database.read(lambda tx: history_tables.holds(tx, environment, BOT))

    async def waiting(self) -> tuple[Change, ...]:
        """Return the changes that wait."""
        return await self.control.database.read(history_tables.changes_waiting)

    async def evidence(self, kind: str) -> list[dict[str, object]]:
        """Return the details of the organisation's records of one kind."""

        def work(tx: Transaction) -> list[Link]:
            tx.act_for(record.ORGANIZATION)
            return list(ledger_tables.links(tx, record.ORGANIZATION))

        links = await self.control.database.read(work)
        records = [record.decode(link.canonical) for link in links]
        return [found.detail or {} for found in records if found.kind == kind]

    def tamper(self, sql: str, *values: object) -> None:
        """Change the database behind everybody's back, as somebody with the file in hand would."""
        connection = apsw.Connection(str(self.path))
        try:
            connection.execute(sql, values)  # pyright: ignore[reportArgumentType] - plain values
            assert connection.changes() > 0, "the tampering changed nothing"
        finally:
            connection.close()

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Return rows as they are stored."""
        connection = apsw.Connection(str(self.path))
        try:
            return [tuple(cast("tuple[object, ...]", row)) for row in connection.execute(sql)]
        finally:
            connection.close()


@asynccontextmanager
async def open_yard(path: Path) -> AsyncGenerator[Yard]:
    """Open an empty registry in `path`."""
    database: SqliteDatabase = await open_sqlite(path / "customhouse.db")
    clock = SystemClock()
    try:
        yield Yard(Control(database, Ledger(database, bytes(32), clock), generate(), clock), path / "customhouse.db")
    finally:
        await database.close()


def in_yard(path: Path, story: Callable[[Yard], Awaitable[None]]) -> None:
    """Run a story in an empty registry."""

    async def main() -> None:
        async with open_yard(path) as yard:
            await story(yard)

    asyncio.run(main())


def moved(outcome: Outcome | None) -> Moved:
    """Return the move; fail when there was none."""
    assert outcome is not None
    assert outcome.moved is not None, f"waits: {outcome.waiting}"
    return outcome.moved


def waits(outcome: Outcome | None) -> Waiting:
    """Return the change that waits; fail when pins moved instead."""
    assert outcome is not None
    assert outcome.moved is None, f"moved: {outcome.moved}"
    assert outcome.waiting is not None
    return outcome.waiting


def wider(charter: Charter = CHARTER, *members: str) -> Charter:
    """Return the charter with more members in the group `refunds`."""
    groups = {**charter.groups, "refunds": (*charter.groups.get("refunds", ()), *members)}
    return msgspec.structs.replace(charter, groups=groups)


def with_key(yard: Yard) -> Yard:
    """Return the same registry, opened with another release key."""
    return replace(yard, control=replace(yard.control, release_key=generate()))
