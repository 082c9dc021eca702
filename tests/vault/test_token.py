# SPDX-License-Identifier: Apache-2.0
"""Tokens: what was sealed comes back, and nothing else does."""

import string

from hypothesis import given
from hypothesis import strategies as st

from customhouse.domain.clock import SystemClock
from customhouse.vault.token import Tokens

TOKENS = Tokens(b"k" * 32, "session", SystemClock())
SAFE = frozenset(string.ascii_letters + string.digits + "-_")


@given(st.binary(max_size=200))
def test_what_was_sealed_comes_back(content: bytes) -> None:
    token = TOKENS.seal(content)
    assert set(token) <= SAFE
    assert TOKENS.open(token) == content
    assert TOKENS.seal(content) != token


@given(st.binary(min_size=1, max_size=60), st.data())
def test_any_changed_character_opens_nothing(content: bytes, data: st.DataObject) -> None:
    token = TOKENS.seal(content)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from(sorted(SAFE - {token[place]})))
    assert TOKENS.open(token[:place] + other + token[place + 1 :]) is None


@given(st.text(max_size=80))
def test_any_text_is_answered_with_nothing(text: str) -> None:
    assert TOKENS.open(text) is None


def test_another_purpose_or_installation_opens_nothing() -> None:
    token = TOKENS.seal(b"x")
    assert Tokens(b"k" * 32, "state", SystemClock()).open(token) is None
    assert Tokens(b"l" * 32, "session", SystemClock()).open(token) is None
    assert TOKENS.open(token + "=") is None
    assert TOKENS.open(" " + token) is None
