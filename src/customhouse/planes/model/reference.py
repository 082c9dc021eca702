# SPDX-License-Identifier: Apache-2.0
"""Where a deployment's credential comes from. Pure."""

from functools import lru_cache
from typing import Final

from customhouse.outgoing.reference import Kind, Reference
from customhouse.planes.model.document import Deployment

MAX_KEPT: Final = 1000
"""Deployments whose reference is kept ready for the next call."""


@lru_cache(maxsize=MAX_KEPT)
def reference(deployment: Deployment) -> Reference | None:
    """Return where a deployment's credential comes from; None when it asks for none. Raises ValueError for two."""
    named: tuple[tuple[Kind, str | None], ...] = (
        ("env", deployment.api_key_env),
        ("file", deployment.api_key_file),
        ("command", deployment.api_key_command),
    )
    found = [Reference(kind, name) for kind, name in named if name is not None]
    if len(found) > 1:
        raise ValueError(f"{deployment.provider} names two credentials: {found[0]} and {found[1]}")
    return found[0] if found else None
