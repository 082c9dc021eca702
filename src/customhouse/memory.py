# SPDX-License-Identifier: Apache-2.0
"""What a server tells the collector and the kernel of its memory once it is built: this lives as long as the process.

Huge pages: a turn touches objects all over some 50 MB, which are more pages of 4 KB than a processor keeps addresses
of, and behind a hypervisor each address that it has to look up costs two dozen reads. docs/adr/0035 has what it gains.

Advice alone: nothing that the process computes depends on it, and where the kernel takes none, nothing happens.
"""

import ctypes
import gc
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

GC_THRESHOLD: Final = 20_000
"""Allocations between two collections; a turn makes some thousand, nearly all freed by reference counts."""
COLLAPSE: Final = 25
"""MADV_COLLAPSE of Linux 6.1 (include/uapi/asm-generic/mman-common.h): join the pages of a range now."""
_SYSTEM: Final = Path("/sys/kernel/mm/transparent_hugepage")
_SMAPS: Final = Path("/proc/self/smaps")
_MAPPING: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ (\d+) *(.*)")
_NAMED: Final = ("", "[heap]")
"""Memory that Python's and C's allocators asked for; stacks and the kernel's own pages have other names."""


class Mapping(NamedTuple):
    """A range of private memory that this process writes, and how much of it is there."""

    begin: int
    end: int
    resident_bytes: int


def settle() -> None:
    """Take what has been built until here as lasting. Cost: about 0.1 s, once; the event loop stands still."""
    gc.collect()
    # The collector need not walk it again.
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    _join_pages()


def _join_pages() -> None:
    """Have the kernel join the pages of what is filled, where whoever runs this machine has not forbidden it."""
    try:
        if "[never]" in (_SYSTEM / "enabled").read_text():
            return
        size_bytes = int((_SYSTEM / "hpage_pmd_size").read_text())
        found = tuple(mappings(_SMAPS.read_text().splitlines()))
    except OSError:  # another system
        return
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for place in huge(found, size_bytes):
        advise(place, size_bytes, COLLAPSE)


def mappings(lines: Iterable[str]) -> Iterator[Mapping]:
    """Return the private memory without a file behind it that /proc/PID/smaps lists (proc(5))."""
    begin = end = 0
    for line in lines:
        found = _MAPPING.fullmatch(line)
        if found is not None:
            ours = found[3] == "rw-p" and found[4] == "0" and found[5] in _NAMED
            begin, end = (int(found[1], 16), int(found[2], 16)) if ours else (0, 0)
        elif end and line.startswith("Rss:"):
            yield Mapping(begin, end, int(line.split()[1]) * 1024)


def huge(found: Iterable[Mapping], size_bytes: int) -> Iterator[int]:
    """Return where whole huge pages begin in what is mostly filled: joining empty pages would fill them."""
    for begin, end, resident_bytes in found:
        if 2 * resident_bytes >= end - begin:
            first = -(-begin // size_bytes) * size_bytes
            yield from range(first, end - size_bytes + 1, size_bytes)
