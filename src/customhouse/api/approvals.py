# SPDX-License-Identifier: Apache-2.0
"""Endpoints of held calls: what waits for people, the exact arguments, and a person's answer. GET changes nothing."""

from typing import Final

from customhouse.api.route import ROOT, Call, Parameter, Route
from customhouse.approvals.arguments import Arguments, arguments
from customhouse.approvals.decide import Answered, Said, decide, revoke
from customhouse.approvals.listing import Approvals, ApprovalView, listing, show
from customhouse.domain.errors import InvalidRequest


async def _list(call: Call[None]) -> Approvals:
    state = call.query.get("state", "waiting")
    if state not in {"waiting", "all"}:
        raise InvalidRequest(f"state is waiting or all, found {state[:64]!r}.", param="state")
    return await listing(call.control, call.actor, everything=state == "all")


async def _show(call: Call[None]) -> ApprovalView:
    return await show(call.control, call.actor, call.path["id"])


async def _arguments(call: Call[None]) -> Arguments:
    return await arguments(call.control, call.actor, call.path["id"], trace_id=call.trace_id)


async def _approve(call: Call[Said]) -> Answered:
    return await decide(call.control, call.actor, call.path["id"], "approve", call.body.reason, trace_id=call.trace_id)


async def _deny(call: Call[Said]) -> Answered:
    return await decide(call.control, call.actor, call.path["id"], "deny", call.body.reason, trace_id=call.trace_id)


async def _revoke(call: Call[Said]) -> Answered:
    return await revoke(call.control, call.actor, call.path["id"], call.body.reason, trace_id=call.trace_id)


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "GET",
        f"{ROOT}/approvals",
        "approval.read",
        "List the held calls that wait for people.",
        None,
        Approvals,
        _list,
        query=(Parameter("state", "waiting (default) or all."),),
    ),
    Route("GET", f"{ROOT}/approvals/{{id}}", "approval.read", "Show one held call.", None, ApprovalView, _show),
    Route(
        "GET",
        f"{ROOT}/approvals/{{id}}/arguments",
        "approval.arguments",
        "Open the exact arguments of a held call; who reads them is recorded as evidence.",
        None,
        Arguments,
        _arguments,
    ),
    Route(
        "POST",
        f"{ROOT}/approvals/{{id}}/approve",
        "approval.decide",
        "Approve a held call: that call, with those arguments, once.",
        Said,
        Answered,
        _approve,
    ),
    Route(
        "POST",
        f"{ROOT}/approvals/{{id}}/deny",
        "approval.decide",
        "Deny a held call; one denial ends it.",
        Said,
        Answered,
        _deny,
    ),
    Route(
        "POST",
        f"{ROOT}/approvals/{{id}}/revoke",
        "approval.decide",
        "Take an own approval back before the call is released.",
        Said,
        Answered,
        _revoke,
    ),
)
"""The endpoints of this file."""
