# SPDX-License-Identifier: Apache-2.0
"""What is in force, since when, by whom, and how it got there: the answers of `status` and `history`.

Read from the database, not from memory: the answer is the same whichever process gives it. Whether a row is also usable
is said by Current, which verifies.
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

import msgspec

from customhouse.domain.clock import rfc3339, utc_day
from customhouse.domain.digest import Digest
from customhouse.domain.errors import IntegrityFailed, NotInForce
from customhouse.domain.failure_mode import FailureMode
from customhouse.domain.plane import PLANES, Plane
from customhouse.planes.model.document import Document as ModelDocument
from customhouse.planes.prompt.document import Document as PromptDocument
from customhouse.planes.retrieval.document import Document as RetrievalDocument
from customhouse.planes.safety.document import Document as SafetyDocument
from customhouse.planes.tools.document import Document as ToolsDocument
from customhouse.registry import history_tables, load, replica_tables, switch_tables, tables
from customhouse.registry.charter import Charter
from customhouse.registry.control import Control
from customhouse.registry.current import Current, Key
from customhouse.registry.documents import Documents
from customhouse.registry.environment import ENVIRONMENTS, Environment, unused
from customhouse.registry.history import Event, Point
from customhouse.registry.history_tables import EventRow, Hold
from customhouse.registry.pins import Pin, Pins, stamp
from customhouse.registry.posture_end import PostureEnd, posture_end
from customhouse.registry.replica import live
from customhouse.registry.replicas import LedgerTrouble, troubles
from customhouse.registry.retirement import Retirement, retirements
from customhouse.registry.switch_tables import Switch
from customhouse.registry.tables import PinRow
from customhouse.registry.targets import Ends, ends
from customhouse.registry.unreached import UnreachedView, views
from customhouse.store.database import Transaction

MAX_HISTORY: Final = 100
"""Entries in one answer; `before` asks for those before it."""


class PlaneInForce(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One plane of an assistant in force."""

    version: int | None
    digest: Digest
    release: int
    since: str
    by: str


