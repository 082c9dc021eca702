# SPDX-License-Identifier: Apache-2.0
"""The one place where pins move: decide a move, then carry it out or let it wait for a second person.

Inside the caller's transaction, in this order:
(1) read what is in force, and the release that is moved to, verified
(2) refuse: nothing to do, a held version, no commit, no deputy, planes that do not fit, models that have retired
(3) compare capabilities; a loosening where reviewers are asked for becomes a change, and nothing moves
(4) claim the next generation by compare-and-set
(5) write the pins that differ, the holds of what was rolled back, the history, the evidence; other changes that wait
    and were made for the pins before become stale

Invariant: (4) and (5) are one transaction; a move that fails anywhere leaves no trace of itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from customhouse.domain.capability import Capability
from customhouse.domain.clock import utc_day
from customhouse.domain.digest import Digest, canonical
from customhouse.domain.errors import (
    CommitMissing,
    DeputyMissing,
    GenerationMoved,
    IntegrityFailed,
    ModelRetired,
    NothingToDo,
    ReleaseUnknown,
    VersionHeld,
)
from customhouse.domain.plane import PLANES, Plane
from customhouse.domain.principal import Actor
from customhouse.registry import history_tables, load, tables
from customhouse.registry.capability import compare, loosens
from customhouse.registry.change import MoveKind, MoveProposal
from customhouse.registry.control import Control
from customhouse.registry.documents import Documents
from customhouse.registry.environment import COMMIT_REQUIRED, Environment, EnvironmentName
from customhouse.registry.history import Event, points
from customhouse.registry.pins import Carried, Pins, changed, moved, promoted, refused_by_holds, stamp, supersets
from customhouse.registry.release import Signed, Statement
from customhouse.registry.retirement import Retirement, out_of_service, retired, retirements
from customhouse.rollout.answer import Moved, Outcome
from customhouse.rollout.fit import require_fit, rollback_command
from customhouse.rollout.propose import Request, outdate, pinned, propose
from customhouse.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Intent:
    """What somebody wants: `planes` of `assistant` in `environment` taken from release `number`."""

    kind: MoveKind
    environment: EnvironmentName
    assistant: str
    number: int
    planes: tuple[Plane, ...]
    reason: str
    expected_generation: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A move that was found possible, with everything that was decided about it."""

    intent: Intent
    environment: Environment
    before: Pins | None
    after: Pins
    capabilities: tuple[Capability, ...]
    retirements: tuple[Retirement, ...] = ()

    @property
    def waits(self) -> bool:
        """Whether a second person must sign it off."""
        return self.environment.reviewers > 0 and loosens(self.capabilities)


@dataclass(frozen=True, slots=True)
class Signatures:
    """Who asked for a move and who signed it off, through which change."""

    requested_by: str
    change: str | None = None
    reviewers: tuple[str, ...] = ()


def release_of(tx: Transaction, control: Control, assistant: str, number: int) -> tuple[Signed, Statement]:
    """Return a release and its verified statement. Raises ReleaseUnknown, IntegrityFailed."""
    signed = tables.release(tx, assistant, number)
    if signed is None:
        last = tables.last_release_number(tx, assistant)
        known = f"the newest is {assistant}@{last}" if last else "it has none"
        raise ReleaseUnknown(f"there is no release {assistant}@{number}; {known}")
    return signed, load.statement(signed, assistant, number, control.release_key.public_pem)


def statement_of(tx: Transaction, control: Control, assistant: str, number: int) -> Statement:
    """Return a release's verified statement. Raises ReleaseUnknown, IntegrityFailed."""
    return release_of(tx, control, assistant, number)[1]


def documents_of(tx: Transaction, assistant: str, digests: Mapping[Plane, Digest]) -> Documents:
    """Return five documents by digest, verified. Raises IntegrityFailed."""
    contents = {plane: tables.version_document(tx, assistant, plane, digests[plane]) for plane in PLANES}
    return load.documents(assistant, digests, contents)


def decide(tx: Transaction, control: Control, intent: Intent) -> Plan:
    """Steps (1) to (3): return the plan of a possible move, or raise what stands against it."""
    environment = tables.environment(tx, intent.environment)
    _require_generation(environment, intent.expected_generation)
    before = tables.pins(tx, intent.environment, intent.assistant)
    target = statement_of(tx, control, intent.assistant, intent.number)
    after = _after(tx, before, intent, load.carried(target))
    if before == after:
        raise NothingToDo(f"{stamp(intent.assistant, after)} is in force in {intent.environment} already")
    _require_commit(intent, target)
    _require_deputy(tx, intent)
    _require_no_holds(tx, intent, before, after)
    documents = documents_of(tx, intent.assistant, after.digests())
    require_fit(documents, _fixes(tx, intent, before, load.carried(target)))
    ending = _ending(control, intent, before, after, documents)
    return Plan(intent, environment, before, after, compare(_in_force(tx, intent, before), documents), ending)


