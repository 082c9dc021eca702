# SPDX-License-Identifier: Apache-2.0
"""What a client says about its turn: read strictly, raised and never lowered, a word or nothing."""

import pytest

from customhouse.domain.errors import CustomhouseError, InvalidRequest, UnknownClassification
from customhouse.domain.label import Classification
from customhouse.gateway import identity

PUBLIC, INTERNAL, CONFIDENTIAL, RESTRICTED = Classification


@pytest.mark.parametrize(
    ("floor", "claim", "labels", "expected"),
    [
        (INTERNAL, None, (), INTERNAL),
        (INTERNAL, "restricted", (), RESTRICTED),
        (INTERNAL, "public", (), INTERNAL),
        (INTERNAL, None, (CONFIDENTIAL, PUBLIC), CONFIDENTIAL),
        (INTERNAL, "confidential", (RESTRICTED,), RESTRICTED),
        (RESTRICTED, "public", (PUBLIC,), RESTRICTED),
    ],
)
def test_the_class_of_a_turn_is_the_highest_of_three(
    floor: Classification, claim: str | None, labels: tuple[Classification, ...], expected: Classification
) -> None:
    headers = {} if claim is None else {identity.CLASSIFICATION: claim}
    assert identity.turn_class(floor, headers, labels) is expected


def test_an_unknown_class_is_refused_whatever_the_labels_say() -> None:
    with pytest.raises(UnknownClassification):
        identity.turn_class(RESTRICTED, {identity.CLASSIFICATION: "secret"}, (RESTRICTED,))


@pytest.mark.parametrize("said", ["draft", "a", "Task-7_x.y", "x" * 64])
def test_a_task_is_a_word(said: str) -> None:
    assert identity.task({identity.TASK: said}) == said


@pytest.mark.parametrize("said", ["", " ", "two words", "x" * 65, "-x", "a\x01", "x' || true", "é"])
def test_anything_else_is_refused_by_name(said: str) -> None:
    with pytest.raises(InvalidRequest, match=identity.TASK) as refused:
        identity.task({identity.TASK: said})
    assert refused.value.param == identity.TASK


@pytest.mark.parametrize("said", ["", "Returns", "returns ", "nope", "*"])
def test_a_workflow_is_one_that_is_declared(said: str) -> None:
    assert identity.workflow({identity.WORKFLOW: "returns"}, None, {"returns", "sales"}) == "returns"
    with pytest.raises(CustomhouseError, match="this assistant's workflows: returns, sales") as refused:
        identity.workflow({identity.WORKFLOW: said}, None, {"returns", "sales"})
    assert refused.value.status_hint == 400


def test_who_says_nothing_says_nothing() -> None:
    assert (identity.task({}), identity.workflow({}, None, {"returns"})) == ("", "")
