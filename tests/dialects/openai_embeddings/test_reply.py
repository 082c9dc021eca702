# SPDX-License-Identifier: Apache-2.0
"""What a client is given is what the SDK's own types say, with the receipt, and the provider's vectors to the bit."""

import base64
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse

from customhouse.dialects.envelope import Envelope, Receipt
from customhouse.dialects.openai_embeddings.reply import require, whole
from customhouse.domain.answer import Answer, Usage
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.request import Request

RECEIPT = Receipt(trace_id="t", release="bot@1", deployment="p/d")


def written(answer: Answer, *, packed: bool) -> bytes:
    request = Request(model="bot", messages=(), texts=("a",) * len(answer.vectors), packed=packed)
    return whole(answer, Envelope("id", 0, "m", request), RECEIPT)


@given(
    vectors=st.lists(
        st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=5),
        min_size=1,
        max_size=3,
    )
)
def test_both_forms_carry_every_bit(vectors: list[list[float]]) -> None:
    answer = Answer(vectors=tuple(struct.pack(f"<{len(each)}f", *each) for each in vectors), usage=Usage(4, 0))
    plain = CreateEmbeddingResponse.model_validate_json(written(answer, packed=False), strict=True)
    assert [each.embedding for each in plain.data] == vectors
    assert [each.index for each in plain.data] == list(range(len(vectors)))
    assert plain.usage.prompt_tokens == plain.usage.total_tokens == 4
    texts = [each["embedding"] for each in json.loads(written(answer, packed=True))["data"]]
    assert tuple(base64.b64decode(text) for text in texts) == answer.vectors


def test_the_receipt_is_in_the_body() -> None:
    found = json.loads(written(Answer(vectors=(struct.pack("<f", 1),)), packed=False))
    assert found["customhouse"] == {"trace_id": "t", "release": "bot@1", "deployment": "p/d"}
    assert found["model"] == "m"


def test_an_answer_without_vectors_is_none() -> None:
    with pytest.raises(UpstreamFailed):
        require(Answer(stop="stop"))
