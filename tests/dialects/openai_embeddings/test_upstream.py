# SPDX-License-Identifier: Apache-2.0
"""What a provider is asked and may answer: numbers and base64 alike to the last bit, and nothing that is no vector."""

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.dialects.openai_embeddings.upstream import answer, body
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.request import Request

VECTORS = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=9).filter(any)


def packed(numbers: list[float]) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


def said(*vectors: Any, **more: Any) -> bytes:  # noqa: ANN401
    data = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(vectors)]
    return json.dumps({"object": "list", "data": data, "model": "m", **more}).encode()


@given(vectors=st.lists(VECTORS, min_size=1, max_size=4))
def test_numbers_and_base64_are_the_same_vectors(vectors: list[list[float]]) -> None:
    as_numbers = answer(said(*vectors))
    as_text = answer(said(*(base64.b64encode(packed(each)).decode() for each in vectors)))
    assert as_numbers.vectors == as_text.vectors == tuple(packed(each) for each in vectors)


def test_index_says_which_text_a_vector_is_of() -> None:
    data = [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}]
    found = answer(json.dumps({"data": data, "usage": {"prompt_tokens": 4, "total_tokens": 4}}).encode())
    assert found.vectors == (packed([1.0]), packed([2.0]))
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (4, 0)
    assert found.model is None


@pytest.mark.parametrize(
    "content",
    [
        said([float("nan")]),
        said([float("inf"), 1.0]),
        said([1e39]),
        said([0.0, 0.0]),
        said([]),
        said(""),
        said("AAA="),
        said("AAAA!"),
        said(base64.b64encode(packed([float("nan")])).decode()),
        said([None]),
        said(["1"]),
        said([10**400]),
        json.dumps({"data": [{"index": 0, "embedding": [1.0]}] * 2}).encode(),
        json.dumps({"data": [{"index": 1, "embedding": [1.0]}]}).encode(),
        json.dumps({"data": [{"index": -1, "embedding": [1.0]}]}).encode(),
        b'{"data": {}}',
        b"[]",
        b"",
        b"\xff",
        b'{"error": {"message": "no"}}',
    ],
    ids=lambda content: content.decode(errors="replace")[:60],
)
def test_what_is_no_vector_is_a_failure(content: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        answer(content)


@pytest.mark.parametrize(("features", "expected"), [((), None), (("dimensions",), 3)], ids=["plain", "takes it"])
def test_dimensions_are_told_only_to_who_takes_them(features: tuple[str, ...], expected: int | None) -> None:
    request = Request(model="m", messages=(), texts=("a", "b"), dimensions=3)
    sent = json.loads(body(request, features))
    assert sent.pop("dimensions", None) == expected
    assert sent == {"model": "m", "input": ["a", "b"], "encoding_format": "base64"}
