# SPDX-License-Identifier: Apache-2.0
"""Endpoints of changes: what waits for a second person, and that person's answer."""

from typing import Final

from customhouse.api.route import ROOT, Call, Parameter, Route
from customhouse.domain.errors import InvalidRequest
from customhouse.rollout.pending import Changes, ChangeView, change, changes
from customhouse.rollout.review import Answer, Reviewed, review


async def _list(call: Call[None]) -> Changes:
    state = call.query.get("state", "waiting")
    if state not in {"waiting", "all"}:
        raise InvalidRequest(f"state is waiting or all, found {state[:64]!r}.", param="state")
    return await changes(call.control, everything=state == "all")


async def _show(call: Call[None]) -> ChangeView:
    return await change(call.control, call.path["id"])


async def _approve(call: Call[Answer]) -> Reviewed:
    return await review(call.control, call.actor, call.trace_id, call.path["id"], "approve", call.body)


async def _reject(call: Call[Answer]) -> Reviewed:
    return await review(call.control, call.actor, call.trace_id, call.path["id"], "reject", call.body)


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "GET",
        f"{ROOT}/changes",
        "change.read",
        "List the changes that wait for a second person.",
        None,
        Changes,
        _list,
        query=(Parameter("state", "waiting (default) or all."),),
    ),
    Route("GET", f"{ROOT}/changes/{{id}}", "change.read", "Show one change.", None, ChangeView, _show),
    Route(
        "POST",
        f"{ROOT}/changes/{{id}}/approve",
        "change.review",
        "Sign a change off; with the last signature it takes effect.",
        Answer,
        Reviewed,
        _approve,
    ),
    Route(
        "POST",
        f"{ROOT}/changes/{{id}}/reject",
        "change.review",
        "Reject a change; one rejection ends it.",
        Answer,
        Reviewed,
        _reject,
    ),
)
"""The endpoints of this file."""
