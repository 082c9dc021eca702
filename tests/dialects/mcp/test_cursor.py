# SPDX-License-Identifier: Apache-2.0
"""A cursor is a name, comes back as it was, and nothing else is one."""

import base64

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from customhouse.dialects.mcp.cursor import after, cursor
from customhouse.dialects.mcp.refused import INVALID_PARAMS, Refused


@given(st.text(min_size=1, max_size=40))
@example("https://acme.test/ä?b=c&d=e")
def test_a_name_comes_back_and_is_not_read_off(name: str) -> None:
    value = cursor(name)
    assert after(value) == name
    assert value.isascii()


def test_the_first_page_begins_after_nothing() -> None:
    assert after(None) == ""


@given(st.text(max_size=40) | st.integers() | st.booleans() | st.lists(st.text(max_size=1)))
@example("YR==")
@example("YQ")
@example("YQ==\n")
@example("gA==")
@example("A" * 8196)
@example("")
def test_what_is_no_cursor_is_refused(value: object) -> None:
    assume(not (isinstance(value, str) and _is_one(value)))
    with pytest.raises(Refused) as refused:
        after(value, 3)
    assert (refused.value.status, refused.value.code, refused.value.id) == (400, INVALID_PARAMS, 3)


def _is_one(value: str) -> bool:
    """Return whether some name has this cursor, by asking what the name would be."""
    try:
        name = base64.urlsafe_b64decode(value).decode()
    except ValueError:
        return False
    return bool(name) and base64.urlsafe_b64encode(name.encode()).decode() == value
