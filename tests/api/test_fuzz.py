# SPDX-License-Identifier: Apache-2.0
"""Whatever is sent to any endpoint, the answer is an answer: never an internal error, never without a trace id."""

import asyncio
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.api.house import LOCAL, open_house, send

from customhouse.api.route import Route
from customhouse.api.routes import ROUTES
from customhouse.domain.principal import Actor

SEGMENT = st.text(max_size=12) | st.sampled_from(["..", "%2e", "0", "-1", "1", "9" * 30, "support", "_organization"])
RESTING = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)


def encoded(value: object) -> bytes:
    """Return a body, or one that is refused when the value has no JSON (a lone surrogate)."""
    try:
        return msgspec.json.encode(value)
    except (UnicodeEncodeError, msgspec.MsgspecError, OverflowError):
        return b"{"


def bodies(kind: type | None) -> st.SearchStrategy[bytes]:
    """Return bodies of the right type with any content, and bytes that are anything."""
    return st.just(b"") if kind is None else st.from_type(kind).map(encoded) | st.binary()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_no_request_is_an_internal_error(tmp_path: Path, route: Route) -> None:
    names = len(re.findall(r"\{[a-z_]+\}", route.path))
    actor = LOCAL if route.verb != "change.review" else Actor("ola@acme.test", "local", frozenset({"approver"}))

    @settings(max_examples=25, deadline=None, suppress_health_check=RESTING)
    @given(
        segments=st.lists(SEGMENT, min_size=names, max_size=names), query=st.text(max_size=12), body=bodies(route.body)
    )
    def knock(segments: list[str], query: str, body: bytes) -> None:
        async def main() -> None:
            async with open_house(tmp_path / "home") as house:
                rest = iter(segments)
                path = re.sub(r"\{[a-z_]+\}", lambda _: next(rest), route.path)
                target = f"{path}?{query}" if query else path
                reply = await send(house.app(ROUTES, local_actor=actor), route.method, target, content=body)
                assert reply.status < 500, reply.body
                assert reply.headers["customhouse-trace-id"]

        asyncio.run(main())

    knock()
