# SPDX-License-Identifier: Apache-2.0
"""Throw and lift switches: standing denials over a scope, which outrank every pin (registry/switches.py).

Rules kept (invariant 5):
- Throwing never waits: it only takes away. On-call and admins may throw any switch, a captain the one of his assistant.
- Lifting is a loosening. Where an environment that the scope reaches asks for reviewers, it becomes a change, and the
  switch stands until the last signature; nobody is his own second person, a local actor nobody's.
- Each change of switches claims the next generation by compare-and-set, in the transaction of its row and evidence.

Story: Ola, on call, throws `tool:issue_refund` at night; it is in force at once. In the morning she asks to lift it.
Refunds reach production, which asks for one reviewer, so Pat signs it off, and only then a model is offered the tool.
"""

from typing import Annotated

import msgspec

from customhouse.domain.errors import GenerationMoved, NothingToDo, NotTheCaptain, SwitchUnknown
from customhouse.domain.principal import Actor
from customhouse.registry import history_tables, switch_tables, tables
from customhouse.registry.change import EVERY_ASSISTANT, LiftProposal
from customhouse.registry.control import Control
from customhouse.registry.environment import ENVIRONMENTS, EnvironmentName
from customhouse.registry.status import SwitchView, switch_view
from customhouse.registry.switch_tables import Switch
from customhouse.registry.switches import MAX_SCOPE, Scope, parse
from customhouse.rollout.answer import Waiting
from customhouse.rollout.captain import require_captain
from customhouse.rollout.propose import Request, propose
from customhouse.rollout.submission import Generation, Text
from customhouse.store.database import DuplicateRow, Transaction

ANY_SCOPE = frozenset({"oncall", "admin"})
"""Roles that may throw, and ask to lift, a switch over any scope."""


class Throwing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is denied from now on, and why. With `expected_generation`, refused if anybody moved a switch since."""

    scope: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SCOPE)]
    reason: Text
    expected_generation: Generation | None = None


class LiftingSwitch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why a switch is lifted."""

    reason: Text
    expected_generation: Generation | None = None


