# SPDX-License-Identifier: Apache-2.0
"""Ids are RFC 9562's version 7, random bytes are given out once, and times are written one way."""

import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.domain.clock import SystemClock, rfc3339


def test_an_id_is_a_uuid_of_version_7() -> None:
    clock = SystemClock()
    before = time.time_ns() // 1_000_000
    ids = [clock.uuid7() for _ in range(1000)]
    after = time.time_ns() // 1_000_000
    for text in ids:
        found = uuid.UUID(text)
        assert (found.version, found.variant, str(found)) == (7, uuid.RFC_4122, text)
        assert before <= found.int >> 80 <= after


def test_ids_sort_by_their_time_and_are_unique() -> None:
    clock = SystemClock()
    ids = [clock.uuid7() for _ in range(5000)]
    times = [uuid.UUID(text).int >> 80 for text in sorted(ids)]
    assert times == sorted(times)
    assert [uuid.UUID(text).int >> 80 for text in ids] == times
    assert len(set(ids)) == len(ids)


@given(st.lists(st.integers(0, 6000), max_size=20))
def test_as_many_random_bytes_come_as_were_asked_for(sizes: list[int]) -> None:
    clock = SystemClock()
    assert [len(clock.random(size)) for size in sizes] == sizes


def test_threads_that_share_a_clock_never_share_random_bytes() -> None:
    """The event loop takes ids while the store's thread takes a tenant's key: one must never hold the other's bytes."""
    clock = SystemClock()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            taking = [threads.submit(lambda: [clock.random(16) for _ in range(4000)]) for _ in range(8)]
            taken = [piece for each in taking for piece in each.result()]
    finally:
        sys.setswitchinterval(interval)
    assert {len(piece) for piece in taken} == {16}
    assert len(set(taken)) == len(taken)


@pytest.mark.parametrize(
    ("at_us", "written"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (1_795_442_400_000_000, "2026-11-23T14:00:00.000000Z"),
        (1_795_442_400_999_999, "2026-11-23T14:00:00.999999Z"),
    ],
)
def test_times_are_written_in_utc_with_microseconds(at_us: int, written: str) -> None:
    assert rfc3339(at_us) == written


@given(st.integers(0, 4_000_000_000_000_000))
def test_a_written_time_is_read_back_as_it_was(at_us: int) -> None:
    found = datetime.fromisoformat(rfc3339(at_us))
    assert found.tzinfo == UTC
    assert (found - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution) == at_us


def test_the_clock_is_the_machines() -> None:
    before = time.time_ns() // 1000
    assert before <= SystemClock().now_us() <= time.time_ns() // 1000
