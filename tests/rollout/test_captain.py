# SPDX-License-Identifier: Apache-2.0
"""Whose assistant it is, row by row."""

import pytest
from tests.rollout.yard import BEN, CHARTER, DANA, DREW, LOCAL, OLA, person

from customhouse.domain.errors import NotTheCaptain
from customhouse.domain.principal import Actor
from customhouse.registry.charter import Charter
from customhouse.rollout.captain import require_captain

OPEN = Charter(owner=DANA.name, on_call="x", fallback="y")


@pytest.mark.parametrize(
    ("actor", "charter", "release", "rollback", "why"),
    [
        (DANA, CHARTER, True, True, "the owner"),
        (DREW, CHARTER, True, True, "the deputy"),
        (OLA, CHARTER, False, True, "on-call"),
        (BEN, CHARTER, False, False, "captain of others"),
        (LOCAL, CHARTER, True, True, "has the store's files in hand"),
        (LOCAL, None, True, True, "likewise, before the first release"),
        (DANA, None, False, False, "nobody answers for it yet"),
        (person("None", "captain"), OPEN, False, False, "no deputy is not a person"),
        (Actor("Dana@acme.test", "person", frozenset()), CHARTER, False, False, "names are compared exactly"),
        (person("admin", "admin", "auditor"), CHARTER, False, False, "an admin gives roles and releases nothing"),
    ],
)
def test_who_answers(actor: Actor, charter: Charter | None, release: bool, rollback: bool, why: str) -> None:  # noqa: FBT001 - expectations
    for expected, or_oncall in ((release, False), (rollback, True)):
        try:
            require_captain(actor, "support", charter, or_oncall=or_oncall)
        except NotTheCaptain:
            assert not expected, why
        else:
            assert expected, why