class Switched(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A switch moved: it stands, or it was lifted, as of `generation`. `warning`: nothing in force has its name."""

    switch: SwitchView
    standing: bool
    generation: int
    warning: str | None = None


class LiftOutcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What became of a lifting: exactly one of the two."""

    switched: Switched | None = None
    waiting: Waiting | None = None


async def switch_on(control: Control, actor: Actor, trace_id: str, wanted: Throwing) -> Switched:
    """Throw a switch. Raises InvalidRequest, NotTheCaptain, GenerationMoved, and NothingToDo when it stands already."""
    scope = parse(wanted.scope)

    def work(tx: Transaction) -> Switched:
        _require_answerable(tx, actor, scope)
        generation = _expected(tx, wanted.expected_generation)
        for switch in switch_tables.standing(tx):
            if switch.scope == scope:
                raise NothingToDo(f"{scope} is switched off already: switch {switch.seq}, by {switch.set_by}")
        generation = _advance(tx, generation)
        now_us = control.clock.now_us()
        seq = switch_tables.insert(tx, scope, reason=wanted.reason, actor=actor.name, now_us=now_us)
        detail: dict[str, object] = {
            "switch": seq,
            "scope": str(scope),
            "reason": wanted.reason,
            "generation": generation,
        }
        _record(tx, control, actor, trace_id, "switch.set", scope, detail)
        thrown = Switch(seq, scope, wanted.reason, actor.name, now_us)
        return Switched(switch=switch_view(thrown), standing=True, generation=generation)

    return await control.database.transact(work)


async def switch_off(control: Control, actor: Actor, trace_id: str, seq: int, wanted: LiftingSwitch) -> LiftOutcome:
    """Lift a switch, or ask for it where that needs a second person.

    Raises SwitchUnknown, NotTheCaptain, GenerationMoved, and NothingToDo when it was lifted before.
    """

    def work(tx: Transaction) -> LiftOutcome:
        switch = switch_tables.switch(tx, seq)
        if switch is None:
            raise SwitchUnknown(f"there is no switch {seq}; `customhouse switch list` shows those that stand")
        _require_answerable(tx, actor, switch.scope)
        generation = _expected(tx, wanted.expected_generation)
        if switch_tables.lifted(tx, seq):
            raise NothingToDo(f"switch {seq} on {switch.scope} was lifted before")
        environment, reviewers = asked_reviewers(tx, switch.scope)
        if not reviewers:
            return LiftOutcome(switched=lift(tx, control, actor, trace_id, switch, wanted.reason, generation))
        effects = (f"+ {switch.scope} is no longer switched off (switch {seq}, by {switch.set_by}: {switch.reason})",)
        request = Request(
            environment=environment,
            assistant=switch.scope.name if switch.scope.kind == "assistant" else EVERY_ASSISTANT,
            proposal=LiftProposal(switch=seq, scope=str(switch.scope), reason=wanted.reason, effects=effects),
            reviewers=reviewers,
            effects=effects,
        )
        return LiftOutcome(waiting=propose(tx, control, actor, trace_id, request))

    return await control.database.transact(work)


def asked_reviewers(tx: Transaction, scope: Scope) -> tuple[EnvironmentName, int]:
    """Return the environment that asks for most reviewers of those a scope reaches, and how many it asks for."""
    reached = _reached(tx, scope)
    asked: tuple[EnvironmentName, int] = (ENVIRONMENTS[0], 0)
    for name in ENVIRONMENTS:
        reviewers = tables.environment(tx, name).reviewers if name in reached else 0
        if reviewers > asked[1]:
            asked = (name, reviewers)
    return asked


def lift(
    tx: Transaction,
    control: Control,
    actor: Actor,
    trace_id: str,
    switch: Switch,
    reason: str,
    generation: int,
    *,
    requested_by: str | None = None,
    change: str | None = None,
    reviewers: tuple[str, ...] = (),
) -> Switched:
    """Lift a switch that may be lifted. Raises GenerationMoved, NothingToDo."""
    asked_by = requested_by or actor.name
    generation = _advance(tx, generation)
    try:
        switch_tables.lift(tx, switch.seq, reason=reason, actor=asked_by, now_us=control.clock.now_us())
    except DuplicateRow as error:
        raise NothingToDo(f"switch {switch.seq} on {switch.scope} was lifted before") from error
    detail: dict[str, object] = {
        "switch": switch.seq,
        "scope": str(switch.scope),
        "set_by": switch.set_by,
        "reason": reason,
        "requested_by": asked_by,
        "reviewers": list(reviewers),
        "change": change,
        "generation": generation,
    }
    references = () if change is None else (change,)
    _record(tx, control, actor, trace_id, "switch.lifted", switch.scope, detail, references)
    return Switched(switch=switch_view(switch), standing=False, generation=generation)


def _reached(tx: Transaction, scope: Scope) -> frozenset[str]:
    """Return the environments in which lifting a scope lets something happen, or will once what waits is signed off."""
    if scope.kind == "environment":
        return frozenset({scope.name})
    waiting = history_tables.changes_waiting(tx)
    if scope.kind == "assistant":
        asking = {change.environment for change in waiting if change.assistant == scope.name}
        return frozenset(asking.union(tables.environments_of(tx, scope.name)))
    used = {name for name, environment in tables.environments(tx).items() if environment.generation}
    return frozenset(used.union(change.environment for change in waiting))


def _require_answerable(tx: Transaction, actor: Actor, scope: Scope) -> None:
    if actor.kind == "local" or actor.roles & ANY_SCOPE:
        return
    if scope.kind != "assistant":
        raise NotTheCaptain(
            f"{actor.name} answers for assistants and {scope} reaches beyond one: ask on-call or an admin, "
            "or use the scope assistant:NAME"
        )
    found = tables.charter(tx, scope.name)
    require_captain(actor, scope.name, None if found is None else found.charter)


def _expected(tx: Transaction, expected: int | None) -> int:
    """Return the generation to move on from. Raises GenerationMoved when it is not the expected one."""
    generation = switch_tables.generation(tx)
    if expected is not None and expected != generation:
        raise GenerationMoved(
            f"the switches are at generation {generation}, expected {expected}: someone else moved one first; "
            "look at `customhouse switch list` and try again"
        )
    return generation


def _advance(tx: Transaction, expected: int) -> int:
    generation = switch_tables.advance(tx, expected)
    if generation is None:
        raise GenerationMoved("someone else moved a switch at the same time; try again")
    return generation


def _record(
    tx: Transaction,
    control: Control,
    actor: Actor,
    trace_id: str,
    kind: str,
    scope: Scope,
    detail: dict[str, object],
    references: tuple[str, ...] = (),
) -> None:
    entry = control.ledger.event(
        kind,
        actor=actor.name,
        trace_id=trace_id,
        assistant=scope.name if scope.kind == "assistant" else None,
        detail=detail,
        references=references,
    )
    control.ledger.write(tx, [entry])
