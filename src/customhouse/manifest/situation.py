# SPDX-License-Identifier: Apache-2.0
"""What a call is tried under: who asks, for whom, with which data, after how much else. Pure."""

from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta

from customhouse.domain.label import Classification, ClassificationName, classification
from customhouse.domain.principal import Principal
from customhouse.manifest.words import Count, Name, Text
from customhouse.planes.tools.facts import Facts, facts
from customhouse.planes.tools.permit import Batch
from customhouse.registry.environment import EnvironmentName

Claims = Annotated[
    dict[str, Any], Meta(description="Claims of a verified token.", extra={"expected": "a mapping of claims"})
]


class Situation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What rules see besides the call. Claims are there only where the person behind is `verified`.

    `earlier_calls` are those that the turn has let through already.
    """

    tenant: Name = "acme"
    environment: EnvironmentName = "dev"
    key: Name = "key"
    subject: Text | None = None
    verified: bool = False
    claims: Claims = {}
    classification: ClassificationName = "internal"
    workflow: Name | None = None
    earlier_calls: Count = 0


def seen(situation: Situation, assistant: str) -> Facts:
    """Return the facts of a turn in this situation, as the gateway makes them."""
    claims = {name: _frozen(value) for name, value in situation.claims.items()}
    asserted = "none" if situation.subject is None else "asserted"
    principal = Principal(
        situation.key,
        situation.tenant,
        assistant,
        situation.environment,
        situation.subject,
        "verified" if situation.verified else asserted,
        claims=claims if situation.verified else {},
    )
    level = classification(situation.classification) or Classification.RESTRICTED
    return facts(principal, level, situation.workflow or "")


def _frozen(value: object) -> object:
    """Return a claim as a token's reader gives it."""
    return tuple(cast("list[object]", value)) if isinstance(value, list) else value


def used(situation: Situation) -> Batch:
    """Return what the turn's earlier calls have used up."""
    return Batch(situation.earlier_calls)
