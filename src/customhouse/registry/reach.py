# SPDX-License-Identifier: Apache-2.0
"""Whether anything in force has the name that a scope names: a switch over a misspelt name would deny nothing. Pure.

Story: at night Ola throws `tool:issue_refnud`. It stands, since a tool may be switched off before the release that
grants it. She reads at once that no release in force names it, and that issue_refund is the nearest that one does.
"""

import difflib
from collections.abc import Iterable

from customhouse.registry.snapshot import Snapshot
from customhouse.registry.switches import Scope


def nothing_named(scope: Scope, snapshots: Iterable[Snapshot], tenants: Iterable[str]) -> str | None:
    """Return a sentence when nothing in force, or no key (tenants), has the scope's name; None when something has."""
    names = _names(scope, tuple(snapshots), tenants)
    if names is None or scope.name in names:
        return None
    if scope.kind == "tenant":  # whose names are not for everybody to guess at
        return f"no key has the tenant {scope.name}, so this denies nothing now"
    near = difflib.get_close_matches(scope.name, names, n=1, cutoff=0.6)
    hint = f"; did you mean {scope.kind}:{near[0]}?" if near else ""
    return f"nothing in force has the {scope.kind} {scope.name}, so this denies nothing now{hint}"


def _names(scope: Scope, snapshots: tuple[Snapshot, ...], tenants: Iterable[str]) -> frozenset[str] | None:
    """Return the names that a scope of this kind could have; None for those whose names are fixed."""
    deployments = [each for found in snapshots for each in found.documents.model.deployments.values()]
    match scope.kind:
        case "assistant":
            return frozenset(found.assistant for found in snapshots)
        case "tool":
            return frozenset(name for found in snapshots for name in found.documents.tools.grants)
        case "provider":
            return frozenset(each.provider for each in deployments)
        case "deployment":
            return frozenset(each.label for each in deployments)
        case "tenant":
            return frozenset(tenants)
        case "all" | "effect" | "environment":
            return None
