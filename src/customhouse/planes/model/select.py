# SPDX-License-Identifier: Apache-2.0
"""Which deployments may answer a turn, in order. Pure; what a deployment may not see is decided here and nowhere else.

Fallback is the rest of the same list, so it can never leave what the data's class, residency and posture allow.

Story: a confidential turn of an assistant whose route is [small-chat at home, big-chat abroad]. big-chat's provider
accepts internal data, so the list is small-chat alone; when it is down, the turn gets the fallback answer. The
assistant is hybrid until June: from the first of July nothing of it leaves any more, and small-chat still answers.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final
from urllib.parse import urlsplit

from customhouse.budget.limit import counts
from customhouse.dialects.provider import PROVIDERS
from customhouse.domain.label import Classification, classification
from customhouse.outgoing.reference import refusal as reference_refusal
from customhouse.planes.model.address import address as address_of
from customhouse.planes.model.condition import compiled
from customhouse.planes.model.condition import facts as facts_of
from customhouse.planes.model.document import POSTURES_WITHIN, Deployment, Document, Posture
from customhouse.planes.model.reference import reference

OUTSIDE: Final = frozenset({"api", "managed"})
"""Postures whose provider is someone else: what is asked there leaves us."""
_EPOCH: Final = date(1970, 1, 1).toordinal()
_DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Facts:
    """What a route may look at. `now_us` is what a posture's end is held against; without it, it has ended."""

    classification: Classification
    tenant: str
    environment: str
    residency: tuple[str, ...] = ()
    task: str = ""
    region: str = ""
    workflow: str = ""
    now_us: int | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """The deployments to try, in order, for data of one class, and why others are not among them (name, reason)."""

    classification: Classification
    deployments: tuple[Deployment, ...] = ()
    excluded: tuple[tuple[str, str], ...] = ()


class Route:
    """A model document's route, compiled once for each snapshot."""

    __slots__ = ("_choices", "_document")

    def __init__(self, document: Document) -> None:
        """Compile the conditions. Raises ValueError for one that does not parse, or an unknown or misnamed name."""
        self._document = document
        self._choices = tuple(
            (choice, None if choice.when is None else compiled(choice.when)) for choice in document.route
        )
        for key, deployment in document.deployments.items():
            if key != deployment.name:
                raise ValueError(f"the deployment {key} calls itself {deployment.name}: both must be one name")
            _require_address(deployment)
        for choice in document.route:
            for name in choice.use:
                if name not in document.deployments:
                    raise ValueError(f"the route names {name}, which is not among the document's deployments")
        ends_us(document.posture)

    def select(self, facts: Facts) -> Selection:
        """Return what may answer. An error in a condition selects nothing: the next entry may be the looser one."""
        entry = self.entry(facts)
        if isinstance(entry, str):
            return Selection(facts.classification, excluded=(("route", entry),))
        return self.within(entry, facts)

    def entry(self, facts: Facts) -> int | str:
        """Return the place of the entry that is used, or the reason for which none is."""
        values: dict[str, object] | None = None
        for place, (_, program) in enumerate(self._choices):
            if program is None:
                return place
            values = values or facts_of(
                int(facts.classification), facts.tenant, facts.environment, facts.task, facts.region, facts.workflow
            )
            try:
                holds: object = program.execute(values)
            except Exception:  # noqa: BLE001 - the engine raises several types; each of them is a refusal
                return "route.condition_failed"
            if holds is True:
                return place
        return "route.no_entry"

    def within(self, entry: int, facts: Facts) -> Selection:
        """Return which deployments of one entry may see the data."""
        chosen: list[Deployment] = []
        excluded: list[tuple[str, str]] = []
        for name in self._choices[entry][0].use:
            deployment = self._document.deployments[name]
            reason = refusal(deployment, self._document, facts)
            if reason is None:
                chosen.append(deployment)
            else:
                excluded.append((name, reason))
        return Selection(facts.classification, tuple(chosen), tuple(excluded))


def refusal(deployment: Deployment, document: Document, facts: Facts) -> str | None:
    """Return why a deployment of a document may not answer, or None when it may."""
    if deployment.dialect not in PROVIDERS:
        return "route.dialect"
    use, allowed = document.posture.use, document.postures_allowed
    if deployment.posture not in POSTURES_WITHIN[use] or (allowed and use not in allowed):
        return "route.posture"
    if deployment.posture in OUTSIDE and document.posture.until is not None:
        end_us = ends_us(document.posture)
        if facts.now_us is None or end_us is None or facts.now_us >= end_us:
            return "route.posture_ended"
    accepts = classification(deployment.accepts)
    if accepts is None or facts.classification > accepts:
        return "route.classification"
    if facts.residency and deployment.region not in facts.residency:
        return "route.residency"
    if deployment.price is None and counts(document.limits, "money"):
        return "route.unpriced"
    return None


def ends_us(posture: Posture) -> int | None:
    """Return when a posture has ended: as its last day has passed, in UTC. Raises ValueError where that is no day."""
    if posture.until is None:
        return None
    return (date.fromisoformat(posture.until).toordinal() + 1 - _EPOCH) * _DAY_US


def _require_address(deployment: Deployment) -> None:
    """Raise ValueError unless a deployment can be asked: where its provider is, and by whose credential."""
    address = urlsplit(deployment.base_url)
    if address.scheme not in {"http", "https"} or not address.hostname or address.username or address.query:
        raise ValueError(f"the base_url of {deployment.provider} is no http or https address without credentials")
    address_of(deployment, "/models")
    found = reference(deployment)
    refused = None if found is None else reference_refusal(found)
    if refused is not None:
        raise ValueError(f"the credential of {deployment.provider}: {refused}")
