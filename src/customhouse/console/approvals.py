# SPDX-License-Identifier: Apache-2.0
"""The pages of held calls: what waits, one held call with its exact arguments, and the forms that answer it.

Rules:
- A page shows what the verbs of `approvals` say; who may answer is decided there, again, when the form comes.
- Opening the arguments is evidence, part by part, before the first byte is shown.
- Approve takes a proof that every part was shown in this session. The binding names the arguments, so a proof is good
  for these and no others. Denying takes none: nobody has to read a megabyte to say no.
"""

import re
from typing import Final

from starlette.responses import Response

from customhouse.approvals import decide
from customhouse.approvals.approval import Approval
from customhouse.console import held as holding
from customhouse.console import told
from customhouse.console.held import Held
from customhouse.console.page import Page, Visit
from customhouse.console.proof import is_whole_proof
from customhouse.console.reading import Part, read_part
from customhouse.console.render import see
from customhouse.domain.decision import REASONS
from customhouse.domain.errors import ArgumentsNotShown, InvalidRequest, NotFound

MAX_ENDED: Final = 20
"""Held calls that ended lately, in the list."""
MAX_REASON: Final = 500
_NUMBER: Final = re.compile("[1-9][0-9]{0,5}", re.ASCII)


async def _list(visit: Visit) -> Response:
    found, now_us = await holding.lists(visit.control), visit.control.clock.now_us()
    states = {one.id: told.state_of(one, now_us) for one in (*found.waiting, *found.newest)}
    ended = tuple(one for one in found.newest if states[one.id] != "requested")[:MAX_ENDED]
    return visit.renderer.page(
        "approvals.html",
        visit.session,
        waiting=found.waiting,
        ended=ended,
        states=states,
        said=told.STATES,
        effects=told.EFFECTS,
    )


async def _one(visit: Visit) -> Response:
    shown = await holding.find(visit.control, visit.session.actor, visit.path["id"])
    part = await _part(visit, shown)
    approval, steps = shown.approval, [step.record for step in shown.trace.steps]
    state = told.state_of(approval, visit.control.clock.now_us())
    mine = [one.verdict for one in shown.answers if one.approver == visit.session.actor.name]
    return visit.renderer.page(
        "approval.html",
        visit.session,
        held=approval,
        state=state,
        said=told.STATES[state],
        effect=told.EFFECTS[approval.effect],
        release=next((record.release for record in steps if record.release is not None), None),
        reasons=[(code, REASONS.get(code, "")) for code in approval.reasons],
        part=part,
        opens=shown.opens,
        next=told.next_for(approval, state),
        wanted=told.wanted(approval, shown.named, shown.approvers),
        answers=shown.answers,
        may_answer=state == "requested" and shown.objection is None and not mine,
        why_not="You have answered." if mine else REASONS.get(shown.objection or "", ""),
        may_revoke=state in {"requested", "approved"} and "approve" in mine,
        steps=[(record.at[11:19], told.step(record)) for record in steps],
        intact=shown.trace.intact,
    )


async def _part(visit: Visit, shown: Held) -> Part | None:
    """Return the part of the arguments that is asked for, opened on the record; None where they are not to be had."""
    asked = visit.query.get("part", "1")
    number = int(asked) if _NUMBER.fullmatch(asked) else 0
    if number == 0:
        raise NotFound("The arguments have no such part.")
    if not shown.opens:
        return None
    approval, actor = shown.approval, visit.session.actor
    content = await holding.open_arguments(visit.control, actor, shown, number, trace_id=visit.trace_id)
    if content is None:
        return None
    text, brought = content.decode(errors="surrogateescape"), visit.query.get("shown", "")
    part = read_part(text, visit.session, _subject(approval), f"/approvals/{approval.id}", number, brought)
    if part is None:
        raise NotFound("The arguments have no such part.")
    return part


async def _answer(visit: Visit) -> Response:
    verdict = visit.form["verdict"]
    approval_id = visit.path["id"]
    if verdict not in {"approve", "deny"}:
        raise InvalidRequest("An answer is approve or deny.", param="verdict")
    if verdict == "approve":
        shown = await holding.find(visit.control, visit.session.actor, approval_id)
        if not is_whole_proof(visit.session, _subject(shown.approval), visit.form["whole"]):
            raise ArgumentsNotShown
    await decide.decide(
        visit.control,
        visit.session.actor,
        approval_id,
        "approve" if verdict == "approve" else "deny",
        _reason(visit),
        trace_id=visit.trace_id,
    )
    return see(f"/approvals/{approval_id}")


async def _revoke(visit: Visit) -> Response:
    approval_id = visit.path["id"]
    await decide.revoke(visit.control, visit.session.actor, approval_id, _reason(visit), trace_id=visit.trace_id)
    return see(f"/approvals/{approval_id}")


def _reason(visit: Visit) -> str:
    reason = visit.form["reason"].strip()
    if not 1 <= len(reason) <= MAX_REASON:
        raise InvalidRequest(f"Say why, in at most {MAX_REASON} characters: it is kept as evidence.", param="reason")
    return reason


def _subject(approval: Approval) -> str:
    """Return what a proof of reading is about: this held call, and by its binding these arguments."""
    return f"{approval.id}:{approval.binding}"


_ONE: Final = "/approvals/{id}"

PAGES: Final[tuple[Page, ...]] = (
    Page("GET", "/approvals", "approval.read", _list),
    Page("GET", _ONE, "approval.read", _one, query=("part", "shown")),
    Page("POST", f"{_ONE}/answer", "approval.decide", _answer, fields=("reason", "verdict", "whole")),
    Page("POST", f"{_ONE}/revoke", "approval.decide", _revoke, fields=("reason",)),
)
"""The pages of this file."""
