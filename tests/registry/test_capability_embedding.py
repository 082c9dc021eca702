# SPDX-License-Identifier: Apache-2.0
"""A change after which stored vectors no longer compare is said in words, and needs a second person."""

from typing import Final

import msgspec
import pytest
from tests.planes.model.test_embedding import MINI, TWIN, document

from customhouse.planes.model.document import Choice, Deployment, Document
from customhouse.registry.capability_embedding import vector_changes
from customhouse.registry.capability_model import model_changes

OTHER: Final = msgspec.structs.replace(TWIN, name="other", model="large", dimensions=1536, weights=None, tokenizer=None)


def embedding(*choices: Choice) -> Document:
    found = {each.name: each for each in (MINI, TWIN, OTHER)}
    return msgspec.structs.replace(document(), deployments=document().deployments | found, embeddings=choices)


MINI_ALONE: Final = embedding(Choice(use=("mini",)))
TOLD: Final = (
    "~ texts are embedded by large (1536 dimensions) (was minilm (384 dimensions, sha256:aa with sha256:bb…)): "
    "vectors stored before do not compare with these: re-index what was embedded"
)
HOME_FIRST: Final = (Choice(use=("mini",), when="data.classification >= confidential"), Choice(use=("other",)))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (MINI_ALONE, embedding(Choice(use=("other",))), [TOLD]),
        (MINI_ALONE, embedding(Choice(use=("mini", "twin"))), []),
        (MINI_ALONE, embedding(Choice(use=("twin",))), []),
        (document(), MINI_ALONE, []),
        (MINI_ALONE, document(), []),
        (embedding(Choice(use=("mini",), when="true")), MINI_ALONE, []),
    ],
    ids=["another model", "a second place", "another place", "the first", "none any more", "the same, by condition"],
)
def test_only_another_model_is_said(before: Document, after: Document, expected: list[str]) -> None:
    found = vector_changes(before, after)
    assert [each.text for each in found] == expected
    assert all(each.loosens and each.kind == "vectors_changed" for each in found)


def test_a_condition_that_moves_texts_to_another_model_is_said() -> None:
    (found,) = vector_changes(embedding(*HOME_FIRST), embedding(*reversed(HOME_FIRST)))
    assert "re-index" in found.text


@pytest.mark.parametrize(
    ("changed", "kind"),
    [("weights", "vectors_changed"), ("tokenizer", "vectors_changed"), ("dimensions", "vectors_changed")],
)
def test_the_same_name_with_other_content_is_said(changed: str, kind: str) -> None:
    value = 12 if changed == "dimensions" else None
    other: Deployment = msgspec.structs.replace(MINI, **{changed: value})
    after = msgspec.structs.replace(MINI_ALONE, deployments=MINI_ALONE.deployments | {"mini": other})
    found = model_changes(MINI_ALONE, after)
    assert kind in {each.kind for each in found}
    assert any(f"local/mini: {changed} is" in each.text and each.loosens for each in found)


def test_an_embedding_model_is_told_as_one() -> None:
    (found,) = model_changes(document(), MINI_ALONE)
    assert found.text == (
        "+ texts may now be embedded by local/mini (self_hosted, accepts restricted, at http://127.0.0.1:1/v1)"
    )
    assert found.loosens
    (gone,) = model_changes(MINI_ALONE, document())
    assert gone.text.startswith("- texts are no longer embedded by local/mini")
