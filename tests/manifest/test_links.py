# SPDX-License-Identifier: Apache-2.0
"""References that lead nowhere or do not fit: one change of a manifest without problems, one problem."""

from pathlib import Path
from typing import Final

import msgspec
import pytest
from tests.manifest.written import DIGEST, HOUSE, changed, problems


class Row(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    file: str
    old: str
    new: str
    expected: str


ROWS: Final = msgspec.json.decode(Path(__file__).with_name("links.json").read_bytes(), type=list[Row])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_problems(tmp_path: Path, row: Row) -> None:
    assert row.expected in problems(tmp_path, changed({row.file: (row.old, row.new)}))


def test_the_house_has_none(tmp_path: Path) -> None:
    assert problems(tmp_path, HOUSE) == []


VECTORS: Final = (
    "  near: {provider: local, model: e, kind: embedding, dimensions: 3, weights: {digest: '%s', source: here}}\n"
    "  far: {provider: away, model: e, kind: embedding, dimensions: 3%s}\n"
)
SAME: Final = f", weights: {{digest: '{DIGEST}', source: here}}"


def embedding(model: str) -> dict[str, str]:
    """Return a manifest whose bot embeds with `near` or, when that is away, `far`."""
    vectors = VECTORS % (DIGEST, model)
    return changed(
        {
            "house.yaml": ("tools:\n", f"{vectors}tools:\n"),
            "bot.yaml": ("      parameters:", "      embeddings: [{use: [near, far]}]\n      parameters:"),
        }
    )


def test_the_same_embedding_model_elsewhere_may_stand_in(tmp_path: Path) -> None:
    assert problems(tmp_path, embedding(SAME)) == []


@pytest.mark.parametrize("model", ["", f", weights: {{digest: 'sha256:{'1' * 64}', source: here}}"])
def test_another_embedding_model_may_not_stand_in(tmp_path: Path, model: str) -> None:
    (found,) = problems(tmp_path, embedding(model))
    assert found.startswith("bot.yaml:10: found far, whose vectors do not compare with those of near")
    assert "a fallback of an embedding model is the same model somewhere else" in found
