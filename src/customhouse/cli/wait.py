# SPDX-License-Identifier: Apache-2.0
"""`--wait`: a change is over when every live replica has acknowledged it, and who has not is named.

What is waited for is the newest generation of the named things when the waiting begins, so also what somebody else
changed a moment before. Silent replicas leave the list when they refuse turns by themselves (registry/replica.py).
"""

import time
from collections.abc import Callable
from typing import Final, TypeVar

import click

from customhouse.cli.client import client
from customhouse.cli.output import EXIT_REFUSED, say
from customhouse.registry.replicas import Replicas, ReplicaView

F = TypeVar("F", bound=Callable[..., object])

LOOK_S: Final = 0.05
"""Between two looks: a fiftieth of the second within which replicas usually have it."""
DEFAULT_TIMEOUT_S: Final = 60
"""Longer than a silent replica takes to refuse everything by itself."""


def wait_options(command: F) -> F:
    """Add `--wait` and `--timeout` to a command."""
    timeout = click.option(
        "--timeout",
        type=click.IntRange(1, 3600),
        default=DEFAULT_TIMEOUT_S,
        show_default=True,
        metavar="S",
        help="Seconds that --wait waits.",
    )
    return click.option("--wait", is_flag=True, help="Return only when every live replica has it.")(timeout(command))


def wait_for(ctx: click.Context, names: tuple[str, ...], timeout_s: int) -> None:
    """Wait until every live replica has the newest generation of `names`; tell who is missing.

    `names` are environments, `switches` or `access`. Ends with exit status 1 at the timeout.
    """
    began = time.monotonic()
    found = _look(ctx)
    wanted = {name: found.newest.get(name, 0) for name in names}
    told = ""
    while missing := _missing(found, wanted):
        text = ", ".join(missing)
        waited_s = time.monotonic() - began
        if waited_s >= timeout_s:
            say(f"after {timeout_s} s these replicas have not acknowledged it: {text}")
            ctx.exit(EXIT_REFUSED)
        if text != told and waited_s > 1:
            say(f"waiting for {text}")
            told = text
        time.sleep(LOOK_S)
        found = _look(ctx)
    live = [replica for replica in found.replicas if replica.live]
    if not live:
        say("no replica is running: the next one that starts begins with it")
        return
    what = ", ".join(f"{name} generation {generation}" for name, generation in wanted.items())
    every = "the replica has" if len(live) == 1 else f"all {len(live)} replicas have"
    say(f"{every} acknowledged {what} ({time.monotonic() - began:.2f} s)")


def _look(ctx: click.Context) -> Replicas:
    return client(ctx).fetch("GET", "/api/v1/replicas", Replicas)


def _missing(found: Replicas, wanted: dict[str, int]) -> list[str]:
    return [_lacks(replica, wanted) for replica in found.replicas if replica.live and _behind(replica, wanted)]


def _behind(replica: ReplicaView, wanted: dict[str, int]) -> list[str]:
    return [name for name, generation in wanted.items() if replica.generations.get(name, 0) < generation]


def _lacks(replica: ReplicaView, wanted: dict[str, int]) -> str:
    behind = (f"{name} {replica.generations.get(name, 0)} of {wanted[name]}" for name in _behind(replica, wanted))
    return f"{replica.name} (has {', '.join(behind)}; heard of {replica.seen_ms_ago / 1000:.1f} s ago)"
