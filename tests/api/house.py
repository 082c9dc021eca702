# SPDX-License-Identifier: Apache-2.0
"""A real house without a gateway: SQLite, ledger, release key, credentials, and the API over them, in one process."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
from starlette.types import ASGIApp, Message, Scope

from customhouse.access import keys, people
from customhouse.access.credentials import Credentials
from customhouse.access.roles import Role
from customhouse.api import keys as api_keys
from customhouse.api import people as api_people
from customhouse.api.app import build_api
from customhouse.api.route import Route
from customhouse.domain.clock import SystemClock
from customhouse.domain.principal import Actor
from customhouse.ledger import record, tables
from customhouse.ledger.append import Ledger
from customhouse.registry import tables as registry_tables
from customhouse.registry.charter import Charter
from customhouse.registry.control import Control
from customhouse.registry.current import Current
from customhouse.store.database import Transaction
from customhouse.store.sqlite import open_sqlite
from customhouse.tickets.redeem import Redemptions
from customhouse.vault.mint import ticket_keys
from customhouse.vault.sign import generate

LOCAL = Actor("local:1000", "local", frozenset())
ASSISTANT = "support"
TICKET_KEYS = ticket_keys(bytes(32), 1)
OWN_ROUTES = (*api_people.ROUTES, *api_keys.ROUTES)
"""The endpoints of this room's own tests; the whole table is tested in test_permissions.py."""


class Reply(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        """Return the body as an object."""
        return msgspec.json.decode(self.body, type=dict[str, object])

    @property
    def code(self) -> str:
        """Return a problem's code."""
        return str(self.json["code"])


@dataclass(frozen=True, slots=True)
class House:
    """What a test needs of the house."""

    control: Control
    credentials: Credentials
    current: Current

    def app(self, routes: Sequence[Route] = OWN_ROUTES, local_actor: Actor | None = None) -> ASGIApp:
        """Return an API application."""
        control = self.control
        redemptions = Redemptions(control.database, control.ledger, TICKET_KEYS, control.clock)
        return build_api(control, self.credentials, self.current, redemptions, routes, local_actor=local_actor)

    async def person(self, email: str, *roles: Role) -> str:
        """Add a person as the local actor; return the operator key."""
        added = await people.add(self.control, LOCAL, people.NewPerson(email=email, roles=roles), trace_id="t")
        await self.credentials.refresh()
        return added.key

    async def charter(self, owner: str, assistant: str = ASSISTANT) -> None:
        """Let `owner` answer for an assistant."""
        document = Charter(owner=owner, on_call="support-oncall", fallback="Sorry.")
        await self.control.database.transact(
            lambda tx: registry_tables.insert_charter(tx, assistant, 1, document, owner, 1)
        )

    async def key(self, actor: Actor = LOCAL, **terms: object) -> keys.CreatedKey:
        """Create a data-plane key."""
        new = msgspec.convert({"assistant": ASSISTANT, **terms}, keys.NewKey)
        return await keys.create(self.control, actor, new, api_keys.captains, trace_id="t")

    async def evidence(self) -> list[record.Record]:
        """Return the organisation's log."""

        def work(tx: Transaction) -> list[record.Record]:
            tx.act_for(record.ORGANIZATION)
            return [record.decode(link.canonical) for link in tables.links(tx, record.ORGANIZATION)]

        return await self.control.database.read(work)


@asynccontextmanager
async def open_house(home: Path) -> AsyncGenerator[House]:
    """Open a house in `home`."""
    clock = SystemClock()
    database = await open_sqlite(home / "customhouse.db")
    try:
        control = Control(database, Ledger(database, bytes(32), clock), generate(), clock)
        credentials = Credentials(database, clock, stale_after_s=30)
        await credentials.refresh()
        yield House(control, credentials, Current(control))
    finally:
        await database.close()


async def send(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    key: str | None = None,
    body: object = None,
    content: bytes | None = None,
    headers: Sequence[tuple[str, str]] = (),
) -> Reply:
    """Send one request; `path` goes out as it stands, query included."""
    raw_path, _, query = path.partition("?")
    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    if key is not None:
        sent.append((b"authorization", f"Bearer {key}".encode()))
    payload = msgspec.json.encode(body) if content is None and body is not None else content
    if payload is not None and not any(name == b"content-type" for name, _ in sent):
        sent.append((b"content-type", b"application/json"))
    scope: Scope = {
        "type": "http",
        "method": method,
        "path": raw_path,
        "raw_path": raw_path.encode(),
        "query_string": query.encode(),
        "headers": sent,
    }
    messages: list[Message] = []

    async def receive() -> Message:  # noqa: RUF029 - the ASGI protocol
        return {"type": "http.request", "body": payload or b"", "more_body": False}

    async def collect(message: Message) -> None:  # noqa: RUF029 - the ASGI protocol
        messages.append(message)

    await app(scope, receive, collect)
    names = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
    return Reply(messages[0]["status"], names, b"".join(message.get("body", b"") for message in messages[1:]))
