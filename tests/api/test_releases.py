# SPDX-License-Identifier: Apache-2.0
"""Endpoints of releases, pins and changes: strict bodies, stable codes, plain answers."""

import asyncio
import copy
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.types import ASGIApp
from tests.api.house import LOCAL, Reply, open_house, send
from tests.rollout.yard import CHARTER, COMMIT, documents

from customhouse.api import changes, pins, releases
from customhouse.domain.plane import PLANES
from customhouse.registry.documents import plain

ROUTES = (*releases.ROUTES, *pins.ROUTES, *changes.ROUTES)
GIVEN = documents("one")
SUBMISSION: dict[str, Any] = {
    "assistant": "support",
    "documents": {plane.value: plain(GIVEN.of(plane)) for plane in PLANES},
    "charter": plain(CHARTER),
    "notes": "first",
    "git_commit": COMMIT,
    "environment": "dev",
}
UNDECLARED = {"t": {"permission": "allow", "effect": "undeclared"}}


def changed(**fields: object) -> dict[str, Any]:
    """Return the submission with other fields; `field__inner` names a nested one."""
    body = copy.deepcopy(SUBMISSION)
    for path, value in fields.items():
        *outer, last = path.split("__")
        inner = body
        for name in outer:
            inner = inner[name]
        inner[last] = value
    return body


def in_house(home: Path, story: Callable[[ASGIApp, str], Awaitable[None]]) -> None:
    """Run a story against the API, with the key of the owner."""

    async def main() -> None:
        async with open_house(home) as house:
            key = await house.person("dana@acme.test", "captain", "approver")
            await story(house.app(ROUTES), key)

    asyncio.run(main())


async def post(app: ASGIApp, key: str, path: str, body: object) -> Reply:
    """Send a POST."""
    return await send(app, "POST", f"/api/v1/{path}", key=key, body=body)


