# SPDX-License-Identifier: Apache-2.0
"""The table of roles and verbs, as a picture that a reviewer can read, and its rules."""

import pytest
from tests.golden.golden import check_golden

from customhouse.access.roles import ROLES, TABLE, VERBS, Role, Verb, allowed, roles_with
from customhouse.domain.principal import Actor


def person(*roles: str) -> Actor:
    return Actor("dana@acme.test", "person", frozenset(roles))


LOCAL = Actor("local:0", "local", frozenset())


def test_the_table_is_the_golden_picture() -> None:
    actors = {**{role: person(role) for role in ROLES}, "local": LOCAL}
    width = max(len(verb) for verb in VERBS)
    lines = [" ".join(["verb".ljust(width), *actors])]
    lines += [
        " ".join(
            [
                verb.ljust(width),
                *(
                    "yes".ljust(len(name)) if allowed(actor, verb) else "-".ljust(len(name))
                    for name, actor in actors.items()
                ),
            ]
        ).rstrip()
        for verb in VERBS
    ]
    check_golden("permissions.txt", "\n".join(lines) + "\n")


def test_every_role_stands_in_the_table_with_known_verbs_only() -> None:
    assert set(TABLE) == set(ROLES)
    assert set().union(*TABLE.values()) == set(VERBS), "a verb that no role allows, or one that does not exist"


@pytest.mark.parametrize(
    ("roles", "verb", "expected", "because"),
    [
        ((), "status.read", False, "nobody is allowed anything by default"),
        (("root",), "people.manage", False, "an unknown role allows nothing"),
        (("Admin",), "people.manage", False, "roles are exact"),
        (("admin",), "release.publish", False, "who gives out roles does not release"),
        (("admin",), "change.review", False, "nor review"),
        (("admin",), "trace.read", False, "nor read what customers wrote"),
        (("captain",), "change.review", False, "releasing and reviewing are two roles"),
        (("captain",), "people.manage", False, "a captain cannot make himself an admin"),
        (("captain", "approver"), "change.review", True, "one person may hold two roles"),
        (("oncall",), "pins.rollback", True, "tightening never waits"),
        (("oncall",), "keys.revoke", True, "likewise"),
        (("oncall",), "hold.lift", False, "loosening does"),
        (("oncall",), "pins.promote", False, "likewise"),
        (("auditor",), "trace.payloads", True, "an auditor reads everything"),
        (("auditor",), "keys.revoke", False, "and changes nothing"),
    ],
)
def test_who_may(roles: tuple[str, ...], verb: Verb, expected: bool, because: str) -> None:  # noqa: FBT001 - a row
    assert allowed(person(*roles), verb) is expected, because


def test_a_local_actor_may_everything_but_what_asks_for_a_person() -> None:
    assert {verb for verb in VERBS if not allowed(LOCAL, verb)} == {"change.review", "approval.decide"}


@pytest.mark.parametrize("role", ["auditor", "approver"])
def test_reading_roles_change_nothing(role: Role) -> None:
    changing = {verb for verb in TABLE[role] if not verb.endswith((".read", ".payloads", ".arguments"))}
    assert changing == ({"change.review", "approval.decide"} if role == "approver" else set())


def test_roles_with_names_the_roles_of_a_verb() -> None:
    assert roles_with("pins.rollback") == ("captain", "oncall")
