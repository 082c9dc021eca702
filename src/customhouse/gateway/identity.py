# SPDX-License-Identifier: Apache-2.0
"""Step 1: who calls. A key decides assistant, environment, tenants; what a client says of itself can only narrow.

A key that is bound to a workflow decides that too.

Story: Ola's key for the shop bot was made with `--delegate 'user:*' --tenants a,b`. Her backend may say it acts for
user:42 of tenant b. When it says tenant c, or someone steals the key and claims `admin:1`, the answer is 403.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final

from customhouse.access import jwt
from customhouse.access.credentials import ApiKey, Credentials
from customhouse.access.issuers import Issuers
from customhouse.domain.errors import (
    AssistantUnknown,
    DelegationRefused,
    InvalidRequest,
    TenantRefused,
    Unauthenticated,
    UnknownClassification,
    VerificationRequired,
    WorkflowRefused,
)
from customhouse.domain.label import CLASSIFICATION_NAMES, Classification, classification
from customhouse.domain.principal import Principal

ON_BEHALF_OF: Final = "customhouse-on-behalf-of"
TENANT: Final = "customhouse-tenant"
CLASSIFICATION: Final = "customhouse-classification"
TASK: Final = "customhouse-task"
WORKFLOW: Final = "customhouse-workflow"
_MAX_NAMED: Final = 20
"""Workflows that a refusal names."""
_SUBJECT: Final = re.compile(r"[\x21-\x7e]{1,256}")
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def authenticate(headers: Mapping[str, str], credentials: Credentials) -> ApiKey:
    """Return the key that was sent. Raises Unauthenticated; one lookup by the hash of the whole token."""
    authorization = headers.get("authorization")
    bearer = None
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated(f"the Authorization scheme is {scheme[:16]!r}, `Bearer` expected")
        bearer = token.strip()
    sent = {token for token in (bearer, headers.get("x-api-key")) if token is not None}
    if len(sent) != 1:
        raise Unauthenticated("two different keys were sent; send one" if sent else None)
    key = credentials.key(sent.pop())
    if key is None:
        raise Unauthenticated
    return key


def principal(key: ApiKey, headers: Mapping[str, str], issuers: Issuers) -> Principal:
    """Return who this turn acts for. Raises TenantRefused, WorkflowRefused and DelegationRefused.

    What has the form of a token counts as verified or not at all: one that fails is never taken for a name.
    """
    said = headers.get(ON_BEHALF_OF)
    caller = Principal(
        key.id,
        _tenant(key, headers.get(TENANT)),
        key.assistant,
        key.environment,
        None,
        "none",
        key_created_by=key.created_by,
        workflow=key.workflow,
    )
    if key.workflow is not None and headers.get(WORKFLOW, key.workflow) != key.workflow:
        raise WorkflowRefused
    if said is None:
        return caller
    if not jwt.shaped(said):
        _require_grant(key, said)
        return replace(caller, on_behalf_of=said, assertion="asserted")
    try:
        found = issuers.verify(said, caller.tenant)
    except jwt.Refused as refused:
        raise DelegationRefused(f"the token in {ON_BEHALF_OF} is refused: {refused}") from None
    _require_grant(key, found.subject)
    return replace(caller, on_behalf_of=found.subject, assertion="verified", issuer=found.issuer, claims=found.claims)


def _require_grant(key: ApiKey, subject: str) -> None:
    if _SUBJECT.fullmatch(subject) is None or not key.may_act_for(subject):
        raise DelegationRefused


def turn_class(
    floor: Classification, headers: Mapping[str, str], labels: Iterable[Classification] = ()
) -> Classification:
    """Return the class of a turn's data: the highest of the floor, the client's claim and the data's own labels.

    Raises UnknownClassification.
    """
    floor = max((floor, *labels))
    claim = headers.get(CLASSIFICATION)
    if claim is None:
        return floor
    claimed = classification(claim)
    if claimed is None:
        raise UnknownClassification(
            f"{CLASSIFICATION} is {claim[:32]!r}, one of {', '.join(CLASSIFICATION_NAMES)} expected"
        )
    return max(floor, claimed)


def require_proof(caller: Principal, level: Classification) -> None:
    """Refuse restricted data to a caller who acts for a name that nobody proved. Raises VerificationRequired.

    Who names nobody asks as the key, which was given to somebody for data of this class.
    """
    if level >= Classification.RESTRICTED and caller.assertion == "asserted":
        raise VerificationRequired(param=ON_BEHALF_OF)


def task(headers: Mapping[str, str]) -> str:
    """Return what the client says the turn is for, or "". Raises InvalidRequest.

    It grants nothing: a route chooses by it among deployments that may see the data.
    """
    said = headers.get(TASK, "")
    if TASK in headers and _WORD.fullmatch(said) is None:
        expected = "one word of letters, digits, '_', '-' and '.' expected, at most 64 characters"
        raise InvalidRequest(f"{TASK} is {said[:64]!r}, {expected}", param=TASK)
    return said


def workflow(headers: Mapping[str, str], bound: str | None, declared: Collection[str]) -> str:
    """Return the workflow that the turn runs in, or "": the one that the key is bound to, else a declared one.

    Raises InvalidRequest. A client's word grants nothing, like a task. A bound workflow that is not declared (any
    more) stays the turn's workflow, in which there is no tool.
    """
    if bound is not None:
        return bound
    said = headers.get(WORKFLOW, "")
    if WORKFLOW in headers and said not in declared:
        known = ", ".join(sorted(declared)[:_MAX_NAMED]) or "none"
        raise InvalidRequest(f"{WORKFLOW} is {said[:64]!r}; this assistant's workflows: {known}", param=WORKFLOW)
    return said


def named(model: str, assistant: str, aliases: tuple[str, ...]) -> None:
    """Check that the request's `model` names the key's assistant. Raises AssistantUnknown."""
    if model != assistant and model not in aliases:
        raise AssistantUnknown(param="model")


def client_trace(headers: Mapping[str, str]) -> str | None:
    """Return the W3C trace id a client works under (trace context level 1, 3.2), or None."""
    said = headers.get("traceparent")
    found = None if said is None else _TRACEPARENT.fullmatch(said)
    return found.group(1) if found else None


def unique(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by lower-case name. Raises InvalidRequest when one that decides something is sent twice."""
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name = raw_name.decode("latin-1").lower()
        if name in found and (name.startswith("customhouse-") or name in {"authorization", "x-api-key", "host"}):
            raise InvalidRequest(f"the header {name} is sent twice")
        found[name] = raw_value.decode("latin-1")
    return found


def _tenant(key: ApiKey, wanted: str | None) -> str:
    if wanted is None:
        if len(key.tenants) == 1:
            return key.tenants[0]
        raise TenantRefused(f"the key is bound to {len(key.tenants)} tenants; choose one with the {TENANT} header")
    if wanted not in key.tenants:
        raise TenantRefused
    return wanted
