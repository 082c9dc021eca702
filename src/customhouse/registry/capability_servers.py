# SPDX-License-Identifier: Apache-2.0
"""What changes in where the gateway runs tools, and in what MCP clients may read there. Pure; see `capability.py`.

Story: Mallory's change moves `orders` to an address of her own and keeps its header, by which the gateway would send
her the credential of the real one. The diff says both: the address, and whose credential goes there.
"""

from collections.abc import Mapping

from customhouse.domain.capability import Capability, CapabilityKind
from customhouse.domain.plane import Plane
from customhouse.planes.tools.document import Document, Server


def server_changes(before: Document, after: Document) -> list[Capability]:
    """Return the changes of servers, and of resources and prompts that may be read of them."""
    found: list[Capability] = []
    for name in sorted(before.servers.keys() | after.servers.keys()):
        found += _server(name, before.servers.get(name), after.servers.get(name))
    for what, was, now in (
        ("resources", before.resources, after.resources),
        ("prompts", before.prompts, after.prompts),
    ):
        found += [
            _say("lost", each, f"- MCP clients may no longer read the {what} {each}", more=False)
            for each in was
            if each not in now
        ]
        found += [
            _say("gained", each, f"+ MCP clients may now read the {what} {each}", more=True)
            for each in now
            if each not in was
        ]
    return found


def _server(name: str, before: str | Server | None, after: str | Server | None) -> list[Capability]:
    if before == after:
        return []
    if after is None:
        text = f"- there is no tool server {name} any more (was {_address(before)})"
        return [_say("definition_changed", name, text, more=False)]
    if before is None:
        text = f"+ there is a tool server {name} at {_address(after)}"
        return [_say("definition_changed", name, text, more=True), *_terms(name, None, after)]
    found: list[Capability] = []
    if _address(before) != _address(after):
        text = f"~ the tool server {name} is reached at {_address(after)} (was {_address(before)})"
        found.append(_say("definition_changed", name, text, more=True))
    return [*found, *_terms(name, before, after)]


def _terms(name: str, before: str | Server | None, after: str | Server) -> list[Capability]:
    """Return what changes besides the address. One that is only an address is not called by the gateway."""
    was = before if isinstance(before, Server) else None
    if isinstance(after, str):
        return [] if was is None else [_say("lost", name, f"- the gateway no longer calls {name} itself", more=False)]
    old, found = was or Server(), list[Capability]()
    if isinstance(before, str):
        found.append(_say("gained", name, f"+ the gateway may now call {name} itself", more=True))
    if old.protocol != after.protocol and was is not None:
        text = f"~ {name} is spoken to in {after.protocol} (was {old.protocol})"
        found.append(_say("definition_changed", name, text, more=True))
    for what, mine, theirs in (("header", old.headers, after.headers), ("variable", old.env, after.env)):
        found += _credentials(name, what, mine, theirs)
    if old.executable != after.executable and (was is not None or after.executable is not None):
        more = after.executable is None or old.executable is not None
        said = "any program" if after.executable is None else f"only the program {after.executable[:19]}…"
        found.append(_say("definition_changed", name, f"{'~' if more else '-'} {name} runs {said}", more=more))
    for asking in sorted(set(old.may_ask) | set(after.may_ask)):
        more = asking in after.may_ask
        if more != (asking in old.may_ask):
            text = f"{'+' if more else '-'} {name} may {'now' if more else 'no longer'} ask clients for {asking}"
            found.append(_say("widened" if more else "narrowed", name, text, more=more))
    if was is not None and old.timeout_s != after.timeout_s:
        more = after.timeout_s > old.timeout_s
        text = f"{'+' if more else '-'} a call of {name} may take {after.timeout_s} s (was {old.timeout_s} s)"
        found.append(_say("widened" if more else "narrowed", name, text, more=more))
    return found


def _credentials(name: str, what: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[Capability]:
    found: list[Capability] = []
    for place in sorted(before.keys() | after.keys()):
        was, now = before.get(place), after.get(place)
        if was == now:
            continue
        if now is None:
            found.append(_say("narrowed", name, f"- {name} is no longer sent {was} (its {what} {place})", more=False))
        else:
            also = "" if was is None else f" instead of {was}"
            found.append(_say("widened", name, f"+ {name} is sent {now}{also} (its {what} {place})", more=True))
    return found


def _address(server: str | Server | None) -> str:
    return server.address if isinstance(server, Server) else str(server)


def _say(kind: CapabilityKind, subject: str, text: str, *, more: bool) -> Capability:
    return Capability(kind=kind, plane=Plane.TOOLS, subject=subject, text=text, loosens=more)
