# SPDX-License-Identifier: Apache-2.0
"""Only memory that is mostly filled is joined, in whole huge pages, and a server's turns work on it as before."""

import subprocess
import sys

import pytest

from customhouse import memory
from customhouse.memory import Mapping, huge, mappings

PAGE = 2 << 20
SMAPS = """\
55d000000000-55d000800000 rw-p 00000000 00:00 0                          [heap]
Size:               8192 kB
Rss:                8000 kB
7f0000000000-7f0000800000 rw-p 00000000 00:00 0
Rss:                  12 kB
7f1000000000-7f1000800000 r-xp 00000000 fe:00 77                         /usr/lib/libc.so.6
Rss:                8192 kB
7f2000000000-7f2000800000 rw-p 00000000 fe:00 78                         /usr/lib/libc.so.6
Rss:                8192 kB
7f3000000000-7f3000800000 rw-s 00000000 00:00 0
Rss:                8192 kB
7ffd00000000-7ffd00800000 rw-p 00000000 00:00 0                          [stack]
Rss:                8192 kB
"""


def test_what_has_a_file_another_reader_or_a_name_of_the_kernels_is_left_alone() -> None:
    assert list(mappings(SMAPS.splitlines())) == [
        Mapping(0x55D000000000, 0x55D000800000, 8000 << 10),
        Mapping(0x7F0000000000, 0x7F0000800000, 12 << 10),
    ]


@pytest.mark.parametrize(
    ("what", "begin", "end", "resident_bytes", "places"),
    [
        ("whole", 4 * PAGE, 6 * PAGE, 2 * PAGE, [4 * PAGE, 5 * PAGE]),
        ("half filled", 4 * PAGE, 6 * PAGE, PAGE, [4 * PAGE, 5 * PAGE]),
        ("a thread's stack, hardly filled", 4 * PAGE, 8 * PAGE, 8192, []),
        ("what is no whole page at either end", 4 * PAGE - 4096, 6 * PAGE + 4096, 2 * PAGE, [4 * PAGE, 5 * PAGE]),
        ("smaller than a page", 4 * PAGE, 5 * PAGE - 4096, PAGE, []),
        ("a page's size across two", 4 * PAGE + 4096, 5 * PAGE + 4096, PAGE, []),
    ],
)
def test_pages_that_are_joined(what: str, begin: int, end: int, resident_bytes: int, places: list[int]) -> None:
    assert list(huge([Mapping(begin, end, resident_bytes)], PAGE)) == places, what


def test_what_was_built_is_what_it_was() -> None:
    """In a process of its own, since the collector passes over what is frozen for as long as the process lives."""
    story = (
        "import gc, os; from customhouse import memory; kept = [os.urandom(1000) for _ in range(20_000)];"
        "before = list(map(hash, kept)); memory.settle();"
        "print(before == list(map(hash, kept)), gc.get_freeze_count() > 0, gc.get_threshold()[0])"
    )
    done = subprocess.run([sys.executable, "-c", story], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", str(memory.GC_THRESHOLD)]