class HoldView(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A version that was rolled back and is held."""

    seq: int
    environment: str
    assistant: str
    plane: Plane
    version: int | None
    digest: Digest
    reason: str
    by: str
    since: str


class SwitchView(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A switch: a standing denial over a scope."""

    seq: int
    scope: str
    reason: str
    by: str
    since: str


class WaitingChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A change that waits for a second person, in short."""

    id: str
    environment: str
    assistant: str
    requested_by: str
    since: str


class AssistantInForce(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One assistant in one environment. `refused` says why it is not served although it has pins; None is good.

    `ledger_failure` is what its turns do while evidence cannot be written; None while it is not served. `retirements`
    are the models it asks that have retired or soon will, `posture_end` that its posture has ended or soon will.
    """

    assistant: str
    environment: str
    stamp: str
    release: int
    generation: int
    since: str
    by: str
    planes: dict[Plane, PlaneInForce]
    refused: str | None
    ledger_failure: FailureMode | None = None
    retirements: tuple[Retirement, ...] = ()
    posture_end: PostureEnd | None = None


class EnvironmentView(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One environment."""

    name: str
    generation: int
    reviewers: int
    moved_at: str | None


class Status(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is in force everywhere. `replicas` may answer turns; `ledgers` are those whose evidence is not written.

    `unreached` is what replicas do not use as declared: deployments that they leave alone, credentials not renewed.
    """

    environments: tuple[EnvironmentView, ...]
    assistants: tuple[AssistantInForce, ...]
    holds: tuple[HoldView, ...]
    changes: tuple[WaitingChange, ...]
    switches: tuple[SwitchView, ...]
    switch_generation: int
    replicas: int
    ledgers: tuple[LedgerTrouble, ...] = ()
    unreached: tuple[UnreachedView, ...] = ()


class HistoryEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One move of an assistant's pins. `retired`: of the model version it led to, models that have retired by now."""

    seq: int
    at: str
    environment: str
    kind: str
    generation: int
    by: str
    planes: tuple[Plane, ...]
    stamp_before: str | None
    stamp: str
    reason: str
    reviewers: tuple[str, ...]
    change: str | None
    loosened: bool
    before: dict[Plane, Point] | None
    after: dict[Plane, Point]
    retired: Ends | None = None


class History(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An assistant's moves, newest first."""

    assistant: str
    entries: tuple[HistoryEntry, ...]


class Force(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The documents and the charter in force, verified."""

    assistant: str
    environment: str
    stamp: str
    generation: int
    release: int
    model: ModelDocument
    prompt: PromptDocument
    tools: ToolsDocument
    retrieval: RetrievalDocument
    safety: SafetyDocument
    charter: Charter
    charter_number: int
    digests: dict[Plane, Digest]
    holds: tuple[HoldView, ...]


async def status(control: Control, current: Current) -> Status:
    """Return what is in force everywhere. Raises StoreUnavailable."""
    await current.refresh()
    refused = current.refused
    served = {(each.environment, each.assistant): each.documents for each in current.snapshots}
    today = utc_day(control.clock.now_us())

    def work(tx: Transaction) -> Status:
        used = tables.environments(tx)
        known, now_us = replica_tables.replicas(tx), replica_tables.now_us(tx)
        return Status(
            environments=tuple(_environment(used.get(name, unused(name))) for name in ENVIRONMENTS),
            assistants=_assistants(tables.pins_in_force(tx), used, refused, served, today),
            holds=tuple(hold_view(hold) for hold in history_tables.all_holds(tx)),
            changes=tuple(
                WaitingChange(
                    id=change.id,
                    environment=change.environment,
                    assistant=change.assistant,
                    requested_by=change.requested_by,
                    since=rfc3339(change.requested_at_us),
                )
                for change in history_tables.changes_waiting(tx)
            ),
            switches=tuple(switch_view(switch) for switch in switch_tables.standing(tx)),
            switch_generation=switch_tables.generation(tx),
            replicas=sum(live(replica, now_us) for replica in known),
            ledgers=troubles(known, now_us, control.ledger.replica, control.ledger.state.status),
            unreached=views(known, now_us),
        )

    return await control.database.read(work)


async def history(control: Control, assistant: str, environment: str | None, *, before_seq: int, limit: int) -> History:
    """Return an assistant's moves before entry `before_seq`, newest first, `MAX_HISTORY` at most."""
    today = utc_day(control.clock.now_us())

    def work(tx: Transaction) -> History:
        rows = history_tables.events(tx, assistant, environment, before_seq=before_seq, limit=min(limit, MAX_HISTORY))
        entries = tuple(_entry(row) for row in rows)
        models = {entry.after[Plane.MODEL].digest for entry in entries if Plane.MODEL in entry.after}
        known = {digest: ends(tx, assistant, digest, today) for digest in sorted(models)}
        return History(
            assistant=assistant,
            entries=tuple(
                msgspec.structs.replace(entry, retired=known[entry.after[Plane.MODEL].digest])
                if Plane.MODEL in entry.after
                else entry
                for entry in entries
            ),
        )

    return await control.database.read(work)


async def force(control: Control, environment: str, assistant: str) -> Force:
    """Return the documents in force, verified as a gateway verifies them. Raises NotInForce, IntegrityFailed."""

    def work(tx: Transaction) -> Force:
        pins = tables.pins(tx, environment, assistant)
        charter = tables.charter(tx, assistant)
        if pins is None or charter is None:
            raise NotInForce(f"{assistant} has no release in {environment}")
        numbers = {pins.base, *(pin.release_number for pin in pins.planes.values())}
        releases = {number: tables.release(tx, assistant, number) for number in numbers}
        pem = control.release_key.public_pem
        statements = {
            number: load.statement(signed, assistant, number, pem)
            for number, signed in releases.items()
            if signed is not None
        }
        load.check_pins(assistant, pins, statements)
        load.check_history(assistant, environment, pins, history_tables.newest_event(tx, environment, assistant))
        digests = pins.digests()
        contents = {plane: tables.version_document(tx, assistant, plane, digests[plane]) for plane in PLANES}
        documents = load.documents(assistant, digests, contents)
        return Force(
            assistant=assistant,
            environment=environment,
            stamp=stamp(assistant, pins),
            generation=tables.environment(tx, environment).generation,
            release=pins.base,
            model=documents.model,
            prompt=documents.prompt,
            tools=documents.tools,
            retrieval=documents.retrieval,
            safety=documents.safety,
            charter=charter.charter,
            charter_number=charter.number,
            digests=digests,
            holds=tuple(hold_view(hold) for hold in history_tables.holds(tx, environment, assistant)),
        )

    return await control.database.read(work)


def hold_view(hold: Hold) -> HoldView:
    """Return a hold as it is shown."""
    return HoldView(
        seq=hold.seq,
        environment=hold.environment,
        assistant=hold.assistant,
        plane=hold.plane,
        version=hold.number,
        digest=hold.digest,
        reason=hold.reason,
        by=hold.held_by,
        since=rfc3339(hold.held_at_us),
    )


def switch_view(switch: Switch) -> SwitchView:
    """Return a switch as it is shown."""
    return SwitchView(
        seq=switch.seq,
        scope=str(switch.scope),
        reason=switch.reason,
        by=switch.set_by,
        since=rfc3339(switch.set_at_us),
    )


def _environment(entry: Environment) -> EnvironmentView:
    return EnvironmentView(
        name=entry.name,
        generation=entry.generation,
        reviewers=entry.reviewers,
        moved_at=rfc3339(entry.moved_at_us) if entry.moved_at_us else None,
    )


def _assistants(
    rows: tuple[PinRow, ...],
    environments: Mapping[str, Environment],
    refused: Mapping[Key, str],
    served: Mapping[Key, Documents],
    today: date,
) -> tuple[AssistantInForce, ...]:
    grouped: dict[Key, dict[str, PinRow]] = {}
    for row in rows:
        grouped.setdefault((row.environment, row.assistant), {})[row.plane] = row
    return tuple(
        msgspec.structs.replace(
            _assistant(key, planes, environments[key[0]].generation if key[0] in environments else 0, refused.get(key)),
            ledger_failure=served[key].safety.ledger_failure if key in served else None,
            retirements=retirements(served[key].model, today) if key in served else (),
            posture_end=posture_end(served[key].model, today) if key in served else None,
        )
        for key, planes in grouped.items()
    )


def _assistant(key: Key, rows: Mapping[str, PinRow], generation: int, refused: str | None) -> AssistantInForce:
    environment, assistant = key
    present = {plane: rows[plane.value] for plane in PLANES if plane.value in rows}
    newest = max(present.values(), key=lambda row: row.pinned_at_us)
    base = newest.base or 0
    whole = len(present) == len(PLANES)
    pins = Pins(base, {plane: Pin(row.digest, row.release_number) for plane, row in present.items()})
    return AssistantInForce(
        assistant=assistant,
        environment=environment,
        stamp=stamp(assistant, pins) if whole else f"{assistant}@?",
        release=base,
        generation=generation,
        since=rfc3339(newest.pinned_at_us),
        by=newest.pinned_by,
        planes={
            plane: PlaneInForce(
                version=row.number,
                digest=row.digest,
                release=row.release_number,
                since=rfc3339(row.pinned_at_us),
                by=row.pinned_by,
            )
            for plane, row in present.items()
        },
        refused=refused,
    )


def _entry(row: EventRow) -> HistoryEntry:
    try:
        event = msgspec.json.decode(row.event, type=Event)
    except msgspec.MsgspecError as error:
        raise IntegrityFailed(f"entry {row.seq} of the history cannot be read: {error}") from error
    return HistoryEntry(
        seq=row.seq,
        at=rfc3339(row.at_us),
        environment=row.environment,
        kind=row.kind,
        generation=row.generation,
        by=row.actor,
        planes=event.planes,
        stamp_before=event.stamp_before,
        stamp=event.stamp,
        reason=event.reason,
        reviewers=event.reviewers,
        change=event.change,
        loosened=event.loosened,
        before=event.before,
        after=event.after,
    )
