# SPDX-License-Identifier: Apache-2.0
"""Canonical JSON is RFC 8785's, byte for byte, and what it cannot carry is refused instead of bent."""

import hashlib
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from customhouse.domain.digest import MAX_DEPTH, MAX_INTEGER, canonical, digest

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
KEYS = TEXT | st.sampled_from(["a", "\u20ac", "\r", "\ufb33", "\U0001f600", "\u0080", "\ue000", "\U00010000"])
SCALARS = st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | TEXT
PLAIN = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=6))


@given(PLAIN)
@example({"\ufb33": 1, "\U0001f600": 2, "\r": 3, "1": 4})
@example({"a": [{"\U00010000": 0, "\uffff": 1}]})
@example('\x00\x1f\x7f\u2028"\\/\b\f\n\r\t')
@settings(deadline=None)
def test_the_bytes_are_those_of_the_reference(value: Any) -> None:  # noqa: ANN401 - any plain data
    assert canonical(value) == rfc8785.dumps(value)


@given(st.dictionaries(KEYS, SCALARS, max_size=8), st.randoms())
@settings(deadline=None)
def test_the_order_in_which_keys_were_written_does_not_matter(value: dict[str, object], random: Any) -> None:  # noqa: ANN401 - hypothesis's
    pairs = list(value.items())
    random.shuffle(pairs)
    assert digest(dict(pairs)) == digest(value)


def test_a_tuple_is_a_list() -> None:
    assert canonical({"a": (1, ("x",))}) == b'{"a":[1,["x"]]}'


def test_a_digest_names_its_algorithm() -> None:
    assert digest({}) == "sha256:" + hashlib.sha256(b"{}").hexdigest()


def nested(depth: int) -> object:
    value: object = 0
    for _ in range(depth):
        value = [value]
    return value


REFUSED: list[tuple[str, object]] = [
    ("a float", 0.5),
    ("a whole float", 1.0),
    ("not a number", float("nan")),
    ("2^53", MAX_INTEGER + 1),
    ("-2^53", -MAX_INTEGER - 1),
    ("a lone surrogate", "\ud800"),
    ("a lone surrogate in a key", {"\udfff": 1}),
    ("a key that is a number", {1: "x"}),
    ("no key", {None: "x"}),
    ("bytes", b"x"),
    ("a set", {1}),
    ("an object", object()),
    ("deeper than the bound", nested(MAX_DEPTH + 1)),
    ("far deeper than the bound", nested(5000)),
]


@pytest.mark.parametrize(("what", "value"), REFUSED, ids=[what for what, _ in REFUSED])
def test_what_has_no_canonical_form_is_refused_wherever_it_stands(what: str, value: object) -> None:
    for place in (value, [value], {"a": value}, {"\U0001f600": "first", "z": [0, {"b": value}]}):
        with pytest.raises(ValueError, match=r"."):
            canonical(place)
    assert what


@pytest.mark.parametrize("value", [nested(MAX_DEPTH), MAX_INTEGER, -MAX_INTEGER, ""])
def test_what_is_just_within_the_bounds_is_not(value: object) -> None:
    assert canonical(value)