def submit(
    tx: Transaction,
    control: Control,
    actor: Actor,
    trace_id: str,
    intent: Intent,
) -> Outcome:
    """Decide a move, then carry it out, or store it as a change when it must wait."""
    plan = decide(tx, control, intent)
    if not plan.waits:
        return Outcome(moved=carry_out(tx, control, actor, trace_id, plan, Signatures(actor.name)))
    request = Request(
        environment=intent.environment,
        assistant=intent.assistant,
        proposal=proposal(plan),
        reviewers=plan.environment.reviewers,
        effects=tuple(entry.text for entry in plan.capabilities if entry.loosens),
    )
    return Outcome(waiting=propose(tx, control, actor, trace_id, request))


def carry_out(
    tx: Transaction, control: Control, actor: Actor, trace_id: str, plan: Plan, signatures: Signatures
) -> Moved:
    """Steps (4) and (5). Raises GenerationMoved."""
    intent, now_us = plan.intent, control.clock.now_us()
    generation = tables.advance(tx, intent.environment, plan.environment.generation, now_us)
    if generation is None:
        raise GenerationMoved
    tables.put_pins(
        tx, intent.environment, intent.assistant, plan.before, plan.after, actor=signatures.requested_by, now_us=now_us
    )
    event = _event(tx, plan, signatures)
    content = canonical(msgspec.to_builtins(event))
    history_tables.insert_event(
        tx,
        intent.environment,
        intent.assistant,
        intent.kind,
        intent.number,
        content,
        generation=generation,
        actor=signatures.requested_by,
        now_us=now_us,
    )
    holds = _hold(tx, plan, signatures.requested_by, now_us)
    detail: dict[str, object] = {
        "environment": intent.environment,
        "kind": intent.kind,
        "generation": generation,
        "holds": list(holds),
        **msgspec.to_builtins(event),
    }
    control.ledger.write(
        tx,
        [
            control.ledger.event(
                "pin.moved",
                actor=actor.name,
                trace_id=trace_id,
                assistant=intent.assistant,
                detail=detail,
                references=(f"{intent.assistant}@{intent.number}", *filter(None, [signatures.change])),
            )
        ],
    )
    outdate(tx, control, actor, trace_id, intent.environment, intent.assistant, plan.after)
    return Moved(
        assistant=intent.assistant,
        environment=intent.environment,
        kind=intent.kind,
        planes=event.planes,
        stamp_before=event.stamp_before,
        stamp=event.stamp,
        generation=generation,
        capabilities=plan.capabilities,
        holds=holds,
        retirements=plan.retirements,
    )


def proposal(plan: Plan) -> MoveProposal:
    """Return a plan as it is stored until somebody signs it off, with the pins it was made for."""
    before = plan.before
    return MoveProposal(
        kind=plan.intent.kind,
        release_number=plan.intent.number,
        planes=plan.intent.planes,
        reason=plan.intent.reason,
        base_before=None if before is None else before.base,
        before=None if before is None else pinned(before),
        capabilities=plan.capabilities,
    )


def _after(tx: Transaction, before: Pins | None, intent: Intent, target: Carried) -> Pins:
    if intent.kind == "promoted":
        return promoted(target)
    if before is None:
        raise IntegrityFailed("a rollback was decided where nothing is in force")
    _require_history(tx, intent, before)  # the planes that stay are not made good by moving another
    return moved(before, intent.planes, target)


def _in_force(tx: Transaction, intent: Intent, before: Pins | None) -> Documents | None:
    """Return what is in force, to compare with. What cannot be verified counts as nothing: all is gained then."""
    if before is None:
        return None
    try:
        _require_history(tx, intent, before)
        return documents_of(tx, intent.assistant, before.digests())
    except IntegrityFailed:
        return None


def _require_history(tx: Transaction, intent: Intent, before: Pins) -> None:
    newest = history_tables.newest_event(tx, intent.environment, intent.assistant)
    load.check_history(intent.assistant, intent.environment, before, newest)


