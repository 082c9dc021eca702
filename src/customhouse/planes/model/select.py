# SPDX-License-Identifier: Apache-2.0
"""Which deployments may answer a turn, in order. Pure; what a deployment may not see is decided here and nowhere else.

Fallback is the rest of the same list, so it can never leave what the data's class, residency and posture allow.

Story: a confidential turn of an assistant whose route is [small-chat at home, big-chat abroad]. big-chat's provider
accepts internal data, so the list is small-chat alone; when it is down, the turn gets the fallback answer.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from customhouse.domain.label import Classification, classification
from customhouse.planes.model.condition import compiled
from customhouse.planes.model.condition import facts as facts_of
from customhouse.planes.model.document import POSTURES_WITHIN, Choice, Deployment, Document, PostureName


@dataclass(frozen=True, slots=True)
class Facts:
    """What a route may look at."""

    classification: Classification
    tenant: str
    environment: str
    residency: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """The deployments to try, in order, and why others are not among them (deployment name, reason code)."""

    deployments: tuple[Deployment, ...]
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

    def select(self, facts: Facts) -> Selection:
        """Return what may answer. An error in a condition selects nothing: the next entry may be the looser one."""
        values = facts_of(int(facts.classification), facts.tenant, facts.environment)
        for choice, program in self._choices:
            if program is None:
                return self._within(choice, facts)
            try:
                holds: object = program.execute(values)
            except Exception:  # noqa: BLE001 - the engine raises several types; each of them is a refusal
                return Selection((), (("route", "route.condition_failed"),))
            if holds is True:
                return self._within(choice, facts)
        return Selection((), (("route", "route.no_entry"),))

    def _within(self, choice: Choice, facts: Facts) -> Selection:
        chosen: list[Deployment] = []
        excluded: list[tuple[str, str]] = []
        for name in choice.use:
            deployment = self._document.deployments[name]
            reason = refusal(deployment, self._document.posture.use, facts)
            if reason is None:
                chosen.append(deployment)
            else:
                excluded.append((name, reason))
        return Selection(tuple(chosen), tuple(excluded))


def refusal(deployment: Deployment, posture: PostureName, facts: Facts) -> str | None:
    """Return why a deployment may not answer, or None when it may."""
    if deployment.dialect != "openai_chat":
        return "route.dialect"
    if deployment.posture not in POSTURES_WITHIN[posture]:
        return "route.posture"
    accepts = classification(deployment.accepts)
    if accepts is None or facts.classification > accepts:
        return "route.classification"
    if facts.residency and deployment.region not in facts.residency:
        return "route.residency"
    return None


def _require_address(deployment: Deployment) -> None:
    """Raise ValueError unless the provider's address is http(s), with a host and without credentials in it."""
    address = urlsplit(deployment.base_url)
    if address.scheme not in {"http", "https"} or not address.hostname or address.username or address.query:
        raise ValueError(f"the base_url of {deployment.provider} is no http or https address without credentials")
