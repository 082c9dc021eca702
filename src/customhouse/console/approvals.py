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

from customhouse.access.roles import allowed
from customhouse.approvals import listing
from customhouse.approvals.arguments import arguments
from customhouse.approvals.decide import decide, revoke
from customhouse.approvals.listing import ApprovalView
from customhouse.console import told
from customhouse.console.moment import micros
from customhouse.console.page import Page, Visit
from customhouse.console.proof import is_whole_proof
from customhouse.console.reading import Part, read_part
from customhouse.console.render import see
from customhouse.domain.decision import REASONS
from customhouse.domain.errors import ArgumentsNotShown, InvalidRequest, NotAnApprover, NotFound
from customhouse.ledger import trace

MAX_DECIDED: Final = 20
"""Held calls that were decided lately, in the list."""
MAX_REASON: Final = 500
_NUMBER: Final = re.compile("[1-9][0-9]{0,5}", re.ASCII)


async def _list(visit: Visit) -> Response:
    actor = visit.session.actor
    waiting = await listing.listing(visit.control, actor, everything=False)
    newest = await listing.listing(visit.control, actor, everything=True)
    return visit.renderer.page(
        "approvals.html",
        visit.session,
        waiting=waiting.approvals,
        decided=tuple(one for one in newest.approvals if one.state != "requested")[:MAX_DECIDED],
        states=told.STATES,
        effects=told.EFFECTS,
    )


async def _one(visit: Visit) -> Response:
    actor = visit.session.actor
    held = await listing.show(visit.control, actor, visit.path["id"])
    part = await _part(visit, held)
    found = await visit.control.database.read(lambda tx: trace.read(tx, held.tenant, held.trace_id))
    steps = [step.record for step in found.steps] if allowed(actor, "trace.read") else []
    mine = [one.verdict for one in held.answers if one.approver == actor.name]
    return visit.renderer.page(
        "approval.html",
        visit.session,
        held=held,
        expires_us=micros(held.expires_at),
        said=told.STATES[held.state],
        effect=told.EFFECTS[held.effect],
        release=next((record.release for record in steps if record.release is not None), None),
        reasons=[(code, REASONS.get(code, "")) for code in held.reasons],
        objections=REASONS,
        part=part,
        opens=held.you is None or allowed(actor, "trace.payloads"),
        next=told.next_for(held),
        wanted=told.wanted(held),
        may_answer=held.state == "requested" and held.you is None and not mine,
        why_not=REASONS.get(held.you or "", "You have answered."),
        may_revoke=held.state in {"requested", "approved"} and "approve" in mine,
        steps=[(record.at[:19].replace("T", " "), told.step(record)) for record in steps],
        intact=found.intact,
    )


async def _part(visit: Visit, held: ApprovalView) -> Part | None:
    """Return the part of the arguments that is asked for, opened on the record; None where they are not to be had."""
    asked, brought = visit.query.get("part", "1"), visit.query.get("shown", "")
    if _NUMBER.fullmatch(asked) is None:
        raise NotFound("The arguments have no such part.")
    actor = visit.session.actor
    if not allowed(actor, "approval.arguments"):
        return None
    try:
        opened = await arguments(visit.control, actor, held.id, trace_id=visit.trace_id)
    except NotAnApprover:
        return None
    if opened.text is None:
        return None
    part = read_part(opened.text, visit.session, _subject(held), f"/approvals/{held.id}", int(asked), brought)
    if part is None:
        raise NotFound("The arguments have no such part.")
    return part


async def _answer(visit: Visit) -> Response:
    verdict = visit.form["verdict"]
    approval_id = visit.path["id"]
    if verdict not in {"approve", "deny"}:
        raise InvalidRequest("An answer is approve or deny.", param="verdict")
    if verdict == "approve":
        held = await listing.show(visit.control, visit.session.actor, approval_id)
        if not is_whole_proof(visit.session, _subject(held), visit.form["whole"]):
            raise ArgumentsNotShown
    await decide(
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
    await revoke(visit.control, visit.session.actor, approval_id, _reason(visit), trace_id=visit.trace_id)
    return see(f"/approvals/{approval_id}")


def _reason(visit: Visit) -> str:
    reason = visit.form["reason"].strip()
    if not 1 <= len(reason) <= MAX_REASON:
        raise InvalidRequest(f"Say why, in at most {MAX_REASON} characters: it is kept as evidence.", param="reason")
    return reason


def _subject(held: ApprovalView) -> str:
    """Return what a proof of reading is about: this held call, and by its binding these arguments."""
    return f"{held.id}:{held.binding}"


_ONE: Final = "/approvals/{id}"

PAGES: Final[tuple[Page, ...]] = (
    Page("GET", "/approvals", "approval.read", _list),
    Page("GET", _ONE, "approval.read", _one, query=("part", "shown")),
    Page("POST", f"{_ONE}/answer", "approval.decide", _answer, fields=("reason", "verdict", "whole")),
    Page("POST", f"{_ONE}/revoke", "approval.decide", _revoke, fields=("reason",)),
)
"""The pages of this file."""
