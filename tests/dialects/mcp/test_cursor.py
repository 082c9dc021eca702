# SPDX-License-Identifier: Apache-2.0
"""A list is read page by page, whole and once, and no cursor reads another list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.dialects.mcp.cursor import page
from customhouse.dialects.mcp.refused import INVALID_PARAMS, Refused

OF = "sha256:" + "a" * 64


@given(st.integers(0, 300), st.integers(1, 50))
def test_the_pages_are_the_list(count: int, size: int) -> None:
    items, seen, cursor, pages = list(range(count)), list[object](), None, 0
    while True:
        found = page(items, cursor, OF, size=size)
        assert len(found.items) <= size
        seen += found.items
        pages, cursor = pages + 1, found.next
        if cursor is None:
            break
    assert seen == items
    assert pages == max(1, -(-count // size))


@given(st.text(max_size=300) | st.integers() | st.booleans() | st.lists(st.text(max_size=1)))
def test_what_is_no_cursor_is_refused(cursor: object) -> None:
    with pytest.raises(Refused) as refused:
        page(["a", "b"], cursor, OF, size=1, request_id=3)
    assert (refused.value.code, refused.value.id) == (INVALID_PARAMS, 3)


def test_a_cursor_of_another_list_is_refused() -> None:
    following = page(["a", "b"], None, OF, size=1).next
    assert page(["a", "b"], following, OF, size=1).items == ["b"]
    with pytest.raises(Refused):
        page(["a", "b"], following, OF.replace("a", "b"), size=1)
    with pytest.raises(Refused):
        page(["a"], following, OF, size=1)
