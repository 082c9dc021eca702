# SPDX-License-Identifier: Apache-2.0
"""What a rule on a call may look at besides the call itself: who asks, for whom, with which data. Pure.

Rule kept: a client chooses what it says of itself, and a rule can only narrow. `principal.verified` tells whether the
person behind was proved or only named; claims are there only when they were signed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from customhouse.domain.label import CLASSIFICATION_NAMES, Classification
from customhouse.domain.principal import Principal

CLASSES: Final[Mapping[str, int]] = MappingProxyType({name: level for level, name in enumerate(CLASSIFICATION_NAMES)})
PRINCIPAL_FIELDS: Final = frozenset({"key", "tenant", "environment", "subject", "verified"})
"""What `principal` always has. A verified token's claims stand beside them and take the place of none of them."""
DATA_FIELDS: Final = frozenset({"classification", "tenant"})
TOOL_FIELDS: Final = frozenset({"name", "effect"})


@dataclass(frozen=True, slots=True)
class Facts:
    """One turn, as rules see it. `variables` is what they are evaluated with, apart from `args` and `tool`.

    `asserted` says that the turn is for somebody whom the client named and nobody proved.
    """

    workflow: str
    variables: Mapping[str, object] = field(default_factory=dict[str, object])
    asserted: bool = False


def facts(principal: Principal, level: Classification, workflow: str = "") -> Facts:
    """Return the facts of a turn of this caller, on data of this class."""
    return Facts(
        workflow,
        {
            "principal": {
                **principal.claims,
                "key": principal.key_id,
                "tenant": principal.tenant,
                "environment": principal.environment,
                "subject": principal.on_behalf_of or "",
                "verified": principal.assertion == "verified",
            },
            "data": {"classification": int(level), "tenant": principal.tenant},
            "workflow": workflow,
            **CLASSES,
        },
        principal.assertion == "asserted",
    )
