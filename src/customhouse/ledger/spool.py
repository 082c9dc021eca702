# SPDX-License-Identifier: Apache-2.0
"""Entries kept in local files while the database does not answer: fsynced, chained, bounded, drained in order.

Rules kept: what `commit` returned from survives kill -9 and loss of power; what lies beyond the acknowledged end (the
mark remembers it) was never acknowledged and is dropped; where a mac breaks before that end, nothing from there on is
drained, the files are kept as `.rejected`, and the loss is a gap that is declared. All of it runs in the journal's
thread; the event loop only reads the numbers.

Not covered: a host that is lost with its disk, and an older state of the whole directory put back (what comes twice is
known by its id and not written twice; what is missing then cannot be noticed here).
"""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from customhouse.domain.clock import Clock
from customhouse.domain.errors import StoreUnavailable
from customhouse.ledger import segment
from customhouse.ledger.mark import Gap, Mark, MarkAltered, Skipped, State, Tail
from customhouse.ledger.record import ORGANIZATION
from customhouse.ledger.segment import Frame, Header, SegmentBroken
from customhouse.store.disk import Disk, create, write_all

SEGMENT_BYTES: Final = 8 * 1024 * 1024
"""A file's size, reserved before it is used: the disk may be full by then. One is kept ready at all times."""
MAX_DRAIN: Final = 256
"""Entries drained in one transaction, which bounds how long turns wait behind it."""
_FRAME: Final = segment.LENGTH_BYTES + segment.MAC_BYTES


class SpoolFull(StoreUnavailable):
    """The local spool holds as much as it may; turns are refused until the database answers again."""


@dataclass(slots=True)
class _Segment:
    """A file of the spool. `header` is None where the list breaks.

    `last` is the mac of its last entry; None where nobody can say: then the chain itself is followed to its end.
    """

    path: Path
    header: Header | None
    last: bytes | None = None


@dataclass(slots=True)
class _Active:
    """The file that is written now."""

    descriptor: int
    sequence: int
    size: int
    end: int
    mac: bytes


