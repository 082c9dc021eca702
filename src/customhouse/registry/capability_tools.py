# SPDX-License-Identifier: Apache-2.0
"""What changes in what the model may do with tools. Pure; see `capability.py` for the rules.

A tool is unusable, held for approval, or free. Usable means held or free; what changes about a tool that was and stays
unusable is no capability. Reading as in `planes/tools/permit.py`: an irreversible tool is never free.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from enum import IntEnum

from customhouse.domain.capability import Capability, CapabilityKind
from customhouse.domain.label import classification
from customhouse.domain.message import PROVIDER_TOOLS
from customhouse.domain.plane import Plane
from customhouse.planes.tools.document import Approval, Budget, Document, Grant, Unregistered
from customhouse.planes.tools.unregistered import granted
from customhouse.registry.capability_servers import server_changes


class Reach(IntEnum):
    """How far a grant lets a call get, ordered."""

    UNUSABLE = 0
    HELD = 1
    FREE = 2


def reach(grant: Grant | None) -> Reach:
    """Return how far `grant` lets a call get."""
    if grant is None or grant.permission == "deny":
        return Reach.UNUSABLE
    if grant.permission == "approve" or grant.effect == "irreversible":
        return Reach.HELD
    return Reach.FREE


def tools_changes(before: Document, after: Document) -> list[Capability]:
    """Return the changes of grants, approvals, tool definitions, budgets and workflows."""
    found: list[Capability] = []
    for name in sorted(before.grants.keys() | after.grants.keys()):
        found += _tool(name, granted(before, name), granted(after, name))
    found += server_changes(before, after)
    found += _limit("tool calls a turn", "calls_per_turn", before.calls_per_turn, after.calls_per_turn)
    found += _limit("writes an hour", "writes_per_hour", before.writes_per_hour, after.writes_per_hour)
    found += _provider_tools(before, after)
    found += _unregistered(before.unregistered, after.unregistered)
    return [*found, *_sums(before.sums, after.sums), *_workflows(before.workflows, after.workflows)]


def _provider_tools(before: Document, after: Document) -> list[Capability]:
    found: list[Capability] = []
    for name in PROVIDER_TOOLS:
        was, now = before.provider_tools.get(name), after.provider_tools.get(name)
        if was == now:
            continue
        if now is None:
            found.append(_say("lost", name, f"- the provider may no longer run {name} by itself", more=False))
        elif was is None:
            found.append(_say("gained", name, f"+ the provider may now run {name} by itself ({now})", more=True))
        else:
            text = f"~ {name}, which the provider runs by itself, is declared {now} (was {was})"
            found.append(_say("effect_changed", name, text, more=True))
    return found


def _unregistered(before: Unregistered, after: Unregistered) -> list[Capability]:
    if before == after:
        return []
    if after == "deny":
        return [_say("narrowed", "unregistered tools", "- may no longer call tools that it does not name", more=False)]
    text = "+ may now call any tool that a client brings and it does not name, as one that only reads"
    return [_say("widened", "unregistered tools", text, more=True)]


def _tool(name: str, before: Grant | None, after: Grant | None) -> list[Capability]:
    match reach(before), reach(after):
        case Reach.UNUSABLE, Reach.UNUSABLE:
            return []
        case Reach.UNUSABLE, _ if after is not None:
            gained = _say("gained", name, f"+ may now call {name} ({after.effect}){_approval(after)}", more=True)
            return [gained, *_unless(name, None, spared_when(after)), *_needs(name, after.rules)]
        case _, Reach.UNUSABLE:
            return [_say("lost", name, f"- may no longer call {name}", more=False)]
        case was, now if before is not None and after is not None:
            found = _effect(name, before, after)
            if (was, now) == (Reach.HELD, Reach.FREE):
                text = f"+ may now call {name} ({after.effect}) without approval"
                found.append(_say("approval_dropped", name, text, more=True))
            elif (was, now) == (Reach.FREE, Reach.HELD):
                text = f"- may call {name} ({after.effect}) only{_approval(after)}"
                found.append(_say("approval_added", name, text, more=False))
                found += _unless(name, None, spared_when(after), more=False)
            elif now is Reach.HELD:
                found += _approvals(name, before.approval or Approval(), after.approval or Approval())
                found += _unless(name, spared_when(before), spared_when(after))
            return [*found, *_rules(name, before, after), *_definition(name, before, after)]
        case _:  # a usable grant is never None
            return []


def _effect(name: str, before: Grant, after: Grant) -> list[Capability]:
    if before.effect == after.effect:
        return []
    text = f"~ {name} is declared {after.effect} (was {before.effect})"
    return [_say("effect_changed", name, text, more=True)]


def _approvals(name: str, before: Approval, after: Approval) -> list[Capability]:
    found: list[Capability] = []
    if set(before.approvers) != set(after.approvers):
        # Nobody named means the captain; only taking people or groups off a list is provably tighter.
        fewer = bool(after.approvers) and set(after.approvers) < set(before.approvers)
        text = f"{'-' if fewer else '+'} {name} may be approved by {_people(after)} (was {_people(before)})"
        found.append(_say("approvers_changed", name, text, more=not fewer))
    if before.quorum != after.quorum:
        lower = after.quorum < before.quorum
        text = f"{'+' if lower else '-'} {name} needs {after.quorum} approval(s) (was {before.quorum})"
        found.append(_say("quorum_lowered" if lower else "quorum_raised", name, text, more=lower))
    if before.expires_s != after.expires_s:
        longer = after.expires_s > before.expires_s
        text = (
            f"{'+' if longer else '-'} an approval of {name} is good for {after.expires_s} s (was {before.expires_s} s)"
        )
        found.append(_say("widened" if longer else "narrowed", name, text, more=longer))
    return found


def spared_when(grant: Grant) -> str | None:
    """Return when a held tool's calls are spared a person: never those of one that cannot be undone."""
    return grant.approval.unless if grant.approval and grant.effect in {"read", "write"} else None


