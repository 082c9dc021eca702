# SPDX-License-Identifier: Apache-2.0
"""Classes of data are a lattice: joining takes the higher, and nothing joined is ever less sensitive than its parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.domain.label import CLASSIFICATION_NAMES, Classification, classification

ANY = st.sampled_from(Classification)


def join(*parts: Classification) -> Classification:
    """Join as the gateway does."""
    return max(parts)


@given(ANY, ANY, ANY)
def test_joining_is_a_semilattice(a: Classification, b: Classification, c: Classification) -> None:
    assert join(a, b) == join(b, a)
    assert join(a, join(b, c)) == join(join(a, b), c)
    assert join(a, a) == a
    assert join(a, Classification.PUBLIC) == a
    assert join(a, Classification.RESTRICTED) == Classification.RESTRICTED


@given(ANY, ANY, ANY)
def test_what_is_joined_keeps_a_limit_only_when_each_part_does(
    a: Classification, b: Classification, limit: Classification
) -> None:
    assert (join(a, b) <= limit) == (a <= limit and b <= limit)


def test_the_order_is_the_one_that_is_documented() -> None:
    assert CLASSIFICATION_NAMES == ("public", "internal", "confidential", "restricted")
    assert [found.label for found in sorted(Classification)] == list(CLASSIFICATION_NAMES)


@given(ANY)
def test_a_written_class_is_read_back(found: Classification) -> None:
    assert classification(found.label) is found


@pytest.mark.parametrize("name", ["", "Public", " public", "secret", "0", "restricted\n"])
def test_there_are_no_other_classes(name: str) -> None:
    assert classification(name) is None
