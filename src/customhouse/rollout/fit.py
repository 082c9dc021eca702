# SPDX-License-Identifier: Apache-2.0
"""Do the planes fit each other after a move? If not: every conflict, and the one step that would work. Pure."""

import shlex
from collections.abc import Iterable

from customhouse.domain.errors import PlanesConflict
from customhouse.domain.plane import Plane
from customhouse.registry.conflict import conflicts
from customhouse.registry.documents import Documents


def require_fit(documents: Documents, fixes: Iterable[tuple[str, Documents]] = ()) -> None:
    """Raise PlanesConflict unless `documents` fit.

    `fixes` are commands with the documents that would then be in force, best first; the first whose documents fit is
    offered. They are looked at only when there is a conflict.
    """
    found = conflicts(documents)
    if not found:
        return
    fix = next((command for command, then in fixes if not conflicts(then)), None)
    listed = "; ".join(conflict.text for conflict in found)
    step = "No set of planes fits in one step: release a fix" if fix is None else f"This works in one step: {fix}"
    raise PlanesConflict(f"The planes would not fit each other: {listed}. {step}")


def rollback_command(assistant: str, planes: Iterable[Plane], number: int, environment: str, reason: str) -> str:
    """Return the rollback as it is typed."""
    named = ",".join(planes)
    return (
        f"customhouse rollback {shlex.quote(assistant)} --plane {named} --to {number} "
        f"--environment {environment} --reason {shlex.quote(reason)}"
    )
