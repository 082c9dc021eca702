# SPDX-License-Identifier: Apache-2.0
"""The registry's SQL for switches.

A switch and its lifting have an INSERT and SELECTs, nothing else; the generation moves by compare-and-set.
"""

from typing import NamedTuple, cast

from customhouse.domain.errors import IntegrityFailed, InvalidRequest
from customhouse.registry.switches import Scope, Switches, parse
from customhouse.registry.tables import number_of
from customhouse.store.database import Row, Transaction


class Switch(NamedTuple):
    """One switch as it was thrown."""

    seq: int
    scope: Scope
    reason: str
    set_by: str
    set_at_us: int


def standing(tx: Transaction) -> tuple[Switch, ...]:
    """Return every switch that nobody lifted, oldest first. Raises IntegrityFailed for a scope that cannot be read."""
    return tuple(_switch(row) for row in tx.rows("switches_standing"))


def switches(tx: Transaction) -> Switches:
    """Return what stands as one value. Raises IntegrityFailed."""
    return Switches(generation(tx), frozenset(switch.scope for switch in standing(tx)))


def switch(tx: Transaction, seq: int) -> Switch | None:
    """Return one switch, lifted or not."""
    row = tx.row("switch_get", seq=seq)
    return None if row is None else _switch(row)


def lifted(tx: Transaction, seq: int) -> bool:
    """Return whether a switch was lifted."""
    return tx.row("switch_lifted", seq=seq) is not None


def insert(tx: Transaction, scope: Scope, *, reason: str, actor: str, now_us: int) -> int:
    """Throw a switch and return its number."""
    return number_of(tx.row("switch_insert", scope=str(scope), reason=reason, actor=actor, now_us=now_us))


def lift(tx: Transaction, seq: int, *, reason: str, actor: str, now_us: int) -> None:
    """Lift a switch; raises DuplicateRow when it was lifted before."""
    tx.run("switch_lift_insert", seq=seq, reason=reason, actor=actor, now_us=now_us)


def generation(tx: Transaction) -> int:
    """Return the generation of the switches."""
    return number_of(tx.row("switch_generation_get"))


def advance(tx: Transaction, expected_generation: int) -> int | None:
    """Claim the next generation by compare-and-set; None when someone else was first."""
    row = tx.row("switch_generation_advance", expected_generation=expected_generation)
    return None if row is None else cast("int", row[0])


def _switch(row: Row) -> Switch:
    seq, scope, reason, set_by, set_at_us = cast("tuple[int, str, str, str, int]", row)
    try:
        return Switch(seq, parse(scope), reason, set_by, set_at_us)
    except InvalidRequest as error:
        # A denial that cannot be read must not be skipped: whoever reads the switches gets none of them.
        raise IntegrityFailed(f"switch {seq} cannot be read: {error.detail}") from error
