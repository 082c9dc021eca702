# SPDX-License-Identifier: Apache-2.0
"""Who acts: a Principal on the data plane (an application's key), an Actor on the control plane (a person)."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated data-plane caller: one key, one assistant, one environment, one tenant for this turn."""

    key_id: str
    tenant: str
    assistant: str
    environment: str
    on_behalf_of: str | None
    assertion: Literal["none", "asserted"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who uses the control API: a person with roles, or `local:<uid>`, who never counts as a second person."""

    name: str
    kind: Literal["person", "local"]
    roles: frozenset[str]