def test_a_release_is_created_and_read_back(home: Path) -> None:
    async def story(app: ASGIApp, key: str) -> None:
        made = await post(app, key, "releases", SUBMISSION)
        assert made.status == 201, made.body
        statement = msgspec.json.decode(made.body)["release"]["statement"]
        assert (statement["assistant"], statement["number"], statement["released_by"]) == (
            "support",
            1,
            "dana@acme.test",
        )
        shown = (await send(app, "GET", "/api/v1/releases/support/1", key=key)).json
        assert shown["release"] == made.json["release"]
        assert shown["documents"] == SUBMISSION["documents"]
        force = (await send(app, "GET", "/api/v1/assistants/support/force?environment=dev", key=key)).json
        assert (force["stamp"], force["charter"]) == ("support@1", SUBMISSION["charter"])
        assert force["prompt"] == SUBMISSION["documents"]["prompt"]

    in_house(home, story)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (changed(extra=1), 400, "request.field_not_allowed"),
        (changed(assistant="a b"), 400, "request.invalid"),
        (changed(assistant="support@1"), 400, "request.invalid"),
        (changed(assistant="support\n"), 400, "request.invalid"),
        (changed(expected_generation=2**63), 400, "request.invalid"),
        (changed(assistant="x" * 101), 400, "request.invalid"),
        (changed(environment="prod"), 400, "request.invalid"),
        (changed(git_commit="main"), 400, "request.invalid"),
        (changed(notes=""), 400, "request.invalid"),
        (changed(notes="x" * 4001), 400, "request.invalid"),
        (changed(reviewers={"production": 99}), 400, "request.invalid"),
        (changed(reviewers={"everywhere": 1}), 400, "request.invalid"),
        (changed(documents__prompt__secret="x"), 400, "request.field_not_allowed"),
        (changed(documents__prompt__template=1), 400, "request.invalid"),
        (changed(documents__prompt__requires_tools=["gone"]), 409, "pins.planes_conflict"),
        (changed(documents__tools={"grants": UNDECLARED}), 422, "manifest.invalid"),
        (changed(documents__prompt__template="x" * (1024 * 1024 + 1)), 422, "manifest.invalid"),
        (changed(charter__owner="ben@acme.test", charter__deputy=None), 403, "access.not_the_captain"),
        (changed(environment="staging", git_commit=None), 409, "release.commit_missing"),
        (changed(expected_generation=7), 409, "pins.generation_moved"),
    ],
)  # fmt: skip
def test_what_a_release_is_refused_for(home: Path, body: dict[str, Any], status: int, code: str) -> None:
    async def story(app: ASGIApp, key: str) -> None:
        reply = await post(app, key, "releases", body)
        assert (reply.status, reply.code) == (status, code), reply.body
        assert (await send(app, "GET", "/api/v1/releases/support/1", key=key)).code == "release.unknown"

    in_house(home, story)


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", "releases/support/x", None, "request.invalid"),
        ("GET", "releases/support/99999999999999999999", None, "request.invalid"),
        ("GET", "releases/support/9", None, "release.unknown"),
        ("GET", "assistants/support/force", None, "request.invalid"),
        ("GET", "assistants/support/force?environment=prod", None, "request.invalid"),
        ("GET", "assistants/support/force?environment=staging", None, "pins.not_in_force"),
        ("GET", "history/support?limit=-1", None, "request.invalid"),
        ("GET", "history/support?environment=x", None, "request.invalid"),
        ("GET", "changes?state=x", None, "request.invalid"),
        ("GET", "changes/chg_0", None, "change.unknown"),
        ("POST", "changes/chg_0/approve", {"reason": "x"}, "change.unknown"),
        ("POST", "changes/chg_0/reject", {"reason": ""}, "request.invalid"),
        ("POST", "holds/x/lift", {"reason": "x"}, "request.invalid"),
        ("POST", "holds/1/lift", {"reason": "x"}, "hold.unknown"),
        ("POST", "promotions", {"assistant": "support", "number": 9, "environment": "dev"}, "release.unknown"),
        ("POST", "promotions", {"assistant": "support", "number": 1, "environment": "dev"}, "pins.nothing_to_do"),
        ("POST", "promotions", {"assistant": "support", "number": 2**63, "environment": "dev"}, "request.invalid"),
        ("POST", "promotions", {"assistant": "support", "number": 0, "environment": "dev"}, "request.invalid"),
        (
            "POST",
            "rollbacks",
            {"assistant": "support", "planes": [], "environment": "dev", "reason": "x"},
            "request.invalid",
        ),
        (
            "POST",
            "rollbacks",
            {"assistant": "support", "planes": ["prompt"], "environment": "dev", "reason": "x" * 501},
            "request.invalid",
        ),
        (
            "POST",
            "rollbacks",
            {"assistant": "support", "planes": ["prompt"], "environment": "dev", "reason": "x"},
            "pins.not_earlier",
        ),
        (
            "POST",
            "rollbacks",
            {"assistant": "support", "planes": ["prompt"], "environment": "staging", "reason": "x"},
            "pins.not_in_force",
        ),
    ],
)
def test_codes(home: Path, method: str, path: str, body: object, code: str) -> None:
    async def story(app: ASGIApp, key: str) -> None:
        assert (await post(app, key, "releases", SUBMISSION)).status == 201
        reply = await send(app, method, f"/api/v1/{path}", key=key, body=body)
        assert reply.code == code, reply.body

    in_house(home, story)


def test_a_local_actor_does_everything_but_review(home: Path) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            app = house.app(ROUTES, local_actor=LOCAL)
            made = await send(app, "POST", "/api/v1/releases", body=changed(environment="production"))
            assert made.status == 201
            waiting = msgspec.json.decode(made.body)["outcome"]["waiting"]["change"]
            reply = await send(app, "POST", f"/api/v1/changes/{waiting}/approve", body={"reason": "x"})
            assert (reply.status, reply.code) == (403, "access.verb_refused")

    asyncio.run(main())
