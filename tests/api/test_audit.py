# SPDX-License-Identifier: Apache-2.0
"""The evidence query over the API: who may ask, which questions are no questions, and an answer."""

import asyncio
from pathlib import Path

import pytest
from tests.api.house import open_house, send
from tests.ledger.book import CLOCK, record

from customhouse.api import audit
from customhouse.ledger.entry import Entry
from customhouse.ledger.record import ModelFacts

PATH = "/api/v1/audit/routing"


def test_an_auditor_asks_and_is_answered_from_evidence(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_house(tmp_path) as house:
            model = ModelFacts(deployment="local/small", provider="local", requested="m", region="eu", attempt=1)
            trace = CLOCK.uuid7()
            called = record("model.called", "acme", trace, model=model, detail={"classification": "restricted"})
            await house.control.ledger.append([Entry(called)])
            key, app = await house.person("sam@acme.test", "auditor"), house.app(audit.ROUTES)
            said = await send(app, "GET", f"{PATH}?classification=confidential&since=2026-01-01", key=key)
            assert said.status == 200
            assert said.json["proven"] is True
            assert said.json["destinations"] == [
                {
                    "provider": "local",
                    "deployment": "local/small",
                    "region": "eu",
                    "calls": 1,
                    "classes": {"restricted": 1},
                    "first": called.at,
                    "last": called.at,
                    "traces": [trace],
                }
            ]
            before = f"{PATH}?classification=confidential&since=2026-01-01&until=2026-01-02T00:00:00Z&tenant=acme"
            assert (await send(app, "GET", before, key=key)).json["destinations"] == []

    asyncio.run(story())


def test_others_may_not_ask(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_house(tmp_path) as house:
            app = house.app(audit.ROUTES)
            for role in ("admin", "captain", "approver", "oncall"):
                key = await house.person(f"{role}@acme.test", role)
                said = await send(app, "GET", f"{PATH}?classification=public&since=2026-01-01", key=key)
                assert (said.status, said.code) == (403, "access.verb_refused"), role

    asyncio.run(story())


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("since=2026-01-01", "request.invalid"),
        ("classification=confidential", "request.invalid"),
        ("classification=secret&since=2026-01-01", "request.unknown_classification"),
        ("classification=public&since=yesterday", "request.invalid"),
        ("classification=public&since=2026-13-01", "request.invalid"),
        ("classification=public&since=2026-01-01&until=0", "request.invalid"),
        ("classification=public&since=9026-01-01", "request.invalid"),
        ("classification=public&since=2026-01-02&until=2026-01-02", "request.invalid"),
        ("classification=public&since=2026-01-02&until=2026-01-01", "request.invalid"),
        ("classification=public&since=2026-01-01&tenant=_organization", "request.invalid"),
        ("classification=public&since=2026-01-01&provider=x", "request.field_not_allowed"),
    ],
)
def test_what_is_no_question_is_refused(tmp_path: Path, query: str, code: str) -> None:
    async def story() -> None:
        async with open_house(tmp_path) as house:
            key = await house.person("sam@acme.test", "auditor")
            said = await send(house.app(audit.ROUTES), "GET", f"{PATH}?{query}", key=key)
            assert (said.status, said.code) == (400, code)

    asyncio.run(story())
