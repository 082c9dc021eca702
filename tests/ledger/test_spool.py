# SPDX-License-Identifier: Apache-2.0
"""The local spool: durable before it answers, drained in order, bounded; what was altered is put aside and said."""

from pathlib import Path
from typing import Final

import pytest
from tests.ledger.book import CLOCK, record
from tests.store.faulty_disk import FaultyDisk

from customhouse.domain.errors import StoreUnavailable
from customhouse.ledger import segment
from customhouse.ledger.entry import Entry
from customhouse.ledger.mark import Gap, Skipped
from customhouse.ledger.record import encode
from customhouse.ledger.spool import SEGMENT_BYTES, Spool, SpoolFull

KEY: Final = bytes(range(32))


def opened(path: Path, disk: FaultyDisk | None = None, max_bytes: int = 64 * 1024 * 1024, key: bytes = KEY) -> Spool:
    spool = Spool(path / "spool", key, disk or FaultyDisk(), CLOCK, max_bytes)
    spool.open()
    return spool


def drain(spool: Spool, most: int = 10**6) -> list[bytes]:
    """Take what waits, as the ledger would."""
    found: list[bytes] = []
    while len(found) < most and (frames := spool.batch()):
        found += [frame.body for frame in frames]
        spool.drained(frames, CLOCK.now_us())
    return found


def bodies(*names: int) -> list[bytes]:
    """Return bodies that `unpack` takes, since a spool that is opened looks when its first entry was kept."""
    made = [record(trace_id=str(name)) for name in names]
    return [segment.pack(Entry(each), encode(each), CLOCK.now_us()) for each in made]


def files(path: Path, ending: str = "segment") -> list[str]:
    return sorted(each.name for each in (path / "spool").glob(f"*.{ending}"))


def test_entries_come_back_in_their_order(tmp_path: Path) -> None:
    spool, kept = opened(tmp_path), bodies(1, 2, 3)
    spool.commit(kept[:1])
    spool.commit(kept[1:])
    assert (spool.entries, drain(spool), spool.entries, spool.size_bytes) == (3, kept, 0, 0)
    spool.ready()
    assert len(files(tmp_path)) == 1


def test_a_process_that_died_left_everything_it_acknowledged(tmp_path: Path) -> None:
    spool, kept = opened(tmp_path), bodies(1, 2, 3)
    spool.commit(kept[:2])
    spool.commit(kept[2:])
    again = opened(tmp_path)
    assert again.entries == 3
    assert again.size_bytes == spool.size_bytes
    assert again.oldest_us > 0
    assert drain(again) == kept
    assert again.gaps == ()
    again.ready()
    assert opened(tmp_path).entries == 0


def test_what_was_drained_and_not_removed_is_given_again(tmp_path: Path) -> None:
    """The ledger knows it by its ids; nothing is lost between its commit and the end of the file."""
    spool, kept = opened(tmp_path), bodies(1, 2)
    spool.commit(kept)
    assert drain(spool) == kept
    assert drain(opened(tmp_path)) == kept


def test_a_second_life_goes_on_in_another_file(tmp_path: Path) -> None:
    kept = bodies(1, 2, 3)
    opened(tmp_path).commit(kept[:1])
    second = opened(tmp_path)
    second.commit(kept[1:2])
    third = opened(tmp_path)
    third.commit(kept[2:])
    assert len(files(tmp_path)) == 3
    assert drain(opened(tmp_path)) == kept


