# SPDX-License-Identifier: Apache-2.0
"""Decide recorded tool calls again under two versions of a policy; who has that done reads payloads, which is recorded.

Rule kept: arguments are opened here and go nowhere: the answer has decisions, reasons, tools and traces.
"""

import asyncio
from collections import Counter
from itertools import groupby
from typing import Annotated, Final, Literal

import msgspec

from customhouse.access.keys import tenant_shaped
from customhouse.api.route import ROOT, Call, Route
from customhouse.audit import recorded
from customhouse.audit.replay import ReplayedCall, Turn, Versions, replayed
from customhouse.domain.errors import InvalidRequest, StoreUnavailable
from customhouse.ledger import trace
from customhouse.ledger.trace import Trace
from customhouse.planes.tools.document import Document
from customhouse.planes.tools.policy import compiled
from customhouse.registry import tables as registry
from customhouse.rollout.captain import require_captain

MAX_CALLS: Final = 1000
"""Calls that are decided again at once."""
_ARGUMENTS: Final = "arguments:"


class ReplayQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Two versions of a tools document, and how many of the newest recorded calls they are to decide."""

    before: Document
    after: Document
    environment: Literal["dev", "staging", "production"] = "dev"
    calls: Annotated[int, msgspec.Meta(ge=1, le=MAX_CALLS)] = 100
    tenant: str | None = None


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What the two versions make of recorded calls.

    `calls` were found, of which `changed` are decided differently (by "allow -> hold") and `unsaid` by neither version;
    both are listed, newest first. `recorded_otherwise` were recorded with another outcome than `before` gives: by a
    switch, a budget of an hour or a day, a newer release or a person. `whole` is false when older records were not
    looked at, though fewer calls were found than were asked for.
    """

    assistant: str
    environment: str
    calls: int
    whole: bool
    changed: dict[str, int]
    unsaid: dict[str, int]
    recorded_otherwise: int
    listed: tuple[ReplayedCall, ...]


async def _replay(call: Call[ReplayQuestion]) -> Replay:
    asked, assistant = call.body, call.path["assistant"]
    if asked.tenant is not None and not tenant_shaped(asked.tenant):
        raise InvalidRequest(f"{asked.tenant[:64]!r} is no tenant's name.", param="tenant")
    if "auditor" not in call.actor.roles:
        charted = await call.control.database.read(lambda tx: registry.charter(tx, assistant))
        require_captain(call.actor, assistant, None if charted is None else charted.charter)
    found = await recorded.newest(call.control.database, assistant, asked.environment, asked.calls, asked.tenant)
    await _note(call, found.turns)
    versions = Versions(compiled(asked.before), compiled(asked.after))
    calls: list[ReplayedCall] = []
    for each in found.turns:
        calls += replayed(await _opened(call, each), versions)
        await asyncio.sleep(0)  # turns of applications are answered in between
    return _answer(call, found.whole, calls[: asked.calls])


def _answer(call: Call[ReplayQuestion], whole: bool, calls: list[ReplayedCall]) -> Replay:  # noqa: FBT001 - a field
    changed = Counter(
        f"{each.before.outcome} -> {each.after.outcome}"
        for each in calls
        if each.changes and each.before and each.after
    )
    return Replay(
        assistant=call.path["assistant"],
        environment=call.body.environment,
        calls=len(calls),
        whole=whole,
        changed=dict(changed),
        unsaid=dict(Counter(each.unsaid for each in calls if each.unsaid is not None)),
        recorded_otherwise=sum(
            each.before is not None and each.before.outcome != (each.ended or each.recorded).outcome for each in calls
        ),
        listed=tuple(each for each in calls if each.changes or each.unsaid is not None),
    )


async def _note(call: Call[ReplayQuestion], turns: tuple[Trace, ...]) -> None:
    """Record, in the log of each tenant whose payloads are about to be opened, by whom and how many: durable first."""
    ledger = call.control.ledger
    entries = [
        ledger.event(
            "access.read",
            actor=call.actor.name,
            trace_id=call.trace_id,
            detail={"why": "replay", "traces": len(own), "newest": own[0].trace_id, "oldest": own[-1].trace_id},
            assistant=call.path["assistant"],
            references=(own[0].trace_id,),
            tenant=tenant,
        )
        for tenant, group in groupby(sorted(turns, key=lambda each: each.tenant), key=lambda each: each.tenant)
        for own in [list(group)]  # newest first, as they came
    ]
    if entries:
        await ledger.append(entries)


async def _opened(call: Call[ReplayQuestion], found: Trace) -> Turn:
    """Return a turn with the arguments that are kept and named by its records."""
    key = await call.control.ledger.tenant_key(found.tenant)
    sealed = await call.control.database.read(lambda tx: trace.payloads(tx, found.tenant, found.trace_id))
    named = {
        f"{_ARGUMENTS}{step.record.id}": step.record.commitments["arguments"]
        for step in found.steps
        if step.record.kind == "tool.proposed" and step.record.commitments and "arguments" in step.record.commitments
    }
    arguments: dict[str, str] = {}
    altered: set[str] = set()
    for each in sealed:
        if named.get(each.kind) != each.commitment:
            continue
        proposed = each.kind.removeprefix(_ARGUMENTS)
        try:
            content = key.open(found.trace_id, each.kind, each.commitment, each.sealed)
        except StoreUnavailable:
            altered.add(proposed)
        else:
            arguments[proposed] = content.decode(errors="replace")
    records = tuple(step.record for step in found.steps)
    return Turn(found.tenant, found.trace_id, records, arguments, frozenset(altered))


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "POST",
        f"{ROOT}/assistants/{{assistant}}/replay",
        "trace.payloads",
        "Decide the newest recorded tool calls again under two versions of a policy; opening them is recorded.",
        ReplayQuestion,
        Replay,
        _replay,
    ),
)
"""The endpoints of this file."""
