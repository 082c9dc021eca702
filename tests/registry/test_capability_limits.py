# SPDX-License-Identifier: Apache-2.0
"""A limit that is raised or gone loosens, one that is lowered or new tightens, and nothing else is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.budget.limit import OFS, PERS, Limit
from customhouse.registry.capability_limits import limit_changes

MINUTE = Limit(of="key", per="minute", requests=60)
LIMIT_SETS = st.lists(
    st.builds(
        Limit,
        of=st.sampled_from(OFS),
        per=st.sampled_from(PERS),
        requests=st.none() | st.integers(1, 9),
        money=st.none() | st.sampled_from(["0", "1", "2.5"]),
    ),
    unique_by=lambda limit: (limit.of, limit.per),
    max_size=4,
).map(tuple)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((MINUTE,), (MINUTE,), []),
        ((), (MINUTE,), ["limit_lowered - may now use at most 60 requests a minute for each key"]),
        (
            (MINUTE,),
            (),
            ["limit_raised! + may now use any amount: no longer at most 60 requests a minute for each key"],
        ),
        (
            (MINUTE,),
            (Limit(of="key", per="minute", requests=61),),
            ["limit_raised! + may now use 61 requests a minute for each key (was 60 requests)"],
        ),
        (
            (MINUTE,),
            (Limit(of="key", per="minute", requests=6, money="0.5"),),
            [
                "limit_lowered - may now use 6 requests a minute for each key (was 60 requests)",
                "limit_lowered - may now use 0.5 USD a minute for each key (was any USD)",
            ],
        ),
        (
            (MINUTE,),
            (Limit(of="key", per="hour", requests=60),),  # tighter, and not proved to be
            [
                "limit_raised! + may now use any amount: no longer at most 60 requests a minute for each key",
                "limit_lowered - may now use at most 60 requests an hour for each key",
            ],
        ),
        (
            (Limit(of="tenant", per="day", money="2.50"),),
            (Limit(of="tenant", per="day", money="2.5"),),  # written differently, the same amount
            [],
        ),
    ],
)
def test_changes(before: tuple[Limit, ...], after: tuple[Limit, ...], expected: list[str]) -> None:
    assert [f"{each.kind}{'!' * each.loosens} {each.text}" for each in limit_changes(before, after)] == expected


@given(LIMIT_SETS, LIMIT_SETS)
def test_what_is_called_no_loosening_allows_nothing_that_was_not_allowed(
    before: tuple[Limit, ...], after: tuple[Limit, ...]
) -> None:
    if any(each.loosens for each in limit_changes(before, after)):
        return
    new = {(limit.of, limit.per): limit.amounts for limit in after}
    for limit in before:
        now = new[limit.of, limit.per]
        assert all(mine <= was for mine, was in zip(now, limit.amounts, strict=True))
