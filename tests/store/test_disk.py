# SPDX-License-Identifier: Apache-2.0
"""Files that must survive: whole or not there, for their owner alone."""

import os
from pathlib import Path

import pytest
from tests.store.faulty_disk import FaultyDisk

from customhouse.store.disk import create, write_all


def test_a_file_is_there_in_full_size_with_its_beginning(tmp_path: Path) -> None:
    descriptor = create(FaultyDisk(), tmp_path / "a", 1000, b"head")
    os.close(descriptor)
    assert (tmp_path / "a").read_bytes() == b"head" + bytes(996)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("fault", ["ENOSPC", "EIO", "short", "fsync"])
def test_nothing_is_left_of_a_file_that_could_not_be_created(tmp_path: Path, fault: str) -> None:
    with pytest.raises(OSError, match=r"No space|Input/output"):
        create(FaultyDisk(fault=fault), tmp_path / "a", 1000, b"head")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_half_is_asked_again(tmp_path: Path) -> None:
    class Halves(FaultyDisk):
        def write(self, descriptor: int, content: bytes, offset: int) -> int:
            return super().write(descriptor, content[: max(1, len(content) // 2)], offset)

    descriptor = create(Halves(), tmp_path / "a", 10, b"")
    write_all(Halves(), descriptor, b"abcdefg", 2)
    os.close(descriptor)
    assert (tmp_path / "a").read_bytes() == b"\x00\x00abcdefg\x00"


def test_a_disk_that_takes_nothing_is_an_error(tmp_path: Path) -> None:
    class Nothing(FaultyDisk):
        def write(self, descriptor: int, content: bytes, offset: int) -> int:
            del descriptor, content, offset
            return 0

    descriptor = create(FaultyDisk(), tmp_path / "a", 10, b"")
    with pytest.raises(OSError, match="takes no more"):
        write_all(Nothing(), descriptor, b"x", 0)
    os.close(descriptor)
