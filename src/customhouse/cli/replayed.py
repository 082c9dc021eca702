# SPDX-License-Identifier: Apache-2.0
"""`customhouse diff --replay`: recorded calls, decided again, as text for people."""

from collections.abc import Iterator
from typing import Final

from customhouse.api.replay import MAX_CALLS, Replay, ReplayQuestion
from customhouse.audit.replay import UNSAID, ReplayedCall, Ruling
from customhouse.cli.client import Client, segment
from customhouse.cli.options import Environment
from customhouse.planes.tools.document import Document

__all__ = ["MAX_CALLS", "replay", "told"]
MAX_TOLD: Final = 50
"""Calls that are listed for people; `--json` has all of them."""


def replay(
    client: Client,
    assistant: str,
    environment: Environment,
    before: Document,
    after: Document,
    calls: int,
    tenant: str | None,
) -> Replay:
    """Have an assistant's newest recorded calls decided under two versions of its tools."""
    asked = ReplayQuestion(before=before, after=after, environment=environment, calls=calls, tenant=tenant)
    return client.fetch("POST", f"/api/v1/assistants/{segment(assistant)}/replay", Replay, body=asked)


def told(found: Replay) -> Iterator[str]:
    """Give the summary, then the calls that would change, newest first, and those of which nothing can be said."""
    where = f"of {found.assistant} in {found.environment}"
    if not found.calls:
        yield f"no recorded tool call {where} was found{'' if found.whole else ' among the newest records'}"
        return
    changed = sum(found.changed.values())
    kinds = "; ".join(f"{count} {kind}" for kind, count in sorted(found.changed.items()))
    said = f"of the last {found.calls} recorded tool calls {where}, {changed or 'none'} would be decided differently"
    yield f"{said}: {kinds}" if kinds else said
    if not found.whole:
        yield "  fewer calls than asked for were found among the newest records; older ones were not looked at"
    for each in [each for each in found.listed if each.changes][:MAX_TOLD]:
        yield _changed(each)
    if changed > MAX_TOLD:
        yield f"  … and {changed - MAX_TOLD} more; --json lists all of them"
    for kind, count in sorted(found.unsaid.items()):
        example = next(each.trace_id for each in found.listed if each.unsaid == kind)
        yield f"nothing can be said of {count}: {UNSAID[kind]} (such as in trace {example})"
    if found.recorded_otherwise:
        yield (
            f"{found.recorded_otherwise} were recorded with another outcome than the first version gives: a switch, a "
            "budget of an hour or a day, another release or a person decided then"
        )


def _changed(each: ReplayedCall) -> str:
    before, after = _said(each.before), _said(each.after)
    also = "; the versions define it differently" if each.redefined else ""
    return f"  {each.at[:19]}Z {each.tool}: {before} -> {after}, trace {each.trace_id}{also}"


def _said(ruling: Ruling | None) -> str:
    return "" if ruling is None else f"{ruling.outcome} ({ruling.reason})"
