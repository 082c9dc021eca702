# SPDX-License-Identifier: Apache-2.0
"""JSON that two parsers could read differently is refused before anything is decided on one reading."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customhouse.dialects.strict_json import has_duplicates, refuse_duplicates, strictly
from customhouse.domain.errors import DuplicateKey, InvalidRequest

PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
)

REPEATED = [
    ("at the top", b'{"a":1,"a":1}'),
    ("far inside", b'[{"x":[{"a":{"b":1,"c":2,"b":3}}]}]'),
    ("written differently", rb'{"name":1,"n\u0061me":2}'),
    ("the empty key", b'{"":1,"":2}'),
    ("three times", b'{"a":1,"b":2,"a":3,"a":4}'),
]
NOT_JSON = [
    ("nothing", b""),
    ("NaN", b'{"a":NaN}'),
    ("infinity", b"[-Infinity]"),
    ("a number that is infinite to most parsers", b'{"a":1e999}'),
    ("an integer of thousands of digits", b"9" * 5000),
    ("two values", b"{} {}"),
    ("a trailing comma", b"[1,]"),
    ("single quotes", b"{'a':1}"),
    ("a control character in a string", b'"\x01"'),
    ("Latin-1", b'"\xe4"'),
    ("a surrogate as bytes", b'{"a":"\xed\xa0\x80"}'),
    ("a byte order mark", b"\xef\xbb\xbf{}"),
    ("UTF-16", '{"a":1}'.encode("utf-16")),
    ("UTF-32 without a mark", '{"a":1}'.encode("utf-32-le")),
    ("nested too deeply", b"[" * 100_000),
]


@pytest.mark.parametrize(("what", "body"), REPEATED, ids=[row[0] for row in REPEATED])
def test_a_repeated_key_is_refused(what: str, body: bytes) -> None:
    with pytest.raises(DuplicateKey, match=r"stands twice in one object"):
        refuse_duplicates(body)
    assert has_duplicates(body), what
    assert has_duplicates(body.decode())


@pytest.mark.parametrize(("what", "body"), NOT_JSON, ids=[row[0] for row in NOT_JSON])
def test_what_is_no_json_to_every_parser_is_refused(what: str, body: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"^the body is "):
        refuse_duplicates(body)
    assert has_duplicates(body), what


@given(PLAIN, st.booleans())
@settings(deadline=None)
def test_anything_else_passes(value: Any, ascii_only: bool) -> None:  # noqa: ANN401, FBT001 - drawn by hypothesis
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    refuse_duplicates(body)
    assert not has_duplicates(body)


@given(st.dictionaries(st.text(max_size=3), st.integers(), min_size=1, max_size=5), st.data())
@settings(deadline=None)
def test_a_key_repeated_anywhere_is_found(value: dict[str, int], data: st.DataObject) -> None:
    pairs = list(value.items())
    pairs.insert(data.draw(st.integers(0, len(pairs))), (data.draw(st.sampled_from(pairs))[0], 0))
    written = "{" + ",".join(f"{json.dumps(key)}:{number}" for key, number in pairs) + "}"
    assert has_duplicates(written)
    assert has_duplicates(f'[0,{{"a":{written}}}]')


def test_a_long_key_is_not_repeated_to_the_client_in_full() -> None:
    key = "k" * 10_000
    with pytest.raises(DuplicateKey) as caught:
        refuse_duplicates(f'{{"{key}":1,"{key}":2}}'.encode())
    assert len(caught.value.detail) < 200


@given(PLAIN)
def test_a_value_is_read_as_it_was_written(value: object) -> None:
    assert strictly(json.dumps(value).encode(), depth=100) == value
    assert strictly(json.dumps(value, ensure_ascii=False).encode(), depth=100) == value


@pytest.mark.parametrize(("why", "body"), NOT_JSON + REPEATED)
def test_a_value_is_read_only_from_what_is_not_refused(why: str, body: bytes) -> None:
    with pytest.raises((InvalidRequest, DuplicateKey)):
        strictly(body, depth=100)
    assert why


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_levels_are_counted_exactly(opening: bytes, closing: bytes) -> None:
    levels = 10 if len(opening) < 6 else 5
    body = opening * levels + b"1" + closing * levels
    strictly(body, depth=10)
    with pytest.raises(InvalidRequest, match="levels"):
        strictly(body, depth=9)
    # Many brackets side by side are not deep.
    strictly(b"[" + b",".join([b"[]"] * 100) + b"]", depth=2)


@pytest.mark.parametrize("body", [rb'"\ud800"', rb'{"a":["x\uDfffy"]}', rb'{"\ud800":1}', rb'"\udc00\ud800"'])
def test_half_a_surrogate_pair_is_no_character(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="surrogate"):
        strictly(body, depth=10)


def test_a_whole_pair_and_an_escaped_backslash_are_characters() -> None:
    assert strictly(rb'["\ud83d\ude00","\\ud800"]', depth=10) == ["\U0001f600", "\\ud800"]
