# SPDX-License-Identifier: Apache-2.0
"""Who may answer a held call: one row for each way to be nobody who may."""

from typing import Any

import pytest
from msgspec.structs import replace
from tests.approvals.desk import CHARTER, LOCAL, email, person
from tests.approvals.holding import held

from customhouse.approvals.eligible import Objection, named, objection
from customhouse.domain.principal import Actor

REFUNDS: dict[str, Any] = {"approvers": ("group:refunds",)}
CAPTAIN: dict[str, Any] = {"approvers": (), "key_created_by": "local:0"}

ROWS: tuple[tuple[Actor, dict[str, Any], Objection | None, str], ...] = (
    (person("ola"), REFUNDS, None, "of the group, an approver"),
    (person("pat"), REFUNDS, "approver.not_named", "an approver whom nobody named"),
    (person("pat"), {"approvers": ("pat@acme.test", "group:refunds")}, None, "named by address"),
    (person("pat"), {"approvers": ("group:pat@acme.test",)}, "approver.not_named", "a group of that name is not there"),
    (person("ola"), {"approvers": ("group:",)}, "approver.not_named", "no group at all"),
    (person("ola"), {"approvers": ("refunds",)}, "approver.not_named", "a person of that name, not the group"),
    (person("otto"), REFUNDS, "approver.role", "in the group, and no role that decides"),
    (person("dana"), {"approvers": ("dana@acme.test",)}, "approver.requester", "her own key"),
    (person("dana"), {**CAPTAIN, "key_created_by": "Dana@ACME.test"}, "approver.requester", "however it is written"),
    (person("ola"), {**REFUNDS, "on_behalf_of": "user:ola@acme.test"}, "approver.requester", "behind the request"),
    (person("ola"), {**REFUNDS, "on_behalf_of": "ola@acme.test"}, "approver.requester", "without a kind"),
    (person("ola"), {**REFUNDS, "on_behalf_of": "user:OLA@Acme.Test"}, "approver.requester", "in other letters"),
    (person("ola"), {**REFUNDS, "on_behalf_of": "user:\uff4fla@acme.test"}, "approver.requester", "in wide letters"),
    (
        person("ola"),
        {**REFUNDS, "on_behalf_of": "okta:staff:ola@acme.test"},
        "approver.requester",
        "under two prefixes",
    ),
    (
        person("ola"),
        {**REFUNDS, "on_behalf_of": "https://id.test/OLA@acme.test"},
        "approver.requester",
        "in an address",
    ),
    (person("ola"), {**REFUNDS, "on_behalf_of": "id|google|ola@acme.test"}, "approver.requester", "between bars"),
    (person("ola"), {**REFUNDS, "on_behalf_of": "user:mola@acme.test"}, None, "somebody else"),
    (person("ola"), {**REFUNDS, "on_behalf_of": None}, None, "nobody was named"),
    (person("dana"), CAPTAIN, None, "nobody named: the owner"),
    (person("drew"), CAPTAIN, None, "or the deputy"),
    (person("ola"), CAPTAIN, "approver.not_named", "and nobody else"),
    (LOCAL, CAPTAIN, "approver.local_actor", "nobody knows who it is"),
    (Actor("ola@acme.test", "local", frozenset({"approver"})), REFUNDS, "approver.local_actor", "whatever it says"),
    (Actor(email("ola"), "person", frozenset()), REFUNDS, "approver.role", "no role any more"),
    (Actor(email("ola"), "person", frozenset({"admin", "auditor"})), REFUNDS, "approver.role", "other roles"),
)


@pytest.mark.parametrize(("actor", "fields", "expected", "why"), ROWS, ids=[row[3] for row in ROWS])
def test_who_may(actor: Actor, fields: dict[str, Any], expected: Objection | None, why: str) -> None:
    assert objection(held(**fields), actor, CHARTER) == expected, why


def test_without_a_charter_there_is_no_captain_and_no_group() -> None:
    assert objection(held(approvers=(), key_created_by="local:0"), person("dana"), None) == "approver.not_named"
    assert objection(held(), person("ola"), None) == "approver.not_named"


def test_an_assistant_without_a_deputy_has_its_owner_alone() -> None:
    assert named(held(approvers=()), replace(CHARTER, deputy=None)) == {"dana@acme.test"}
