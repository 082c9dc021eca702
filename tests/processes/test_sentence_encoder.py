# SPDX-License-Identifier: Apache-2.0
"""The real embedding model: paraphrases are near, the same text has the same bytes, other bytes are not loaded."""

from itertools import combinations

import numpy as np
import pytest
from tests.processes.embedding import DIMENSIONS, files

from customhouse.domain.errors import WeightsMismatch
from customhouse.processes.sentence_encoder import MAX_TOKENS, SentenceEncoder

pytestmark = [pytest.mark.model, pytest.mark.slow]

ALIKE = (
    ("Where is my order?", "When will my package arrive?"),
    ("A cat sleeps on the sofa.", "A kitten is napping on the couch."),
    ("The database migration failed.", "Applying the schema change to the database did not work."),
)


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder(files())


def cosine(encoder: SentenceEncoder, one: str, other: str) -> float:
    return float(encoder.vector(encoder.tokens(one)) @ encoder.vector(encoder.tokens(other)))


def test_what_means_the_same_is_nearer_than_anything_else(encoder: SentenceEncoder) -> None:
    nearest = min(cosine(encoder, *pair) for pair in ALIKE)
    farthest = max(
        cosine(encoder, one, other) for mine, theirs in combinations(ALIKE, 2) for one in mine for other in theirs
    )
    assert nearest > 0.45
    assert farthest < 0.2


def test_the_same_text_has_the_same_bytes_whatever_was_computed_between(encoder: SentenceEncoder) -> None:
    tokens = encoder.tokens("Where is my order?")
    first = encoder.vector(tokens)
    encoder.vector(encoder.tokens("something else, and longer " * 20))
    again = SentenceEncoder(files()).vector(tokens)
    assert first.tobytes() == encoder.vector(tokens).tobytes() == again.tobytes()
    assert first.shape == (DIMENSIONS,)
    assert encoder.dimensions == DIMENSIONS
    assert abs(float(np.linalg.norm(first)) - 1) < 1e-6


def test_no_text_is_cut(encoder: SentenceEncoder) -> None:
    assert len(encoder.tokens("word " * 400)) == 402
    assert len(encoder.tokens("word " * (MAX_TOKENS - 2))) == MAX_TOKENS


@pytest.mark.parametrize("changed", ["weights_digest", "tokenizer_digest"])
def test_other_bytes_than_the_released_ones_are_not_loaded(changed: str) -> None:
    with pytest.raises(WeightsMismatch, match="was not started"):
        SentenceEncoder(files()._replace(**{changed: "sha256:" + "0" * 64}))
