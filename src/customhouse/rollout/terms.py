# SPDX-License-Identifier: Apache-2.0
"""The terms of an assistant that no plane holds: its charter, and how many reviewers an environment asks for.

Rules kept (invariant 5):
- A charter belongs to no environment: it is in force everywhere at once. So a charter that gives power (another owner
  or deputy, one more member of an approver group), or another fallback answer, which users read as any other, waits for
  a second person as soon as the assistant is in force, or asks to be, in any environment that asks for reviewers.
  Everything else in it is put into force at once.
- An environment belongs to no assistant: one captain must not set its reviewers for all others. Fewer reviewers always
  wait; more wait too, unless an admin or a local actor asks for them.

Story: Mallory, captain, may not approve refunds. She releases to dev, where nobody reviews, a charter whose group
`refunds` has one more member: mallory. The assistant runs in production, so the release is published, the old charter
stays in force, and the wider one waits until somebody else has read "group refunds gains mallory@acme.test".
"""

from collections.abc import Mapping

from customhouse.domain.digest import digest
from customhouse.domain.errors import DeputyMissing
from customhouse.domain.principal import Actor
from customhouse.registry import history_tables, tables
from customhouse.registry.change import TermsProposal
from customhouse.registry.charter import Charter
from customhouse.registry.control import Control
from customhouse.registry.documents import plain
from customhouse.registry.environment import ENVIRONMENTS, EnvironmentName
from customhouse.rollout.answer import Waiting
from customhouse.rollout.propose import Request, propose
from customhouse.store.database import Transaction


def powers_given(before: Charter | None, after: Charter) -> tuple[str, ...]:
    """Return what a charter lets people do, or say to users, that it did not before, one sentence each. Pure."""
    if before is None:
        return ()
    found: list[str] = []
    for name, role in ((after.owner, "owner"), (after.deputy, "deputy")):
        if name is not None and name not in {before.owner, before.deputy}:
            found.append(f"+ {name} becomes {role} and may release, promote and roll back")
    if after.owner != before.owner and after.owner == before.deputy:
        found.append(f"+ {after.owner}, deputy until now, becomes owner: calls held for the captain come to them")
    for group in sorted(after.groups):
        gained = sorted(set(after.groups[group]) - set(before.groups.get(group, ())))
        found.extend(f"+ group {group} gains {member}" for member in gained)
    if after.fallback != before.fallback:
        found.append(f"+ the fallback answer becomes: {' '.join(after.fallback.split())}")
    return tuple(found)


def settle(
    tx: Transaction,
    control: Control,
    actor: Actor,
    trace_id: str,
    assistant: str,
    charter: Charter,
    reviewers: Mapping[EnvironmentName, int],
    reason: str,
) -> Waiting | None:
    """Put into force what may be at once; store the rest as one change and return it. Raises DeputyMissing."""
    if charter.deputy is None and "production" in tables.environments_of(tx, assistant):
        raise DeputyMissing
    in_force = tables.charter(tx, assistant)
    before = None if in_force is None else in_force.charter
    guards = guarded(tx, assistant)
    effects = powers_given(before, charter) if guards else ()
    if before != charter and not effects:
        put_charter(tx, control, actor, trace_id, assistant, charter)
    now = {name: tables.environment(tx, name).reviewers for name in reviewers}
    trusted = actor.kind == "local" or "admin" in actor.roles
    at_once: dict[EnvironmentName, int] = {
        name: count for name, count in reviewers.items() if trusted and count > now[name]
    }
    later: dict[EnvironmentName, int] = {
        name: count for name, count in reviewers.items() if name not in at_once and count != now[name]
    }
    set_reviewers(tx, control, actor, trace_id, at_once)
    if not effects and not later:
        return None
    sentences = (*effects, *(f"+ {name} asks for {later[name]} reviewers, not {now[name]}" for name in later))
    needed = {name: tables.environment(tx, name).reviewers for name in {*later, *(guards if effects else ())}}
    request = Request(
        environment=max((name for name in ENVIRONMENTS if name in needed), key=lambda name: needed[name]),
        assistant=assistant,
        proposal=TermsProposal(
            charter=charter if effects else None,
            charter_before=None if in_force is None else in_force.number,
            reviewers=later,
            reviewers_before={name: now[name] for name in later},
            reason=reason,
            effects=sentences,
        ),
        reviewers=max(needed.values()),
        effects=sentences,
    )
    return propose(tx, control, actor, trace_id, request)


def guarded(tx: Transaction, assistant: str) -> tuple[EnvironmentName, ...]:
    """Return the environments that ask for reviewers and where the assistant is in force or asks to be."""
    asking = {change.environment for change in history_tables.changes_waiting(tx) if change.assistant == assistant}
    places = asking.union(tables.environments_of(tx, assistant))
    return tuple(name for name in ENVIRONMENTS if name in places and tables.environment(tx, name).reviewers > 0)


def needed_reviewers(tx: Transaction, assistant: str, environment: str, proposal: TermsProposal) -> int:
    """Return how many people must sign a change of terms off, by what is in force now."""
    places = {environment, *proposal.reviewers, *(guarded(tx, assistant) if proposal.charter else ())}
    return max(tables.environment(tx, name).reviewers for name in places)


def put_charter(
    tx: Transaction, control: Control, actor: Actor, trace_id: str, assistant: str, charter: Charter
) -> int:
    """Put a charter into force and return its number."""
    in_force = tables.charter(tx, assistant)
    number = 1 if in_force is None else in_force.number + 1
    tables.insert_charter(tx, assistant, number, charter, actor.name, control.clock.now_us())
    detail: dict[str, object] = {
        "number": number,
        "digest": digest(plain(charter)),
        "owner": charter.owner,
        "deputy": charter.deputy,
        "groups": len(charter.groups),
    }
    entry = control.ledger.event(
        "charter.changed", actor=actor.name, trace_id=trace_id, assistant=assistant, detail=detail
    )
    control.ledger.write(tx, [entry])
    return number


def set_reviewers(
    tx: Transaction, control: Control, actor: Actor, trace_id: str, reviewers: Mapping[EnvironmentName, int]
) -> None:
    """Set how many reviewers environments ask for."""
    for name, count in reviewers.items():
        before = tables.environment(tx, name).reviewers
        tables.set_reviewers(tx, name, count)
        detail: dict[str, object] = {"environment": name, "reviewers_before": before, "reviewers": count}
        entry = control.ledger.event("environment.changed", actor=actor.name, trace_id=trace_id, detail=detail)
        control.ledger.write(tx, [entry])
