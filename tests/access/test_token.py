# SPDX-License-Identifier: Apache-2.0
"""What a key looks like: nothing but the prefix and 43 characters is one."""

import pytest

from customhouse.access import token

GOOD = token.make("chk_", bytes(range(32)))


def test_a_token_carries_all_random_bytes() -> None:
    made = {token.make("cho_", bytes([value]) + bytes(31)) for value in range(256)}
    assert len(made) == 256
    assert {len(text) for text in made} == {47}


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_other_amounts_of_randomness_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 random bytes"):
        token.make("chk_", bytes(size))


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("", "empty"),
        ("chk_", "no secret"),
        (GOOD + "A", "a byte more"),
        (GOOD[:-1], "a byte less"),
        (GOOD + "\n", "a newline, which `$` would accept"),
        (GOOD + "\0", "a NUL"),
        (" " + GOOD, "a blank before"),
        (GOOD.replace("chk_", "cho_"), "the other plane's prefix"),
        (GOOD.upper(), "another case"),
        (GOOD[:-1] + "=", "padding"),
        (GOOD[:-1] + "é", "not ASCII"),
    ],
)
def test_what_is_no_token(text: str, because: str) -> None:
    assert not token.shaped(text, "chk_"), because


def test_any_other_byte_is_another_digest() -> None:
    assert token.shaped(GOOD, "chk_")
    # The last of the 43 characters carries four bits: two spellings decode to the same bytes, and only one is the key.
    assert token.digest(GOOD) != token.digest(GOOD[:-1] + "9")


@pytest.mark.parametrize(
    ("text", "expected"), [(f"a={GOOD}&b", True), (f"/x/{GOOD}/y", True), ("chk_short", False), ("/api/v1/keys", False)]
)
def test_a_key_is_found_in_a_url(text: str, expected: bool) -> None:  # noqa: FBT001 - a row
    assert token.mentions(text) is expected
