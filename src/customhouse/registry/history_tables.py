# SPDX-License-Identifier: Apache-2.0
"""The registry's SQL for history, holds and changes.

Rows of the history, holds, their lifting and reviews have an INSERT and SELECTs, nothing else; of a change only the
state moves, by compare-and-set.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple, cast

import msgspec

from customhouse.domain.digest import Digest, canonical
from customhouse.domain.errors import IntegrityFailed
from customhouse.domain.plane import Plane
from customhouse.registry.change import ChangeState, LiftProposal, MoveProposal, Proposal, TermsProposal
from customhouse.registry.tables import number_of
from customhouse.store.database import Row, Transaction

MAX_CHANGES_LISTED: Final = 200


class EventRow(NamedTuple):
    """One entry of the history; `event` is its JSON (registry/history.py)."""

    seq: int
    environment: str
    assistant: str
    kind: str
    event: bytes
    generation: int
    actor: str
    at_us: int


class Hold(NamedTuple):
    """A version that was rolled back and may not come back until a person lifts the hold."""

    seq: int
    environment: str
    assistant: str
    plane: Plane
    digest: Digest
    number: int | None
    reason: str
    held_by: str
    held_at_us: int


class Change(NamedTuple):
    """A proposed change and what became of it."""

    id: str
    environment: str
    assistant: str
    proposal: Proposal
    requested_by: str
    requested_at_us: int
    state: ChangeState
    decided_at_us: int | None


class Review(NamedTuple):
    """One person's answer to a change."""

    reviewer: str
    verdict: str
    reason: str
    at_us: int


# History and holds


def insert_event(
    tx: Transaction,
    environment: str,
    assistant: str,
    kind: str,
    release_number: int,
    event: bytes,
    *,
    generation: int,
    actor: str,
    now_us: int,
) -> int:
    """Add to the history and return the entry's number."""
    row = tx.row(
        "pin_event_insert",
        environment=environment,
        assistant=assistant,
        kind=kind,
        release_number=release_number,
        event=event,
        generation=generation,
        actor=actor,
        now_us=now_us,
    )
    return number_of(row)


def events(
    tx: Transaction, assistant: str, environment: str | None, *, before_seq: int, limit: int
) -> tuple[EventRow, ...]:
    """Return an assistant's history before entry `before_seq`, newest first."""
    rows = tx.rows("pin_events", assistant=assistant, environment=environment, before=before_seq, limit=limit)
    return tuple(EventRow(*cast("tuple[int, str, str, str, bytes, int, str, int]", row)) for row in rows)


def newest_events(tx: Transaction) -> dict[tuple[str, str], bytes]:
    """Return the newest entry of each assistant in each environment, by environment and assistant."""
    rows = cast("list[tuple[str, str, bytes]]", tx.rows("pin_events_newest"))
    return {(environment, assistant): event for environment, assistant, event in rows}


def newest_event(tx: Transaction, environment: str, assistant: str) -> bytes | None:
    """Return the newest entry of one assistant in one environment."""
    row = tx.row("pin_event_newest", environment=environment, assistant=assistant)
    return None if row is None else cast("bytes", row[0])


def promoted_releases(tx: Transaction, environment: str, assistant: str) -> Iterator[int]:
    """Return the numbers of the releases that were in force here, newest first."""
    for row in tx.rows("releases_promoted", environment=environment, assistant=assistant):
        yield cast("int", row[0])


def insert_hold(
    tx: Transaction,
    environment: str,
    assistant: str,
    plane: Plane,
    digest: Digest,
    *,
    reason: str,
    actor: str,
    now_us: int,
) -> int:
    """Hold a version and return the hold's number."""
    row = tx.row(
        "hold_insert",
        environment=environment,
        assistant=assistant,
        plane=plane.value,
        digest=digest,
        reason=reason,
        actor=actor,
        now_us=now_us,
    )
    return number_of(row)


def holds(tx: Transaction, environment: str, assistant: str) -> tuple[Hold, ...]:
    """Return the holds of one assistant in one environment that nobody lifted."""
    return tuple(_hold(row) for row in tx.rows("holds_open", environment=environment, assistant=assistant))


def all_holds(tx: Transaction) -> tuple[Hold, ...]:
    """Return every hold that nobody lifted."""
    return tuple(_hold(row) for row in tx.rows("holds_open_everywhere"))


def hold(tx: Transaction, seq: int) -> Hold | None:
    """Return one hold, lifted or not."""
    row = tx.row("hold_get", seq=seq)
    return None if row is None else _hold(row)


def lift_hold(tx: Transaction, seq: int, *, reason: str, actor: str, now_us: int) -> None:
    """Lift a hold; raises DuplicateRow when it was lifted before."""
    tx.run("hold_lift_insert", seq=seq, reason=reason, actor=actor, now_us=now_us)


# Changes


def insert_change(
    tx: Transaction, change_id: str, environment: str, assistant: str, proposal: Proposal, *, actor: str, now_us: int
) -> None:
    """Ask for a change."""
    tx.run(
        "change_insert",
        id=change_id,
        environment=environment,
        assistant=assistant,
        proposal=canonical(msgspec.to_builtins(proposal)),
        actor=actor,
        now_us=now_us,
    )


def change(tx: Transaction, change_id: str) -> Change | None:
    """Return one change."""
    row = tx.row("change_get", id=change_id)
    return None if row is None else _change(row)


def changes_waiting(tx: Transaction) -> tuple[Change, ...]:
    """Return every change that waits, oldest first."""
    return tuple(_change(row) for row in tx.rows("changes_waiting"))


def changes(tx: Transaction) -> tuple[Change, ...]:
    """Return the newest changes, whatever became of them."""
    return tuple(_change(row) for row in tx.rows("changes_all", limit=MAX_CHANGES_LISTED))


def move_change(
    tx: Transaction, change_id: str, expected: ChangeState, state: ChangeState, decided_at_us: int | None
) -> bool:
    """Take a change to its next state; return whether it was where it was expected."""
    values = {"id": change_id, "expected_state": expected, "state": state, "decided_at_us": decided_at_us}
    return tx.run("change_move", **values) == 1


def insert_review(tx: Transaction, change_id: str, reviewer: str, verdict: str, *, reason: str, now_us: int) -> None:
    """Keep a person's answer; raises DuplicateRow when this person answered before."""
    tx.run("change_review_insert", change=change_id, reviewer=reviewer, verdict=verdict, reason=reason, now_us=now_us)


def reviews(tx: Transaction, change_id: str) -> tuple[Review, ...]:
    """Return the answers to a change, in order."""
    rows = tx.rows("change_reviews", change=change_id)
    return tuple(Review(*cast("tuple[str, str, str, int]", row)) for row in rows)


def _hold(row: Row) -> Hold:
    seq, environment, assistant, plane, *rest = row
    typed = cast("tuple[int, str, str]", (seq, environment, assistant))
    return Hold(*typed, Plane(cast("str", plane)), *cast("tuple[Digest, int | None, str, str, int]", tuple(rest)))


def _change(row: Row) -> Change:
    change_id, environment, assistant, proposal, *rest = row
    typed = cast("tuple[str, str, str]", (change_id, environment, assistant))
    return Change(
        *typed,
        _proposal(typed[0], cast("bytes", proposal)),
        *cast("tuple[str, int, ChangeState, int | None]", tuple(rest)),
    )


def _proposal(change_id: str, content: bytes) -> Proposal:
    try:
        return msgspec.json.decode(content, type=MoveProposal | TermsProposal | LiftProposal)
    except msgspec.MsgspecError as error:
        raise IntegrityFailed(f"change {change_id} cannot be read: {error}") from error
