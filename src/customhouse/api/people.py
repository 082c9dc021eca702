# SPDX-License-Identifier: Apache-2.0
"""Endpoints of people: list, add, revoke."""

from typing import Final

from customhouse.access import people
from customhouse.access.people import AddedPerson, NewPerson, People, Person
from customhouse.api.route import ROOT, Call, Route


async def _list(call: Call[None]) -> People:
    return await people.listing(call.control)


async def _add(call: Call[NewPerson]) -> AddedPerson:
    return await people.add(call.control, call.actor, call.body, trace_id=call.trace_id)


async def _revoke(call: Call[None]) -> Person:
    return await people.revoke(call.control, call.actor, call.path["email"], trace_id=call.trace_id)


ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", f"{ROOT}/people", "people.read", "List everybody who ever had a key.", None, People, _list),
    Route(
        "POST",
        f"{ROOT}/people",
        "people.manage",
        "Add a person; the answer shows the operator key this once.",
        NewPerson,
        AddedPerson,
        _add,
        status=201,
    ),
    Route(
        "POST",
        f"{ROOT}/people/{{email}}/revoke",
        "people.manage",
        "Take a person's key away.",
        None,
        Person,
        _revoke,
    ),
)
"""The endpoints of this file."""
