# SPDX-License-Identifier: Apache-2.0
"""Recorded tool calls, decided again under two versions of a policy: what would a change have meant? Pure.

Rules kept:
- Both sides are decided by the one decision, on what evidence holds of the call. What was recorded then is shown beside
  them and never stands for either: switches, budgets of an hour or a day and newer releases are no part of a version.
- What evidence does not hold is not guessed. Such a call counts as one of which nothing can be said, and why.

Story: Dana wants refunds above 100 to wait for a person. Before she releases the rule, she asks what it would have done
with the last 200 calls: 3 would have been held, and the traces say what those customers wanted.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from customhouse.domain.digest import digest
from customhouse.domain.label import classification
from customhouse.domain.message import ToolCall
from customhouse.domain.principal import Principal
from customhouse.gateway.evidence import MAX_CHANGED, MAX_LISTED, MAX_NAME
from customhouse.ledger.record import Record
from customhouse.planes.tools.facts import PRINCIPAL_FIELDS, Facts, facts
from customhouse.planes.tools.permit import Batch, permit
from customhouse.planes.tools.policy import Policy, Tool
from customhouse.planes.tools.unregistered import reading

Unsaid = Literal["arguments_gone", "arguments_altered", "claims", "offered", "name", "turn", "record"]
UNSAID: Final[Mapping[str, str]] = {
    "arguments_gone": "its arguments are not kept any more",
    "arguments_altered": "its arguments do not open: somebody altered them",
    "claims": "a rule looks at claims of a verified person, which no record holds",
    "offered": "the record does not hold which tools were offered in the turn",
    "name": "the record holds only the beginning of the tool's name",
    "turn": "an earlier call of its turn, with which it shares a budget of the turn, cannot be decided again",
    "record": "a record of its turn is not there, or of another form",
}
"""Why nothing can be said of a call."""
MAX_SPELT: Final = 64
"""Characters of a name in a record's list of tools (gateway/evidence.py)."""


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """A decision: its outcome and its first reason."""

    outcome: str
    reason: str


