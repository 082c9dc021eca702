# SPDX-License-Identifier: Apache-2.0
"""What live replicas do not reach or use as declared: from breakers, credentials and channels to `status`. Pure.

In a report, because a breaker is one replica's: another may reach the provider.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import msgspec

from customhouse.domain.clock import rfc3339
from customhouse.registry.replica import Replica, Unreached, live

if TYPE_CHECKING:
    from customhouse.notify import notice
    from customhouse.outgoing import credential
from customhouse.planes.model import circuits

MAX_REPORTED: Final = 20
"""In one report, the oldest first: a row that is written each second stays small, and nobody reads more."""


class UnreachedView(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of them, and on which replica."""

    replica: str
    subject: str
    state: str
    reason: str
    since: str
    until: str | None


def unreached(
    deployments: "Iterable[circuits.Trouble]",
    credentials: "Iterable[credential.Trouble]",
    channels: "Iterable[notice.Trouble | None]" = (),
) -> tuple[Unreached, ...]:
    """Return what a replica reports of itself."""
    found = [
        *(
            Unreached(
                subject=each.deployment,
                state=each.state,
                reason=each.reason,
                since_us=each.since_us,
                until_us=each.until_us,
            )
            for each in deployments
        ),
        *(
            Unreached(
                subject=f"credential: {each.reference}",
                state="stands" if each.usable else "ended",
                reason=each.problem,
                since_us=each.since_us,
            )
            for each in credentials
        ),
        *(
            Unreached(
                subject=f"notification: {each.channel}", state="failing", reason=each.problem, since_us=each.since_us
            )
            for each in channels
            if each is not None
        ),
    ]
    return tuple(sorted(found, key=lambda each: (each.since_us, each.subject))[:MAX_REPORTED])


def views(found: Iterable[Replica], now_us: int) -> tuple[UnreachedView, ...]:
    """Return what live replicas report."""
    return tuple(
        UnreachedView(
            replica=replica.name,
            subject=each.subject,
            state=each.state,
            reason=each.reason,
            since=rfc3339(each.since_us),
            until=None if each.until_us is None else rfc3339(each.until_us),
        )
        for replica in found
        if live(replica, now_us)
        for each in replica.state.unreached
    )
