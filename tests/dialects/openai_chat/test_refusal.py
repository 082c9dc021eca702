# SPDX-License-Identifier: Apache-2.0
"""The sentence of an error body; which server writes which shape stands in tests/upstream/compatible.py."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.dialects.openai_chat.refusal import MAX_CHARACTERS, error_message

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["error", "message", "detail", "msg", "loc", "object"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"error":{"message":"no such model"}}', "no such model"),
        (json.dumps({"error": {"message": "x" * 1000}}).encode(), "x" * 300),
        (b'{"error":"no"}', "no"),
        (b'{"error":{"message":""}}', None),
        (b'{"object":"error","message":"too long"}', "too long"),
        (b'{"message":{"detail":"no"}}', "no"),
        (b'{"message":{"detail":[{"msg":"no","loc":["body","n",0]}]}}', "body.n.0: no"),
        (b'{"detail":[{"msg":"no"},{"msg":"nor this"}]}', "no; nor this"),
        (b'{"detail":"Not Found"}', "Not Found"),
        (b'{"detail":[{"input":"secret"}]}', None),
        (b'{"error":5}', None),
        (b"{}", None),
        (b"[]", None),
        (b"<html>", None),
        (b'{"error":{"message":"\xff"}}', None),
        (b"[" * 5000, None),
    ],
)
def test_a_providers_sentence_is_read_within_bounds(content: bytes, said: str | None) -> None:
    assert error_message(content) == said


@given(JSON)
def test_any_body_has_a_short_sentence_or_none(body: object) -> None:
    said = error_message(json.dumps(body).encode())
    assert said is None or 0 < len(said) <= MAX_CHARACTERS
