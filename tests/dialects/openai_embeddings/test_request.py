# SPDX-License-Identifier: Apache-2.0
"""What a client may ask for, read strictly: texts in their order, and a refusal that names the field."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.dialects.openai_embeddings.request import MAX_TEXTS, read
from customhouse.domain.errors import DuplicateKey, FieldNotAllowed, InvalidRequest


def body(**fields: Any) -> bytes:  # noqa: ANN401
    return json.dumps({"model": "bot", "input": "hello", **fields}).encode()


@given(texts=st.lists(st.text(min_size=1).filter(lambda text: text.isprintable()), min_size=1, max_size=20))
def test_texts_keep_their_order_and_their_characters(texts: list[str]) -> None:
    assert read(body(input=texts)).texts == tuple(texts)


def test_one_text_is_a_list_of_one() -> None:
    request = read(body(encoding_format="base64", dimensions=3, user="lee"))
    assert request.texts == ("hello",)
    assert request.packed
    assert request.dimensions == 3
    assert request.messages == ()
    assert request.needs_form, "no sentence stands in for a vector"


@pytest.mark.parametrize(
    ("fields", "error", "param"),
    [
        ({"input": ""}, InvalidRequest, "input"),
        ({"input": ["a", "", "b"]}, InvalidRequest, "input.1"),
        ({"input": []}, InvalidRequest, "input"),
        ({"input": ["a"] * (MAX_TEXTS + 1)}, InvalidRequest, "input"),
        ({"input": [7]}, InvalidRequest, "input.0"),
        ({"input": ["a", [7, 8]]}, InvalidRequest, "input.1"),
        ({"input": None}, InvalidRequest, None),
        ({"input": [None]}, InvalidRequest, None),
        ({"encoding_format": "int8"}, InvalidRequest, None),
        ({"dimensions": "3"}, InvalidRequest, None),
        ({"input_type": "query"}, FieldNotAllowed, "input_type"),
        ({"truncate_prompt_tokens": 5}, FieldNotAllowed, "truncate_prompt_tokens"),
        ({"stream": True}, FieldNotAllowed, "stream"),
    ],
    ids=str,
)
def test_anything_else_is_refused_by_name(fields: dict[str, Any], error: type[Exception], param: str | None) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(body(**fields))
    assert type(refused.value) is error
    assert refused.value.param == param


def test_a_key_given_twice_is_refused() -> None:
    with pytest.raises(DuplicateKey):
        read(b'{"model": "bot", "input": "a", "input": "b"}')


@given(content=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        read(content)
