# SPDX-License-Identifier: Apache-2.0
"""Can these documents be put to work? Asked before anything is published, by the same code that will use them. Pure.

A document that a gateway could not compile would be refused there at the next turn, after it is in force; it is cheaper
to refuse it here, where somebody is looking.
"""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from customhouse.domain.clock import utc_day
from customhouse.domain.errors import InvalidRequest, ManifestInvalid, ModelRetired
from customhouse.domain.plane import Plane
from customhouse.planes.model.document import POSTURES_WITHIN
from customhouse.planes.model.document import Document as ModelDocument
from customhouse.planes.model.embedding import embedding_route, embeds
from customhouse.planes.model.parameters import released, untold
from customhouse.planes.model.select import OUTSIDE, Route, ends_us
from customhouse.planes.prompt.render import Prompt
from customhouse.planes.tools.definition import parameters_problem
from customhouse.registry.charter import Charter
from customhouse.registry.conflict import routed
from customhouse.registry.documents import Documents
from customhouse.registry.retirement import day_problem, retirement_conflict
from customhouse.rollout.fit import require_fit
from customhouse.rollout.names import misnamed

MAX_DOCUMENT_BYTES: Final = 1024 * 1024
"""One document at most; a prompt of a megabyte is a mistake."""
MAX_NAME_CHARACTERS: Final = 254
"""A person's e-mail address (RFC 5321, 4.5.3.1.3, without the angle brackets) or a group's name."""
MAX_MEMBERS: Final = 1000
"""Members of all groups of a charter together."""
MAX_NAMED: Final = 20
"""Tools named in one error message."""


def require_usable(documents: Documents, charter: Charter) -> dict[Plane, bytes]:
    """Return the documents' canonical bytes. Raises ManifestInvalid, InvalidRequest, PlanesConflict."""
    undeclared = sorted(name for name, grant in documents.tools.grants.items() if grant.effect == "undeclared")
    if undeclared:
        listed = ", ".join(undeclared[:MAX_NAMED])
        raise ManifestInvalid(f"no effect is declared for {listed}: name read, write or irreversible under `tools:`")
    require_fit(documents)
    try:
        Prompt(documents.prompt)
        Route(documents.model)
        embedding_route(documents.model)
        released(documents.model.parameters)
        _require_parameters(documents)
        _require_told(documents.model)
        _require_posture(documents.model)
        _require_outside(documents.model)
        _require_days(documents)
    except ValueError as error:
        raise ManifestInvalid(f"a document cannot be put to work: {error}") from error
    if any(len(name) > MAX_NAME_CHARACTERS for name in _names(charter)):
        raise ManifestInvalid(f"a name in the charter has more than {MAX_NAME_CHARACTERS} characters")
    if sum(map(len, charter.groups.values())) > MAX_MEMBERS:
        raise ManifestInvalid(f"the charter's groups have more than {MAX_MEMBERS} members together")
    problem = misnamed(documents, charter)
    if problem is not None:
        raise ManifestInvalid(problem)
    return _encoded(documents)


def require_lasting(document: ModelDocument, now_us: int) -> None:
    """Raise ManifestInvalid when the posture has ended: from then on nothing of it would leave."""
    end_us = ends_us(document.posture)
    if end_us is not None and now_us >= end_us:
        posture = document.posture
        raise ManifestInvalid(f"the posture {posture.use} ended on {posture.until}: renew it or leave it")


def require_in_service(document: ModelDocument, now_us: int) -> None:
    """Raise ModelRetired for a route to a retired deployment, also beside others: nobody should begin with one."""
    conflict = retirement_conflict(document, utc_day(now_us))
    if conflict is not None:
        raise ModelRetired(
            f"{conflict.text}. Route to other models; where a provider still answers, `retires` in the manifest says "
            "until when"
        )


def _require_posture(document: ModelDocument) -> None:
    """Raise ValueError for a deployment that no turn could ask: it would be a promise that nothing keeps."""
    use, allowed = document.posture.use, document.postures_allowed
    if allowed and use not in allowed:
        raise ValueError(f"the posture is {use}, and the organisation allows {', '.join(allowed)}")
    for deployment in (*routed(document), *routed(embeds(document))):
        if deployment.posture not in POSTURES_WITHIN[use]:
            raise ValueError(f"{deployment.label} is {deployment.posture}, in an assistant of posture {use}")


def _require_outside(document: ModelDocument) -> None:
    """Raise ValueError for a provider outside that would be sent what no terms cover, or anything in the clear.

    A manifest compiles to no such provider; documents come from other clients too. What goes to this machine leaves it
    by the proxy that listens there.
    """
    for deployment in document.deployments.values():
        if deployment.posture not in OUTSIDE:
            continue
        address = urlsplit(deployment.base_url)
        if address.scheme == "http" and not _local(address.hostname or ""):
            raise ValueError(f"{deployment.label} is {deployment.posture}, and its address is not https")
        if deployment.terms is None and deployment.accepts != "public":
            raise ValueError(f"{deployment.label} is {deployment.posture}, and without terms it gets public data only")


def _local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _require_told(document: ModelDocument) -> None:
    """Raise ValueError for a parameter that a deployment would never be told: every turn would pass it over."""
    for deployment in routed(document):
        field = untold(deployment, document.parameters)
        if field is not None:
            raise ValueError(f"{deployment.label} speaks {deployment.dialect}, which cannot be told this {field}")


def _require_parameters(documents: Documents) -> None:
    for name, grant in documents.tools.grants.items():
        problem = None if grant.parameters is None else parameters_problem(grant.parameters)
        if problem is not None:
            raise ValueError(f"the parameters of {name}: {problem}")


def _require_days(documents: Documents) -> None:
    problem = day_problem(documents.model)
    if problem is not None:
        raise ValueError(problem)


def _names(charter: Charter) -> Iterator[str]:
    yield charter.owner
    yield charter.deputy or ""
    for group, members in charter.groups.items():
        yield group
        yield from members


def _encoded(documents: Documents) -> dict[Plane, bytes]:
    try:
        contents = documents.encoded()
    except ValueError as error:
        raise InvalidRequest(f"a document has no canonical form: {error}") from error
    for plane, content in contents.items():
        if len(content) > MAX_DOCUMENT_BYTES:
            raise ManifestInvalid(f"the {plane} document has {len(content)} bytes, at most {MAX_DOCUMENT_BYTES}")
    return contents