def _require_generation(environment: Environment, expected: int | None) -> None:
    if expected is not None and expected != environment.generation:
        raise GenerationMoved(
            f"{environment.name} is at generation {environment.generation}, expected {expected}: someone else moved "
            "first; look at `customhouse status` and try again"
        )


def _require_commit(intent: Intent, target: Statement) -> None:
    if intent.kind == "promoted" and intent.environment in COMMIT_REQUIRED and target.git_commit is None:
        raise CommitMissing(
            f"{target.name} was released without a git commit and {intent.environment} refuses that: commit the "
            "manifest, release again from the clean checkout, then promote that release"
        )


def _require_deputy(tx: Transaction, intent: Intent) -> None:
    if intent.kind == "promoted" and intent.environment == "production":
        found = tables.charter(tx, intent.assistant)
        if found is None or found.charter.deputy is None:
            raise DeputyMissing


def _ending(
    control: Control, intent: Intent, before: Pins | None, after: Pins, documents: Documents
) -> tuple[Retirement, ...]:
    """Return what the model version that comes asks and has retired or will. Raises ModelRetired when all of it has.

    A model plane that stays is not looked at: no retirement stands in the way of rolling a prompt back.
    """
    if Plane.MODEL not in changed(before, after):
        return ()
    today = utc_day(control.clock.now_us())
    if out_of_service(documents.model, today):
        listed = "; ".join(found.text for found in retired(documents.model, today))
        raise ModelRetired(
            f"{intent.assistant}@{intent.number} asks only models that have retired: {listed}. "
            f"`customhouse history {intent.assistant}` marks the versions that are no target any more; take another, "
            "or release one that names other models"
        )
    return retirements(documents.model, today)


def _require_no_holds(tx: Transaction, intent: Intent, before: Pins | None, after: Pins) -> None:
    held = {(hold.plane, hold.digest): hold for hold in history_tables.holds(tx, intent.environment, intent.assistant)}
    refused = [held[plane, after.planes[plane].digest] for plane in refused_by_holds(before, after, frozenset(held))]
    if refused:
        listed = "; ".join(
            f"{hold.plane} version {hold.number} was rolled back by {hold.held_by} ({hold.reason}), "
            f"lift it with `customhouse holds lift {hold.seq} --reason …`"
            for hold in refused
        )
        raise VersionHeld(f"held in {intent.environment}: {listed}")


def _fixes(tx: Transaction, intent: Intent, before: Pins | None, target: Carried) -> Iterator[tuple[str, Documents]]:
    """Yield the same rollback with more planes, fewest first; those that would come to a held version are left out."""
    if intent.kind == "promoted" or before is None:
        return
    held = frozenset(
        (hold.plane, hold.digest) for hold in history_tables.holds(tx, intent.environment, intent.assistant)
    )
    for planes in supersets(intent.planes):
        after = moved(before, planes, target)
        if not refused_by_holds(before, after, held):
            command = rollback_command(intent.assistant, planes, target.number, intent.environment, intent.reason)
            yield command, documents_of(tx, intent.assistant, after.digests())


def _event(tx: Transaction, plan: Plan, signatures: Signatures) -> Event:
    assistant, before, after = plan.intent.assistant, plan.before, plan.after
    return Event(
        planes=changed(before, after),
        before=None if before is None else points(before, _numbers(tx, assistant, before)),
        after=points(after, _numbers(tx, assistant, after)),
        stamp_before=None if before is None else stamp(assistant, before),
        stamp=stamp(assistant, after),
        reason=plan.intent.reason,
        requested_by=signatures.requested_by,
        reviewers=signatures.reviewers,
        change=signatures.change,
        loosened=loosens(plan.capabilities),
    )


def _numbers(tx: Transaction, assistant: str, pins: Pins) -> dict[Plane, int]:
    return {plane: tables.version_number(tx, assistant, plane, pins.planes[plane].digest) or 0 for plane in PLANES}


def _hold(tx: Transaction, plan: Plan, actor: str, now_us: int) -> tuple[int, ...]:
    """Hold what was rolled back, so that it does not come back by itself."""
    before, intent = plan.before, plan.intent
    if intent.kind == "promoted" or before is None:
        return ()
    return tuple(
        history_tables.insert_hold(
            tx,
            intent.environment,
            intent.assistant,
            plane,
            before.planes[plane].digest,
            reason=intent.reason,
            actor=actor,
            now_us=now_us,
        )
        for plane in changed(before, plan.after)
    )
