# SPDX-License-Identifier: Apache-2.0
"""The SQL of the outbox: the only file that names its queries."""

from typing import Literal, NamedTuple, cast

from customhouse.store.database import Transaction

Stage = Literal["requested", "reminder", "done"]


class Due(NamedTuple):
    """One message to send over a channel. `attempts` is how often it was claimed; a claim counts as one."""

    tenant: str
    approval: str
    tool: str
    assistant: str
    environment: str
    expires_at_us: int
    stage: Stage
    attempts: int


def due(tx: Transaction, channel: str, now_us: int, limit: int) -> tuple[Due, ...]:
    """Return what is due, whosever it is. Cost: one query over the held calls that wait."""
    rows = tx.rows("notifications_due", channel=channel, now_us=now_us, limit=limit)
    return tuple(_due(cast("tuple[str, str, str, str, str, int, Stage | None, int | None]", row)) for row in rows)


def claim(tx: Transaction, channel: str, found: Due, now_us: int, until_us: int) -> bool:
    """Claim a message until some time; return whether it is ours."""
    tx.act_for(found.tenant)
    if found.attempts == 0 and found.stage == "requested":
        first = tx.run(
            "notification_begin", tenant=found.tenant, approval=found.approval, channel=channel, due_at_us=until_us
        )
        return first == 1
    again = tx.run(
        "notification_again",
        tenant=found.tenant,
        approval=found.approval,
        channel=channel,
        expected_stage=found.stage,
        expected_attempts=found.attempts,
        now_us=now_us,
        due_at_us=until_us,
    )
    return again == 1


def put_off(tx: Transaction, channel: str, claimed: Due, until_us: int) -> None:
    """Say that a claimed message was not taken, and is due again at some time."""
    _move(tx, channel, claimed, claimed.stage, claimed.attempts, until_us)


def sent(tx: Transaction, channel: str, claimed: Due, following: Stage, due_at_us: int, now_us: int) -> None:
    """Say that a claimed message was taken, and what comes next."""
    _move(tx, channel, claimed, following, 0, due_at_us)
    tx.run("approval_notified", tenant=claimed.tenant, id=claimed.approval, now_us=now_us)


def _move(tx: Transaction, channel: str, claimed: Due, stage: Stage, attempts: int, due_at_us: int) -> None:
    tx.act_for(claimed.tenant)
    tx.run(
        "notification_move",
        tenant=claimed.tenant,
        approval=claimed.approval,
        channel=channel,
        expected_stage=claimed.stage,
        expected_attempts=claimed.attempts,
        stage=stage,
        attempts=attempts,
        due_at_us=due_at_us,
    )


def _due(row: tuple[str, str, str, str, str, int, Stage | None, int | None]) -> Due:
    *named, stage, attempts = row
    return Due(*cast("tuple[str, str, str, str, str, int]", tuple(named)), stage or "requested", attempts or 0)
