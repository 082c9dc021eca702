# SPDX-License-Identifier: Apache-2.0
"""Who acts: a Principal on the data plane (an application's key), an Actor on the control plane (a person)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

NO_CLAIMS: Final[Mapping[str, object]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated data-plane caller: one key, one assistant, one environment, one tenant for this turn.

    `verified` means that `issuer` has signed for `on_behalf_of` and for `claims`: scalars and tuples of scalars, within
    bounds. Otherwise there is neither: what a client says of itself alone is no claim. `workflow` is the one that the
    key is bound to.
    """

    key_id: str
    tenant: str
    assistant: str
    environment: str
    on_behalf_of: str | None
    assertion: Literal["none", "asserted", "verified"]
    issuer: str | None = None
    claims: Mapping[str, object] = field(default_factory=lambda: NO_CLAIMS, hash=False)
    key_created_by: str = ""
    workflow: str | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who uses the control API: a person with roles, or `local:<uid>`, who never counts as a second person."""

    name: str
    kind: Literal["person", "local"]
    roles: frozenset[str]
