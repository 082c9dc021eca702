# SPDX-License-Identifier: Apache-2.0
"""Which of a client's tools the model is shown (step 6): those that are granted now, as they were released.

A client declares its tools in every request, and its code runs them. A definition that says another thing than the
registered one is not replaced in silence: the model would write arguments for a schema that the client's code does not
expect. It is left out, and the client is told.
"""

from typing import Final, NamedTuple

from msgspec.structs import replace

from customhouse.dialects.envelope import Notice
from customhouse.domain.errors import FieldNotAllowed, InvalidRequest
from customhouse.domain.message import ProviderCall, ProviderOffer, ToolOffer
from customhouse.domain.request import NamedTool, Request
from customhouse.gateway import degraded
from customhouse.gateway.in_force import InForce
from customhouse.gateway.prepare import Prepared
from customhouse.planes.tools.document import Grant
from customhouse.planes.tools.unregistered import reading

CHANGED: Final = "tool.definition_changed"


class Offering(NamedTuple):
    """The tools to show, the names of the others, and those of them whose definition is another than the release's.

    `provider` are tools that the provider may run by itself in this turn.
    """

    offers: tuple[ToolOffer, ...]
    withheld: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    provider: tuple[ProviderOffer, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Return the reasons that the turn's first record gives."""
        return (CHANGED,) if self.changed else ()

    def notices(self, accepted: str, trace_id: str) -> tuple[Notice, ...]:
        """Return what the client is told; `accepted` is the turn's first record, which gives the reason."""
        where = f"/api/v1/traces/{trace_id}"
        return tuple(Notice(id=accepted, code=CHANGED, outcome="deny", tool=name, url=where) for name in self.changed)


def offering(prepared: Prepared, request: Request, narrowed: str | None, in_force: InForce, workflow: str) -> Offering:
    """Return what to show of a request's tools. Raises InvalidRequest when a call is required and no tool is left.

    `narrowed` is a reason to show only tools that read, `workflow` the one it runs in. Cost: about 3 µs a tool.
    """
    shown: list[ToolOffer] = []
    changed: list[str] = []
    wanted = request.tool_choice.name if isinstance(request.tool_choice, NamedTool) else None
    for offer in request.offers if request.tool_choice != "none" else ():
        grant = _granted(prepared, offer.name, workflow)
        if grant is None or grant.permission == "deny" or wanted not in {None, offer.name}:
            continue
        if prepared.definitions.changed(offer):
            changed.append(offer.name)
        elif (narrowed is None or degraded.reads(grant)) and in_force.withheld(offer.name, grant) is None:
            shown.append(_released(offer, grant))
    if request.must_call and not shown:
        why = (
            f"the definition of {changed[0]} is not the one that the release registers ({CHANGED})"
            if changed
            else "none of the request's tools is granted to this assistant now"
        )
        raise InvalidRequest(f"tool_choice asks for a tool call and {why}", param="tool_choice")
    provider = _provider(prepared, request, narrowed, in_force, workflow)
    names = {offer.name for offer in shown}
    withheld = [offer.name for offer in request.offers if offer.name not in names]
    withheld += [offer.tool for offer in request.provider_tools if offer not in provider]
    return Offering(tuple(shown), tuple(withheld), tuple(changed), provider)


def _granted(prepared: Prepared, name: str, workflow: str) -> Grant | None:
    """Return what the policy says of a tool that may be shown in this workflow.

    What it does not name and only reads like a name of its own is off.
    """
    policy = prepared.policy
    if name in policy.tools:
        return policy.grant(name) if name in policy.offers(workflow) else None
    return None if workflow or reading(name) in prepared.readings else policy.grant(name)


def _provider(
    prepared: Prepared, request: Request, narrowed: str | None, in_force: InForce, workflow: str
) -> tuple[ProviderOffer, ...]:
    """Return which tools the provider may run by itself. Raises FieldNotAllowed for what no policy grants.

    One that is switched off is left out, or that may write while the turn may only read, or that is outside of the
    turn's workflow. What the history tells of such uses needs the grant too: without it there can have been none.
    """
    document = prepared.snapshot.documents.tools
    granted = document.provider_tools
    declared = [(offer.tool, offer.place) for offer in request.provider_tools]
    for tool, place in (*declared, *_told(request)):
        if tool not in granted:
            raise FieldNotAllowed(
                f"`{place}` is of {tool}, which a provider runs by itself: the assistant's policy does not grant it "
                "(provider_tools)",
                param=place,
            )
    kept: list[ProviderOffer] = []
    for offer in request.provider_tools if request.tool_choice != "none" else ():
        grant = Grant(permission="allow", effect=granted[offer.tool])
        reads = degraded.reads(grant)
        inside = offer.tool in document.workflows.get(workflow, ())
        belongs = inside if workflow else reads or not document.workflows
        if belongs and (reads or narrowed is None) and in_force.withheld(offer.tool, grant) is None:
            kept.append(offer)
    return tuple(kept)


def _told(request: Request) -> list[tuple[str, str]]:
    return [
        (part.tool, message.place)
        for message in request.messages
        if message.role == "assistant"
        for part in message.content
        if isinstance(part, ProviderCall)
    ]


def _released(offer: ToolOffer, grant: Grant) -> ToolOffer:
    """Return a tool as it is shown: what the release says of it, else what the client says."""
    return replace(
        offer,
        description=grant.description or offer.description,
        parameters=grant.parameters or offer.parameters,
    )
