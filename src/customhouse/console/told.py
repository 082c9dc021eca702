# SPDX-License-Identifier: Apache-2.0
"""What the pages say in sentences: effects, states, what happens next, a line for each record of a trace. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, assert_never

from customhouse.approvals.listing import ApprovalView
from customhouse.console.moment import micros, spoken_time
from customhouse.ledger.record import Record

EFFECTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "read": "only reads",
        "write": "changes something",
        "irreversible": "cannot be undone",
        "undeclared": "may do anything, since no effect is declared",
    }
)
"""What each effect of a tool means for whoever answers."""
STATES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "requested": "waits for an answer",
        "approved": "approved, not used yet",
        "consumed": "approved and released",
        "denied": "denied",
        "expired": "expired",
        "revoked": "taken back",
    }
)
"""Each state of a held call in a few words."""
_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "request.accepted": "The request was accepted",
        "model.called": "A model was asked",
        "model.answered": "The model answered",
        "model.failed": "The model failed",
        "model.unknown": "What became of the model's call is unknown",
        "tool.proposed": "The model proposed the call",
        "tool.decided": "The call was decided",
        "tool.passed": "The call was passed on to the application",
        "tool.returned": "The application sent the tool's result",
        "approval.requested": "The call was held, and people are asked",
        "approval.decided": "The held call was answered",
        "response.completed": "The answer was complete",
        "access.read": "Somebody opened what was said",
        "ticket.redeemed": "The tool took the call's ticket",
    }
)


_ANSWERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "requested": "The held call was approved by {who}; more people are needed",
        "approved": "The held call was approved by {who}",
        "denied": "The held call was denied by {who}",
        "revoked": "The approval, or the request for it, was taken back by {who}",
        "expired": "The held call expired",
        "consumed": "The held call was released to {who}",
    }
)


def step(record: Record) -> str:
    """Return a record of a trace as a line: what happened, and the names that tell which."""
    said = _KINDS.get(record.kind, record.kind)
    if record.kind == "approval.decided":
        who = record.principal.actor if record.principal is not None else None
        return _ANSWERS.get(record.outcome or "", "{said}").format(who=who, said=said)
    named = (
        record.tool.name if record.tool is not None else None,
        record.model.deployment if record.model is not None else None,
        record.decision.outcome if record.decision is not None else None,
        record.outcome if record.kind != "approval.requested" else None,
        record.principal.actor if record.principal is not None else None,
    )
    details = [name for name in dict.fromkeys(named) if name]
    return f"{said}: {', '.join(details)}" if details else said


def and_list(names: tuple[str, ...]) -> str:
    """Return names as a sentence lists them."""
    *first, last = names or ("nobody",)
    return f"{', '.join(first)} or {last}" if first else last


def if_approved(held: ApprovalView) -> str:
    """Return what an approval of this call lets happen."""
    until = spoken_time(micros(held.expires_at))
    others = "" if held.quorum <= 1 else f"when {held.quorum} people have approved, "
    return (
        f"{others}the application repeats its request; the same call goes out once, until {until}; nothing else. "
        "Other arguments, another version of the policy or another caller need another approval."
    )


def next_for(held: ApprovalView) -> str:
    """Return what happens next with a call that does not wait for an answer any more."""
    until = spoken_time(micros(held.expires_at))
    match held.state:
        case "requested":
            return if_approved(held)
        case "approved":
            return f"The application may repeat its request until {until}: the same call then goes out, once."
        case "consumed":
            return f"The call went out, once. Until {until} a repeated request gets the same stored answer."
        case "denied" | "expired" | "revoked":
            return "The call never goes out. Asking again makes another call, which waits for another answer."
        case _ as unreachable:
            assert_never(unreachable)


def wanted(held: ApprovalView) -> str:
    """Return who may answer, how many are needed, and how many have approved who still may."""
    needs = "1 approval" if held.quorum <= 1 else f"{held.quorum} approvals"
    may = tuple(one.name for one in held.approvers if one.objection is None)
    rule = f"the rule names {', '.join(held.rule)}" if held.rule else "the owner and the deputy"
    return f"It needs {needs}, from {and_list(may)} ({rule}); {held.approvals} so far. One denial ends it."
