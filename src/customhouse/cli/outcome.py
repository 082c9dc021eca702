# SPDX-License-Identifier: Apache-2.0
"""How the end of a move is told: what is in force now, or who must sign it off first (then the exit status is 1)."""

from collections.abc import Iterable

import click

from customhouse.cli.output import EXIT_REFUSED, say
from customhouse.domain.capability import Capability
from customhouse.rollout.answer import Moved, Outcome, Waiting
from customhouse.rollout.switch import Switched

MAX_LINES = 30
"""Capabilities listed; the rest are counted."""


def told(outcome: Outcome, known: tuple[Capability, ...] = ()) -> str:
    """Return an outcome in words; `known` capabilities were told already and are not repeated."""
    if outcome.moved is not None:
        return _moved(outcome.moved, known)
    return "Nothing moved." if outcome.waiting is None else waiting(outcome.waiting)


def capabilities(found: Iterable[Capability]) -> list[str]:
    """Return capabilities as lines, indented."""
    return lines(entry.text for entry in found)


def lines(texts: Iterable[str]) -> list[str]:
    """Return sentences as indented lines, the first MAX_LINES of them."""
    listed = [f"  {text}" for text in texts]
    more = len(listed) - MAX_LINES
    return listed if more <= 0 else [*listed[:MAX_LINES], f"  … and {more} more"]


def waiting(change: Waiting) -> str:
    """Return in words what waits for whom, and the command that ends the waiting."""
    people = "a second person" if change.reviewers <= 1 else f"{change.reviewers} other people"
    return "\n".join(
        [
            f"Waiting for {people}: this loosens what runs in {change.environment}, so nothing moved yet.",
            *lines(change.effects),
            f"Show it:    customhouse changes show {change.change}",
            f"Approve it: customhouse changes approve {change.change} --reason …   (not as the one who asked)",
        ]
    )


def switched(done: Switched) -> str:
    """Return in words what became of a switch."""
    state = "switched off" if done.standing else "no longer switched off"
    return f"{done.switch.scope} is {state} (switch {done.switch.seq}, generation {done.generation})"


def leave_if_waiting(ctx: click.Context, *changes: Waiting | None) -> None:
    """End with exit status 1 when something waits for a second person."""
    waits = [change.change for change in changes if change is not None]
    if waits:
        say(f"waiting for a second person: {', '.join(waits)}")
        ctx.exit(EXIT_REFUSED)


def _moved(done: Moved, known: tuple[Capability, ...]) -> str:
    what = ", ".join(done.planes) if done.planes else "no document differs"
    before = f", before {done.stamp_before}" if done.stamp_before else ""
    found = [
        f"In force in {done.environment}: {done.stamp}{before} (generation {done.generation}; changed: {what})",
        *capabilities(() if done.capabilities == known else done.capabilities),
    ]
    found.extend(f"Model: {each.text}" for each in done.retirements)
    if done.holds:
        held = ", ".join(str(seq) for seq in done.holds)
        found.append(f"What was rolled back is held in {done.environment} until somebody lifts it: hold {held}")
    return "\n".join(found)