def _unless(name: str, before: str | None, after: str | None, *, more: bool = True) -> list[Capability]:
    """Say when calls skip approval now. `more` is False where they all did before."""
    if before == after:
        return []
    if after is None:
        return [_say("narrowed", name, f"- {name} always waits for approval (was not when {before})", more=False)]
    was = "" if before is None else f" (was when {before})"
    text = f"{'+' if more else '~'} {name} skips approval when {after}{was}"
    return [_say("widened" if more else "narrowed", name, text, more=more)]


def _needs(name: str, rules: Iterable[str]) -> list[Capability]:
    return [_say("narrowed", name, f"- {name} needs: {rule}", more=False) for rule in rules]


def _rules(name: str, before: Grant, after: Grant) -> list[Capability]:
    gone = [rule for rule in before.rules if rule not in after.rules]
    new = [rule for rule in after.rules if rule not in before.rules]
    return [
        *(_say("widened", name, f"+ {name} no longer needs: {rule}", more=True) for rule in gone),
        *_needs(name, new),
    ]


def _definition(name: str, before: Grant, after: Grant) -> list[Capability]:
    found: list[Capability] = []
    for what, was, now in (
        ("parameters", before.parameters, after.parameters),
        ("result's schema", before.output, after.output),
        ("server", before.server, after.server),
        ("name on its server", before.named, after.named),
        ("HTTP request", before.http, after.http),
        ("idempotency key", before.idempotency_key, after.idempotency_key),
    ):
        if was != now:
            found.append(_say("definition_changed", name, f"~ {name}: its {what} changed", more=True))
    if before.description != after.description:
        # Without a registered description the model is shown whatever a client says the tool does.
        more = after.description is None
        found.append(_say("definition_changed", name, f"~ {name}: its description changed", more=more))
    if before.pin != after.pin:
        added = before.pin is None
        text = f"{'-' if added else '~'} {name} {_pin(before, after)}"
        found.append(_say("definition_changed", name, text, more=not added))
    if set(before.target_args) != set(after.target_args):
        more = not set(before.target_args) <= set(after.target_args)
        text = f"{'+' if more else '-'} {name}: checked targets are {', '.join(sorted(after.target_args)) or 'none'}"
        found.append(_say("definition_changed", name, text, more=more))
    if before.returns != after.returns:
        old, new = before.returns, after.returns
        lower = (classification(new.classification) or 0) < (classification(old.classification) or 0)
        more = lower or (old.integrity, new.integrity) == ("untrusted", "trusted")
        was, now = (f"{label.classification}, {label.integrity}" for label in (old, new))
        text = f"{'+' if more else '-'} results of {name} are labelled {now} (were {was})"
        found.append(_say("definition_changed", name, text, more=more))
    return found


def _pin(before: Grant, after: Grant) -> str:
    if after.pin is None:
        return "is no longer pinned to one definition"
    return "is pinned to one definition" if before.pin is None else "is pinned to another definition"


def _limit(what: str, subject: str, before: int | None, after: int | None) -> list[Capability]:
    if before == after:
        return []
    more = after is None or (before is not None and after > before)
    was = "unlimited" if before is None else before
    text = f"{'+' if more else '-'} {'unlimited' if after is None else after} {what} (was {was})"
    return [_say("widened" if more else "narrowed", subject, text, more=more)]


def _sums(before: tuple[Budget, ...], after: tuple[Budget, ...]) -> list[Capability]:
    old = {(budget.tool, budget.of, budget.per): budget.max for budget in before}
    new = {(budget.tool, budget.of, budget.per): budget.max for budget in after}
    found: list[Capability] = []
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        if was == now:
            continue
        tool, of, per = key
        more = now is None or (was is not None and not _smaller(now, was))
        text = f"the sum of {of} over {tool} a {per} is {now or 'unlimited'} (was {was or 'unlimited'})"
        found.append(_say("widened" if more else "narrowed", tool, f"{'+' if more else '-'} {text}", more=more))
    return found


def _smaller(value: str, limit: str) -> bool:
    try:
        return Decimal(value) < Decimal(limit)
    except InvalidOperation:  # not a number: nothing is proved
        return False


def _workflows(before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]]) -> list[Capability]:
    """Compare workflows: the first one declared narrows (no workflow, no write tools); a further one may widen."""
    found: list[Capability] = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None and new is not None:
            more, text = bool(before), f"may run the workflow {name} ({', '.join(new) or 'no tools'})"
        elif new is None:
            more, text = not after, f"may no longer run the workflow {name}"
        elif old is not None and set(old) != set(new):
            more, text = not set(new) < set(old), f"the workflow {name} has the tools {', '.join(new) or 'none'}"
        else:
            continue
        kind = "widened" if more else "narrowed"
        found.append(_say(kind, name, f"{'+' if more else '-'} {text}", more=more))
    return found


def _say(kind: CapabilityKind, subject: str, text: str, *, more: bool) -> Capability:
    return Capability(kind=kind, plane=Plane.TOOLS, subject=subject, text=text, loosens=more)


def _approval(grant: Grant) -> str:
    if reach(grant) is Reach.FREE:
        return ""
    approval = grant.approval or Approval()
    quorum = f"{approval.quorum} approvals" if approval.quorum > 1 else "approval"
    return f" after {quorum} by {_people(approval)}"


def _people(approval: Approval) -> str:
    return ", ".join(name.removeprefix("group:") for name in approval.approvers) or "the captain"