class Spool:
    """One home's spool. `entries`, `size_bytes`, `oldest_us`: what is not drained yet. `rejected`: what never is."""

    def __init__(self, directory: Path, key: bytes, disk: Disk, clock: Clock, max_bytes: int) -> None:
        """Prepare; `open` looks at what is there."""
        self.entries = 0
        self.size_bytes = 0
        self.oldest_us = 0
        self.rejected: tuple[str, ...] = ()
        self._directory = directory
        self._key = key
        self._disk = disk
        self._clock = clock
        self._max_bytes = max_bytes
        self._mark = Mark(directory / "mark", key, disk)
        self._segments: list[_Segment] = []
        self._active: _Active | None = None
        self._at = Frame(b"", b"", 0)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Return the gaps that are not declared yet."""
        return self._mark.state.gaps

    def open(self) -> None:
        """Find out what an earlier process left. Raises OSError. Cost: reads what is not drained."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            known = self._mark.open()
        except MarkAltered:
            self._mark.begin_again()
            known = False
        self._segments = self._found()
        if not known and (self._segments or (self._directory / "mark.rejected").exists()):
            self._remember()
        for path in (*self._directory.glob("*.segment"), *self._directory.glob("*.new")):
            if path.suffix == ".new" or 0 < _sequence(path) <= self._mark.state.drained:
                path.unlink()
        self._close_list()
        self.rejected = tuple(sorted(path.name for path in self._directory.glob("*.rejected")))
        self.entries = self._total - self._mark.state.drained_total
        self._rewind()
        self._measure()

    def commit(self, bodies: Sequence[bytes]) -> None:
        """Keep entries durably, all of them or none. Raises SpoolFull, OSError. Cost: two fsyncs."""
        size = sum(len(body) + _FRAME for body in bodies)
        if self.size_bytes + size > self._max_bytes:
            raise SpoolFull
        active = self._active
        if active is None or active.end + size > active.size:
            active = self._begin(size)
        mac, content = active.mac, bytearray()
        for body in bodies:
            written = segment.frame(self._key, mac, body)
            content += written
            mac = written[-segment.MAC_BYTES :]
        tail = Tail(active.sequence, active.end + size, mac, self._total + len(bodies))
        try:
            write_all(self._disk, active.descriptor, bytes(content), active.end)
            self._disk.sync(active.descriptor)
            self._mark.write(msgspec.structs.replace(self._mark.state, tail=tail))
        except (OSError, StoreUnavailable):
            self._abandon(active)
            raise
        active.end, active.mac = tail.end, mac
        self._segments[-1].last = mac
        if self.entries == 0:
            self.oldest_us = self._clock.now_us()
        self.entries += len(bodies)
        self.size_bytes += size

    def batch(self) -> tuple[Frame, ...]:
        """Return the next entries that are not drained, in order; none when all are. Raises OSError."""
        while self._segments:
            first = self._segments[0]
            try:
                frames = self._frames(first)
            except SegmentBroken:
                self._reject("spool.altered")
                continue
            if frames:
                return frames
            if self._active is not None and len(self._segments) == 1:
                return ()
            self._finish()
        return ()

    def drained(self, frames: Sequence[Frame], until_us: int) -> None:
        """Note that entries of `batch` are in the ledger; `until_us` is when the last of them was kept."""
        self._at = frames[-1]._replace(body=b"")
        self.entries -= len(frames)
        self.size_bytes -= sum(len(frame.body) + _FRAME for frame in frames)
        self.oldest_us = until_us

    def ready(self) -> None:
        """Remove a drained file, and reserve a fresh one while there is space. Raises OSError."""
        active = self._active
        if active is not None and not self.batch() and active.end > segment.HEADER_BYTES:
            os.close(active.descriptor)
            self._active = None
            self._finish()
        if self._active is None:
            self._begin(0)

    def note(self, gap: Gap) -> None:
        """Remember a gap durably, or its new counts. Raises OSError, StoreUnavailable: then it must not begin."""
        others = tuple(other for other in self.gaps if other.id != gap.id)
        self._mark.write(msgspec.structs.replace(self._mark.state, gaps=(*others, gap)))

    def forget(self, declared: Sequence[Gap]) -> None:
        """Remove gaps whose declaration is durable. Raises OSError: then they are declared again, under the same id."""
        ids = {gap.id for gap in declared}
        left = tuple(gap for gap in self.gaps if gap.id not in ids)
        self._mark.write(msgspec.structs.replace(self._mark.state, gaps=left))

    def close(self) -> None:
        """Close the files."""
        if self._active is not None:
            os.close(self._active.descriptor)
            self._active = None
        self._mark.close()

    @property
    def _total(self) -> int:
        state = self._mark.state
        return max(state.drained_total, state.tail.total if state.tail else 0)

    def _found(self) -> list[_Segment]:
        found = sorted(self._directory.glob("*.segment"), key=_sequence)
        return [self._opened(path) for path in found if _sequence(path) > self._mark.state.drained]

    def _opened(self, path: Path) -> _Segment:
        with path.open("rb") as file:
            content = file.read(segment.HEADER_BYTES)
        try:
            header = segment.read_header(self._key, content)
        except SegmentBroken:
            return _Segment(path, None)
        return _Segment(path, header if header.sequence == _sequence(path) else None)

    def _remember(self) -> None:
        """Begin anew without a mark: whatever the chain proves is kept, and that the mark was lost is a gap."""
        first = next(iter(self._segments), None)
        tail: Tail | None = None
        for each in self._segments:
            if each.header is None:
                break
            at, total = self._start(each.header), each.header.first
            for frame in segment.frames(self._key, each.path.read_bytes(), at, None):
                at, total = frame, total + 1
            tail = Tail(each.header.sequence, at.end, at.mac, total)
        drained = (first.header.sequence - 1, first.header.first) if first and first.header else (0, 0)
        self._mark.write(State(*drained, tail, (self._gap("spool.mark_altered", 0),)))

    def _close_list(self) -> None:
        """Say where each file ends, and where the list breaks: from there on nothing will be drained."""
        expected, state = self._mark.state.drained + 1, self._mark.state
        for index, each in enumerate(self._segments):
            header = each.header
            if header is None or header.sequence != expected:
                each.header = None
                return
            if index:
                self._segments[index - 1].last = header.previous
            expected += 1
        tail, newest = state.tail, self._segments[-1] if self._segments else None
        if tail is not None and tail.sequence >= expected:
            self._segments.append(_Segment(self._directory / f"{expected:012d}.missing", None))
        elif newest is not None and newest.header is not None:
            # A file that is newer than the last acknowledged entry holds nothing that was acknowledged.
            newest.last = tail.mac if tail and tail.sequence == newest.header.sequence else newest.header.mac

    def _rewind(self) -> None:
        header = self._segments[0].header if self._segments else None
        self._at = Frame(b"", b"", 0) if header is None else self._start(header)

    def _start(self, header: Header) -> Frame:
        return Frame(b"", header.mac, segment.HEADER_BYTES)

    def _measure(self) -> None:
        """Learn size and age of what is there; a broken file is met again, and rejected, when it is drained."""
        for each in self._segments:
            if each.header is None:
                return
            content = each.path.read_bytes()
            with contextlib.suppress(SegmentBroken):
                for frame in segment.frames(self._key, content, self._start(each.header), each.last):
                    self.size_bytes += len(frame.body) + _FRAME
                    self.oldest_us = self.oldest_us or segment.unpack(frame.body)[2]

    def _frames(self, first: _Segment) -> tuple[Frame, ...]:
        """Return the next frames of a file. Raises SegmentBroken when not even one follows where one must."""
        if first.header is None:
            raise SegmentBroken
        if self._at.mac == first.last:
            return ()
        with first.path.open("rb") as file:
            file.seek(self._at.end)
            content = file.read()
        start, found = self._at.end, list[Frame]()
        try:
            following = segment.frames(self._key, content, self._at._replace(end=0), first.last)
            found.extend(islice(following, MAX_DRAIN))
        except SegmentBroken:
            if not found:
                raise
        return tuple(frame._replace(end=start + frame.end) for frame in found)

    def _begin(self, needed: int) -> _Active:
        """Reserve the next file and write to it from now on. Raises OSError; then nothing changed."""
        state = self._mark.state
        last = self._segments[-1] if self._segments else None
        sequence = 1 + max(state.drained, last.header.sequence if last and last.header else 0)
        previous = (last.last if last else None) or bytes(segment.MAC_BYTES)
        content = segment.header(self._key, sequence, self._total, previous)
        size = max(min(SEGMENT_BYTES, self._max_bytes), segment.HEADER_BYTES + needed)
        path = self._directory / f"{sequence:012d}.segment"
        descriptor = create(self._disk, path, size, content)
        if self._active is not None:
            os.close(self._active.descriptor)
        header = segment.read_header(self._key, content)
        self._segments.append(_Segment(path, header, header.mac))
        if len(self._segments) == 1:
            self._rewind()
        self._active = _Active(descriptor, sequence, size, segment.HEADER_BYTES, header.mac)
        return self._active

    def _abandon(self, active: _Active) -> None:
        """Write no more to a file of which an fsync may have failed; one that holds no entry is removed."""
        os.close(active.descriptor)
        self._active = None
        if active.end == segment.HEADER_BYTES:
            with contextlib.suppress(OSError):
                self._segments[-1].path.unlink()
                self._segments.pop()

    def _finish(self) -> None:
        """Forget the first file, which is drained to its end. Raises OSError."""
        done = self._segments[0]
        if done.header is not None:
            total = self._total - self.entries
            state = self._mark.state
            self._mark.write(msgspec.structs.replace(state, drained=done.header.sequence, drained_total=total))
        done.path.unlink(missing_ok=True)
        self._segments.pop(0)
        self._rewind()

    def _reject(self, reason: str) -> None:
        """Put aside what cannot be trusted, from the broken place on, and remember the gap. Raises OSError."""
        if self._active is not None:
            os.close(self._active.descriptor)
            self._active = None
        kept = [each.path for each in self._segments if each.path.exists()]
        aside = [path.with_name(f"{path.stem}.{self._clock.now_us()}.rejected") for path in kept]
        for path, name in zip(kept, aside, strict=True):
            path.rename(name)
        state, headers = self._mark.state, [each.header for each in self._segments if each.header is not None]
        drained = max(state.drained, state.tail.sequence if state.tail else 0, *(each.sequence for each in headers), 0)
        gap = self._gap(reason if kept else "spool.missing", self.entries)
        self._mark.write(State(drained, self._total, state.tail, (*state.gaps, gap)))
        self._segments.clear()
        self.entries = self.size_bytes = 0
        self.rejected = tuple(sorted((*self.rejected, *(path.name for path in aside))))

    def _gap(self, reason: str, count: int) -> Gap:
        record, since_us = self._clock.uuid7(), self.oldest_us or self._clock.now_us()
        return Gap(self._clock.uuid7(), record, since_us, reason, {ORGANIZATION: Skipped(record, count)})


def _sequence(path: Path) -> int:
    """Return the number in a file's name; a name without one is put first, where its header refuses it."""
    return int(path.stem) if path.stem.isdecimal() else 0