class ReplayedCall(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded call. `recorded` is the first decision on it, `finally` the last, when it was decided again.

    `before` and `after` are null when nothing can be said, and `unsaid` says why. `redefined` says that the versions
    define the tool differently: clients that send the one definition are not offered it under the other.
    """

    trace_id: str
    tenant: str
    at: str
    tool: str
    recorded: Ruling
    ended: Ruling | None
    before: Ruling | None
    after: Ruling | None
    unsaid: Unsaid | None = None
    redefined: bool = False

    @property
    def changes(self) -> bool:
        """Whether the two versions decide it differently."""
        return self.before is not None and self.after is not None and self.before.outcome != self.after.outcome


class Turn(NamedTuple):
    """A turn as evidence holds it: whose log, its records in order, and the arguments that are kept, by proposal.

    `altered` are the proposals whose arguments are there and do not open.
    """

    tenant: str
    trace_id: str
    records: tuple[Record, ...]
    arguments: Mapping[str, str]
    altered: frozenset[str] = frozenset()


class Versions(NamedTuple):
    """The two policies, compiled."""

    before: Policy
    after: Policy


def replayed(turn: Turn, versions: Versions) -> Iterator[ReplayedCall]:
    """Give each call of a turn, in the order in which the model proposed them. Cost: two decisions a call."""
    about = _facts(turn)
    first, last = _decisions(turn.records)
    batches = [Batch(), Batch()]
    known = [True, True]
    for proposed in turn.records:
        if proposed.kind != "tool.proposed" or proposed.tool is None or proposed.id not in first:
            continue
        name = proposed.tool.name
        call = ToolCall("", name, turn.arguments.get(proposed.id, ""))
        unsaid = _unsaid(turn, versions, proposed, about)
        rulings: list[Ruling] = []
        for side, policy in enumerate(versions):
            if unsaid is None and not known[side] and _shares(policy, name):
                unsaid = "turn"
            if unsaid is not None or about is None:
                known[side] = False
                continue
            offered = _offered(policy, turn, proposed, about.workflow)
            verdict = permit(policy, call, about, offered=offered, batch=batches[side])
            outcome, reasons = verdict.decision.outcome.value, verdict.decision.reasons
            rulings.append(Ruling(outcome=outcome, reason=reasons[0]))
            if outcome == "allow":
                batches[side] = batches[side].with_call(verdict.claims)
        recorded, ended = first[proposed.id], last[proposed.id]
        yield ReplayedCall(
            trace_id=turn.trace_id,
            tenant=turn.tenant,
            at=proposed.at,
            tool=name,
            recorded=recorded,
            ended=None if ended == recorded else ended,
            before=rulings[0] if unsaid is None else None,
            after=rulings[1] if unsaid is None else None,
            unsaid=unsaid,
            redefined=_definition(versions.before, name) != _definition(versions.after, name),
        )


def proposals(records: Iterable[Record]) -> int:
    """Return how many calls of a turn were decided."""
    found = tuple(records)
    first, _ = _decisions(found)
    return sum(1 for each in found if each.kind == "tool.proposed" and each.id in first)


def _decisions(records: Iterable[Record]) -> tuple[dict[str, Ruling], dict[str, Ruling]]:
    """Return the first and the last decision on each proposal; a later one names an earlier one as its parent."""
    first: dict[str, Ruling] = {}
    last: dict[str, Ruling] = {}
    of: dict[str, str] = {}
    for each in records:
        if each.kind == "tool.proposed":
            of[each.id] = each.id
        elif each.kind == "tool.decided" and each.decision is not None and each.parents and each.parents[0] in of:
            proposal = of[each.id] = of[each.parents[0]]
            reason = each.decision.reasons[0] if each.decision.reasons else ""
            last[proposal] = Ruling(outcome=each.decision.outcome, reason=reason)
            first.setdefault(proposal, last[proposal])
    return first, last


def _facts(turn: Turn) -> Facts | None:
    """Return what rules saw of the turn, apart from claims; None where its first record does not say it."""
    accepted = next((each for each in turn.records if each.kind == "request.accepted"), None)
    detail = {} if accepted is None or accepted.detail is None else accepted.detail
    level = classification(str(detail.get("classification")))
    who = None if accepted is None else accepted.principal
    if accepted is None or who is None or who.key is None or level is None:
        return None
    principal = Principal(
        who.key,
        accepted.tenant,
        accepted.assistant or "",
        who.environment or "",
        who.on_behalf_of,
        "verified" if who.assertion == "verified" else "asserted" if who.assertion == "asserted" else "none",
        who.issuer,
    )
    return facts(principal, level, str(detail.get("workflow", "")))


def _unsaid(turn: Turn, versions: Versions, proposed: Record, about: Facts | None) -> Unsaid | None:
    name = "" if proposed.tool is None else proposed.tool.name
    if about is None:
        return "record"
    if len(name) >= MAX_NAME:
        return "name"
    called = _called(turn, proposed)
    if called is None or not _listed(called):
        return "offered"
    if proposed.id in turn.altered:
        return "arguments_altered"
    if proposed.id not in turn.arguments:
        return "arguments_gone"
    principal = about.variables["principal"]
    if isinstance(principal, dict) and principal["verified"] and any(_claims(each.tool(name)) for each in versions):
        return "claims"
    return None


def _called(turn: Turn, proposed: Record) -> Record | None:
    return next((each for each in turn.records if each.kind == "model.called" and each.id in proposed.parents), None)


def _listed(called: Record) -> bool:
    """Whether a record spells out every tool that was offered, that was withheld, and that a client had redefined."""
    offered, withheld, changed = (_names(called, each) for each in ("offered", "withheld", "changed"))
    whole = called.tools_offered == (digest(sorted(offered)) if offered else None)
    cut = any(len(name) >= MAX_SPELT for name in withheld | changed)
    return whole and not cut and len(withheld) < MAX_LISTED and len(changed) < MAX_CHANGED


def _offered(policy: Policy, turn: Turn, proposed: Record, workflow: str) -> frozenset[str]:
    """Return which of the turn's tools a version offers: those that the client brought as they are registered."""
    called = _called(turn, proposed)
    if called is None:
        return frozenset()
    brought = (_names(called, "offered") | _names(called, "withheld")) - _names(called, "changed")
    named = {reading(name) for name in policy.document.grants}
    return frozenset(
        name
        for name in brought
        if name in policy.offers(workflow)
        or (not workflow and reading(name) not in named and policy.tool(name) is not None)
    )


def _names(called: Record, field: str) -> frozenset[str]:
    found = (called.detail or {}).get(field)
    return frozenset(str(name) for name in found) if isinstance(found, list) else frozenset()  # type: ignore[reportUnknownVariableType]


def _claims(tool: Tool | None) -> bool:
    """Whether a condition on a tool looks at more of its caller than evidence holds."""
    rules = () if tool is None else (*tool.rules, *((tool.unless,) if tool.unless else ()))
    return any(path[0] == "principal" and path[1] not in PRINCIPAL_FIELDS for rule in rules for path in rule.paths)


def _shares(policy: Policy, name: str) -> bool:
    """Whether an earlier call of the turn could decide about a call of this tool."""
    tool = policy.tool(name)
    return policy.document.calls_per_turn is not None or any(
        total.per == "turn" for total in (tool.sums if tool is not None else ())
    )


def _definition(policy: Policy, name: str) -> tuple[str | None, str | None]:
    grant = policy.grant(name)
    return (None, None) if grant is None else (grant.description, grant.parameters)
