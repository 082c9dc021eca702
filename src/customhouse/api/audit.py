# SPDX-License-Identifier: Apache-2.0
"""Endpoints of audits: questions about behaviour, answered from evidence of every log."""

from datetime import UTC, datetime, timedelta
from typing import Final

from customhouse.access.keys import tenant_shaped
from customhouse.api.route import ROOT, Call, Parameter, Route
from customhouse.audit import walk
from customhouse.audit.routing import Question, Routing
from customhouse.domain.clock import rfc3339
from customhouse.domain.errors import InvalidRequest, UnknownClassification
from customhouse.domain.label import CLASSIFICATION_NAMES, classification

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_QUERY: Final = (
    Parameter("classification", "The class of data; higher ones are meant too.", required=True),
    Parameter("since", "From this time: a day (UTC) or an RFC 3339 time.", required=True),
    Parameter("until", "Up to this time, which is not included; now, if it is left out."),
    Parameter("tenant", "Look in this tenant's log only."),
    Parameter("assistant", "Count this assistant's calls only."),
)


async def _routing(call: Call[None]) -> Routing:
    level = classification(call.query["classification"])
    if level is None:
        expected = ", ".join(CLASSIFICATION_NAMES)
        raise UnknownClassification(f"{call.query['classification'][:32]!r} is no class, one of {expected} expected")
    now_us = call.control.clock.now_us()
    since_us = _time(call, "since", now_us)
    until_us = min(_time(call, "until", now_us), now_us)
    if since_us >= until_us:
        # Answered, it would read as a proof that nobody was sent anything.
        raise InvalidRequest(f"Nothing lies between {rfc3339(since_us)} and {rfc3339(until_us)}.", param="since")
    tenant = call.query.get("tenant")
    if tenant is not None and not tenant_shaped(tenant):
        raise InvalidRequest(f"{tenant[:64]!r} is no tenant's name.", param="tenant")
    question = Question(level, rfc3339(since_us), rfc3339(until_us), tenant, call.query.get("assistant"))
    return await walk.routing(call.control.database, question, since_us, until_us)


def _time(call: Call[None], name: str, now_us: int) -> int:
    text = call.query.get(name)
    if text is None:
        return now_us
    try:
        found = datetime.fromisoformat(text)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        problem = f"{text[:32]!r} is no time; a day like 2026-11-01 or an RFC 3339 time expected."
        raise InvalidRequest(problem, param=name) from error
    return max(0, (found - _EPOCH) // _MICROSECOND)


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "GET",
        f"{ROOT}/audit/routing",
        "audit.read",
        "List every provider that was sent data of a class or higher, from evidence.",
        None,
        Routing,
        _routing,
        query=_QUERY,
    ),
)
"""The endpoints of this file."""
