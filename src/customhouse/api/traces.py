# SPDX-License-Identifier: Apache-2.0
"""Endpoints of traces: where an answer came from, by any id; payloads only for those allowed, and never unrecorded."""

from typing import Final, get_args

import msgspec

from customhouse.access.keys import tenant_shaped
from customhouse.access.roles import allowed, roles_with
from customhouse.api.route import ROOT, Call, Parameter, Route
from customhouse.domain.errors import InvalidRequest, NotTheCaptain, TraceUnknown, VerbRefused
from customhouse.ledger import listing, retention, trace
from customhouse.ledger.listing import By, TraceList
from customhouse.ledger.record import ORGANIZATION
from customhouse.ledger.trace import Payload, Trace, missing
from customhouse.registry import tables as registry
from customhouse.rollout.captain import require_captain

_TENANT: Final = Parameter("tenant", "Look in this tenant's log only.")
_PAYLOADS: Final = Parameter("payloads", "1 opens the payloads; who reads them is recorded as evidence.")

_BY: Final[tuple[Parameter, ...]] = (
    Parameter("release", "The stamp of an answer, `assistant@number` with the overrides of planes."),
    Parameter("key", "The id of a data-plane key."),
    Parameter("person", "On whose behalf was asked (`user:42`), or who acted on the control plane."),
)


async def _newest(call: Call[None]) -> TraceList:
    asked: list[tuple[By, str]] = [(by, call.query[by]) for by in get_args(By) if by in call.query]
    if len(asked) != 1:
        raise InvalidRequest("name exactly one of release, key and person.", param="release")
    ((by, name),) = asked
    tenant = _tenant(call)
    return await call.control.database.read(lambda tx: listing.newest(tx, by, name, tenant))


async def _by_id(call: Call[None]) -> Trace:
    name, tenant = call.path["id"], _tenant(call)
    found = await call.control.database.read(lambda tx: trace.find(tx, name, tenant))
    if not found:
        raise TraceUnknown(
            f"nothing is known under {name[:128]!r}: a trace, response, tool call, key or release id expected."
        )
    return await _read(call, *found[0], tuple(trace_id for _, trace_id in found[1:]))


async def _last(call: Call[None]) -> Trace:
    tenant = _tenant(call)
    found = await call.control.database.read(lambda tx: trace.last(tx, tenant))
    if found is None:
        raise TraceUnknown("no turn has been recorded yet.")
    return await _read(call, *found, ())


def _tenant(call: Call[None]) -> str | None:
    wanted = call.query.get("tenant")
    if wanted is not None and wanted != ORGANIZATION and not tenant_shaped(wanted):
        raise InvalidRequest(f"{wanted[:64]!r} is no tenant's name.", param="tenant")
    return wanted


async def _read(call: Call[None], tenant: str, trace_id: str, others: tuple[str, ...]) -> Trace:
    wanted = call.query.get("payloads", "0")
    if wanted not in {"0", "1"}:
        raise InvalidRequest("payloads is 0 or 1.", param="payloads")
    found = await call.control.database.read(lambda tx: trace.read(tx, tenant, trace_id, others))
    return found if wanted == "0" else await _with_payloads(call, found)


async def _with_payloads(call: Call[None], found: Trace) -> Trace:
    await _require_reader(call, found)
    ledger = call.control.ledger
    # Durable before the first byte is shown: reading is evidence, in the log of the tenant whose data it is.
    read = ledger.event(
        "access.read",
        actor=call.actor.name,
        trace_id=call.trace_id,
        detail={"trace_id": found.trace_id},
        assistant=next((step.record.assistant for step in found.steps), None),
        references=(found.trace_id,),
        tenant=found.tenant,
    )
    await ledger.append([read])
    key = await ledger.tenant_key(found.tenant)
    sealed = await call.control.database.read(lambda tx: trace.payloads(tx, found.tenant, found.trace_id))
    opened = tuple(
        Payload(
            kind=payload.kind,
            commitment=payload.commitment,
            text=key.open(found.trace_id, payload.kind, payload.commitment, payload.sealed).decode(errors="replace"),
        )
        for payload in sealed
    )
    before = await call.control.database.read(retention.expired_before)
    gone = missing(found, frozenset(payload.commitment for payload in opened), before)
    return msgspec.structs.replace(found, payloads=(*opened, *gone))


async def _require_reader(call: Call[None], found: Trace) -> None:
    """Refuse payloads unless a role opens them; a captain's opens only those of assistants he answers for."""
    actor = call.actor
    if not allowed(actor, "trace.payloads"):
        raise VerbRefused(f"trace.payloads needs the role {' or '.join(roles_with('trace.payloads'))}.")
    if actor.kind == "local" or "auditor" in actor.roles:
        return
    assistants = {step.record.assistant or "" for step in found.steps} - {""}
    if not assistants and found.tenant != ORGANIZATION:
        raise NotTheCaptain("no record of this trace says whose assistant it is of: ask an auditor.")
    for assistant in assistants:
        charted = await call.control.database.read(lambda tx, name=assistant: registry.charter(tx, name))
        require_captain(actor, assistant, None if charted is None else charted.charter)


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "GET",
        f"{ROOT}/traces",
        "trace.read",
        "List the newest traces of a release, a key or a person.",
        None,
        TraceList,
        _newest,
        query=(*_BY, _TENANT),
    ),
    Route(
        "GET",
        f"{ROOT}/traces/last",
        "trace.read",
        "Show the newest turn's trace.",
        None,
        Trace,
        _last,
        query=(_TENANT, _PAYLOADS),
    ),
    Route(
        "GET",
        f"{ROOT}/traces/{{id}}",
        "trace.read",
        "Show where an answer came from, by any id.",
        None,
        Trace,
        _by_id,
        query=(_TENANT, _PAYLOADS),
    ),
)
"""The endpoints of this file."""
