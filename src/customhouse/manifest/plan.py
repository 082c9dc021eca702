# SPDX-License-Identifier: Apache-2.0
"""What would change: between two states of an assistant, in capabilities, planes and the charter. Pure.

`diff` shows a Difference; `plan` adds what an environment makes of it: whether a second person is asked, and conflicts.
"""

from datetime import date

import msgspec

from customhouse.domain.capability import Capability
from customhouse.domain.plane import PLANES, Plane
from customhouse.manifest.compile import Compiled
from customhouse.planes.tools.document import Document as ToolsDocument
from customhouse.registry.capability import compare, loosens
from customhouse.registry.capability_tools import tools_changes
from customhouse.registry.charter import Charter
from customhouse.registry.conflict import Conflict, conflicts
from customhouse.registry.retirement import retirement_conflict


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What changes for one assistant. `first`: there was nothing before; `gone`: there is nothing after."""

    assistant: str
    planes: tuple[Plane, ...]
    capabilities: tuple[Capability, ...]
    charter: tuple[str, ...]
    loosens: bool
    first: bool = False
    gone: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing changes at all."""
        return not (self.planes or self.charter or self.first or self.gone)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a release would do in one environment. `holds` are those that would refuse it, one sentence each."""

    difference: Difference
    environment: str
    reviewers: int
    needs_review: bool
    conflicts: tuple[Conflict, ...]
    holds: tuple[str, ...] = ()


def difference(assistant: str, before: Compiled | None, after: Compiled) -> Difference:
    """Return what changes from `before` (None: nothing) to `after`."""
    capabilities = compare(before.documents if before else None, after.documents)
    old = before.documents.digests() if before else {}
    new = after.documents.digests()
    return Difference(
        assistant=assistant,
        planes=tuple(plane for plane in PLANES if old.get(plane) != new[plane]),
        capabilities=capabilities,
        charter=charter_changes(before.charter if before else None, after.charter),
        loosens=loosens(capabilities),
        first=before is None,
    )


def policy_difference(assistant: str, before: ToolsDocument | None, after: ToolsDocument) -> Difference:
    """Return what changes of an assistant that has a policy only."""
    old = before or ToolsDocument(grants={})
    capabilities = tuple(tools_changes(old, after))
    return Difference(
        assistant=assistant,
        planes=(Plane.TOOLS,) if old != after else (),
        capabilities=capabilities,
        charter=(),
        loosens=loosens(capabilities),
        first=before is None,
    )


def plan(
    change: Difference, after: Compiled, *, environment: str, reviewers: int, today: date, holds: tuple[str, ...] = ()
) -> Plan:
    """Return what a release of `after` would do, `today`, in an environment that asks for `reviewers` other people."""
    retirement = retirement_conflict(after.documents.model, today)
    return Plan(
        difference=change,
        environment=environment,
        reviewers=reviewers,
        needs_review=change.loosens and reviewers > 0,
        conflicts=(*conflicts(after.documents), *((retirement,) if retirement else ())),
        holds=holds,
    )


def charter_changes(before: Charter | None, after: Charter) -> tuple[str, ...]:
    """Return one sentence for each field of the charter that changes; none for a first charter."""
    if before is None:
        return ()
    found: list[str] = []
    for field in ("owner", "deputy", "on_call", "fallback", "purpose"):
        was, now = getattr(before, field), getattr(after, field)
        if was != now:
            found.append(f"~ {field} is {now or 'nobody'} (was {was or 'nobody'})")
    if before.regulation != after.regulation:
        found.append(f"~ regulation is {', '.join(after.regulation) or 'none'}")
    for group in sorted(before.groups.keys() | after.groups.keys()):
        was, now = set(before.groups.get(group, ())), set(after.groups.get(group, ()))
        found += [f"+ {person} may approve as {group}" for person in sorted(now - was)]
        found += [f"- {person} may no longer approve as {group}" for person in sorted(was - now)]
    return tuple(found)
