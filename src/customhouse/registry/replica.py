# SPDX-License-Identifier: Apache-2.0
"""Replicas: the processes that answer turns over one store, what each has in force, and who is not there yet. Pure.

Rules kept:
- A replica acknowledges a generation when it is in force in its memory, not when it has heard of it.
- Who might still answer is waited for. A replica that has not reached the database for `stale_refuse_s` refuses every
  turn (registry/current.py ages), so one that the database has not heard of for that long, and a margin, is not.

Story: Ola rolls a prompt back with --wait. Two replicas have it within milliseconds; the third hangs in a full disk and
reports nothing. She reads its name for thirty-five seconds, then the command ends: by then it refuses every turn.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

MARGIN_S: Final = 5
"""Between a replica's own refusal and the moment when nobody waits for it: report and age begin a poll apart."""
KEPT_DAYS: Final = 7
"""Replicas that were not heard of for this long are forgotten."""


class Unreached(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a replica does not use as declared: a deployment that it leaves alone, a credential it cannot renew.

    `state` is a breaker's (`open`, `half_open`), or whether a credential still `stands` or has `ended`; a channel over
    which people are not told of approvals is `failing`.
    """

    subject: str
    state: str
    reason: str
    since_us: int
    until_us: int | None = None


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a replica says of itself in each report. `sequencer` is its epoch while it leads."""

    stale_refuse_s: float
    ledger: str
    turns: int
    sequencer: int | None = None
    unreached: tuple[Unreached, ...] = ()


class Replica(NamedTuple):
    """One replica as the store knows it; times are the database's."""

    id: str
    name: str
    version: str
    started_at_us: int
    seen_at_us: int
    ended_at_us: int | None
    state: State
    generations: Mapping[str, int]
    applied_at_us: Mapping[str, int]


def live(replica: Replica, now_us: int) -> bool:
    """Whether a replica may answer turns: it did not stop, and was heard of within its own bound."""
    unseen_us = now_us - replica.seen_at_us
    return replica.ended_at_us is None and unseen_us <= (replica.state.stale_refuse_s + MARGIN_S) * 1_000_000
