# SPDX-License-Identifier: Apache-2.0
"""Tool servers need no key of ours: the public keys are for everybody, and a ticket is its own proof."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
from tests.api.house import TICKET_KEYS, Reply, open_house, send
from tests.tickets.test_redeem import claims

from customhouse.api import tickets
from customhouse.ticket import MAX_TICKET_BYTES, trust

REDEEM = "/api/v1/tickets/redeem"


def answers(home: Path, *bodies: Any, path: str = REDEEM, method: str = "POST") -> list[Reply]:  # noqa: ANN401 - JSON
    async def main() -> list[Reply]:
        async with open_house(home) as house:
            app = house.app(tickets.ROUTES)
            return [await send(app, method, path, body=body) for body in bodies]

    home.mkdir(exist_ok=True)
    return asyncio.run(main())


def good(**said: Any) -> dict[str, str]:  # noqa: ANN401 - claims
    return {"ticket": TICKET_KEYS.signing.mint(claims(iss=TICKET_KEYS.issuer, **said))}


def test_anybody_may_read_the_public_keys(home: Path) -> None:
    (reply,) = answers(home, None, path="/api/v1/ticket-keys", method="GET")
    assert reply.status == 200
    assert trust(reply.body) == TICKET_KEYS.trusted
    assert b'"d"' not in reply.body, "the private member of a JWK"


def test_who_holds_a_ticket_redeems_it_once(home: Path) -> None:
    ticket = good()
    first, second = answers(home, ticket, ticket)
    assert (first.status, sorted(first.json)) == (200, ["jti", "redeemed_at", "trace_id"])
    assert (second.status, second.code) == (409, "ticket.used")
    assert second.headers["customhouse-trace-id"] != first.json["trace_id"]


def test_what_is_no_ticket_is_refused_and_not_repeated_to_anybody(home: Path) -> None:
    bodies: list[Any] = [
        {"ticket": "e30.e30.TRIPWIRE"},
        {"ticket": ""},
        {"ticket": None},
        {},
        {**good(), "tool": "another"},
        ["ticket"],
    ]
    for reply in answers(home, *bodies):
        assert reply.status == 400
        assert b"TRIPWIRE" not in reply.body


def test_a_large_body_is_not_read(home: Path) -> None:
    one, more = answers(home, {"ticket": "x" * MAX_TICKET_BYTES * 2}, {"ticket": "x" * 1024 * 1024})
    assert (one.status, more.status) == (413, 413)


def test_the_sentence_names_the_reason(home: Path) -> None:
    (reply,) = answers(home, good(exp=1, iat=0))
    problem = msgspec.json.decode(reply.body)
    assert problem["code"] == "ticket.invalid"
    assert problem["detail"].startswith("ticket.expired: ")