def test_a_large_entry_gets_a_file_of_its_size(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    large = [bytes([65 + place]) * (SEGMENT_BYTES // 2) for place in range(3)]
    for body in large:
        spool.commit([body])
    spool.commit([b"z" * (SEGMENT_BYTES + 5)])
    assert len(files(tmp_path)) == 4
    assert drain(spool) == [*large, b"z" * (SEGMENT_BYTES + 5)]


def test_it_holds_no_more_than_it_may(tmp_path: Path) -> None:
    spool = opened(tmp_path, max_bytes=1000)
    spool.commit([b"x" * 400])
    with pytest.raises(SpoolFull):
        spool.commit([b"y" * 600])
    spool.commit([b"z" * 400])
    assert drain(spool) == [b"x" * 400, b"z" * 400]
    spool.commit([b"y" * 600])


@pytest.mark.parametrize("fault", ["ENOSPC", "EIO", "short", "fsync"])
@pytest.mark.parametrize("only", [".segment", "mark"])
@pytest.mark.parametrize("died", [True, False], ids=["died", "lived on"])
def test_a_disk_that_fails_loses_nothing_that_was_acknowledged(
    tmp_path: Path, fault: str, only: str, *, died: bool
) -> None:
    disk = FaultyDisk(only=only)
    spool, kept = opened(tmp_path, disk), bodies(1, 2, 3, 4)
    spool.ready()
    spool.commit(kept[:1])
    disk.fault = fault
    for body in kept[1:3]:
        with pytest.raises(OSError, match=r"No space|Input/output"):
            spool.commit([body])
    disk.fault = None
    spool.commit(kept[3:])
    assert spool.entries == 2
    assert drain(opened(tmp_path) if died else spool) == [kept[0], kept[3]]


@pytest.mark.parametrize("fault", ["ENOSPC", "short"])
def test_the_file_that_was_reserved_takes_entries_when_the_disk_is_full(tmp_path: Path, fault: str) -> None:
    disk = FaultyDisk()
    spool = opened(tmp_path, disk)
    spool.ready()
    disk.only, disk.fault = ".new", fault
    spool.commit(bodies(1))
    with pytest.raises(OSError, match="No space"):
        spool.commit([b"x" * SEGMENT_BYTES])
    spool.commit(bodies(2))
    assert len(drain(spool)) == 2


def test_a_torn_end_that_was_never_acknowledged_is_dropped(tmp_path: Path) -> None:
    spool, kept = opened(tmp_path), bodies(1, 2)
    spool.commit(kept)
    file = tmp_path / "spool" / files(tmp_path)[0]
    content = file.read_bytes()
    end = content.rindex(kept[1]) + len(kept[1]) + 32
    torn = segment.frame(KEY, content[end - 32 : end], b"never acknowledged")
    for tail in (torn[:20], torn):
        file.write_bytes(content[:end] + tail + content[end + len(tail) :])
        again = opened(tmp_path)
        assert (drain(again, 2), again.entries, again.gaps) == (kept, 0, ())


def test_a_file_that_was_being_created_is_removed(tmp_path: Path) -> None:
    opened(tmp_path).commit(bodies(1))
    (tmp_path / "spool" / "000000000002.segment.new").write_bytes(b"half")
    assert len(drain(opened(tmp_path))) == 1
    assert files(tmp_path, "new") == []


def test_a_frame_altered_in_the_middle_stops_the_draining_there(tmp_path: Path) -> None:
    spool, kept = opened(tmp_path), bodies(1, 2, 3)
    for body in kept:
        spool.commit([body])
    alter(tmp_path, kept[1], 5)
    again = opened(tmp_path)
    assert drain(again) == kept[:1]
    assert (again.entries, len(again.rejected), files(tmp_path)) == (0, 1, [])
    [gap] = again.gaps
    assert (gap.reason, [skipped.count for skipped in gap.tenants.values()]) == ("spool.altered", [2])
    again.ready()
    more = bodies(4)
    again.commit(more)
    assert drain(opened(tmp_path)) == more, "what came after the loss is sound"


def test_a_file_that_is_gone_is_a_gap(tmp_path: Path) -> None:
    for name in (1, 2, 3):
        opened(tmp_path).commit(bodies(name))
    (tmp_path / "spool" / files(tmp_path)[2]).unlink()
    again = opened(tmp_path)
    assert len(drain(again)) == 2
    assert [(gap.reason, gap.tenants["_organization"].count) for gap in again.gaps] == [("spool.missing", 1)]
    assert opened(tmp_path).gaps == again.gaps, "until it is declared"
    again.forget(again.gaps)
    assert opened(tmp_path).gaps == ()


@pytest.mark.parametrize("gone", [True, False], ids=["removed", "altered"])
def test_without_its_mark_the_chain_is_followed_and_the_loss_of_the_mark_is_a_gap(
    tmp_path: Path, *, gone: bool
) -> None:
    spool, kept = opened(tmp_path), bodies(1, 2)
    spool.commit(kept)
    mark = tmp_path / "spool" / "mark"
    if gone:
        mark.unlink()
    else:
        mark.write_bytes(b"\x01" * mark.stat().st_size)
    for again in (opened(tmp_path), opened(tmp_path)):
        assert (again.entries, [gap.reason for gap in again.gaps]) == (2, ["spool.mark_altered"])
    assert drain(opened(tmp_path)) == kept


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.commit(bodies(1))
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "spool", *(tmp_path / "spool").iterdir())} == {0}


def test_a_gap_is_noted_on_a_disk_that_is_full(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    gap = Gap("g", "r", 1, "ledger.unavailable", {"acme": Skipped("x", 1)})
    spool.note(gap)
    assert opened(tmp_path).gaps == (gap,)
    with pytest.raises(StoreUnavailable):
        spool.note(Gap("h", "r", 1, "why", {"t" * 60 + str(n): Skipped("x" * 36, 1) for n in range(700)}))
    assert opened(tmp_path).gaps == (gap,)


def alter(path: Path, body: bytes, place: int) -> None:
    """Change one byte of a body where it stands in its file."""
    for name in files(path):
        file = path / "spool" / name
        content = file.read_bytes()
        if (found := content.find(body)) >= 0:
            file.write_bytes(
                content[: found + place] + bytes([content[found + place] ^ 1]) + content[found + place + 1 :]
            )
