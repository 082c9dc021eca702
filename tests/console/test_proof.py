# SPDX-License-Identifier: Apache-2.0
"""What a form proves, and for whom."""

from typing import Final

import pytest

from customhouse.access.sessions import Session
from customhouse.console.proof import form_proof, is_form_proof, parts_shown, shown_proof
from customhouse.domain.principal import Actor

DANA: Final = Session(Actor("dana@acme.test", "person", frozenset()), "chs_" + "d" * 43)
OTHER: Final = Session(DANA.actor, "chs_" + "e" * 43)


def test_a_form_is_of_one_session() -> None:
    assert is_form_proof(DANA, form_proof(DANA))
    assert not is_form_proof(DANA, form_proof(OTHER)), "another browser of the same person"
    assert not is_form_proof(DANA, "")
    assert not is_form_proof(DANA, form_proof(DANA) + "0")
    assert not is_form_proof(DANA, "\u0430")


def test_what_was_shown_is_of_one_session_one_subject_and_one_number() -> None:
    proof = shown_proof(DANA, "approval:digest", 3)
    assert parts_shown(DANA, "approval:digest", proof) == 3
    assert parts_shown(OTHER, "approval:digest", proof) == 0
    assert parts_shown(DANA, "approval:other", proof) == 0
    assert parts_shown(DANA, "approval:digest", "4" + proof[1:]) == 0
    assert parts_shown(DANA, "approval:digest", form_proof(DANA)) == 0


@pytest.mark.parametrize("brought", ["", ".", "1", "1.", "-1.x", "9" * 5000 + ".x", "\u0663.x", "1.\u0430"])
def test_what_is_no_proof(brought: str) -> None:
    assert parts_shown(DANA, "s", brought) == 0
