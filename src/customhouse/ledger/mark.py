# SPDX-License-Identifier: Apache-2.0
"""What a spool must remember through a crash: how far it was acknowledged and drained, and which gaps are open.

The file is allocated in full when it is created, so that a full disk cannot prevent a gap from being marked. It has two
slots that are written in turn: a write that tears leaves the other slot, which holds the state acknowledged before.

Story: the database is down and the disk is full when an assistant in `open` mode answers its first turn without
evidence. The mark is written into blocks that were there before, then the turn goes on. The machine loses power. At the
next start the mark says that at least one record of that tenant is missing, and since when: the gap is declared.
"""

import hashlib
import hmac
import os
from pathlib import Path
from typing import Final

import msgspec

from customhouse.domain.errors import StoreUnavailable
from customhouse.store.disk import Disk, create, write_all

SLOT_BYTES: Final = 64 * 1024
"""Holds the gaps of some 500 tenants; more than fit are refused, not forgotten."""
_HEAD: Final = 8 + 4
_MAC: Final = 32


class Tail(msgspec.Struct, frozen=True, array_like=True):
    """The last entry that was acknowledged: its segment, where it ends, its mac, and how many there were until it."""

    sequence: int
    end: int
    mac: bytes
    total: int


class Skipped(msgspec.Struct, frozen=True, array_like=True):
    """How many records of a tenant are missing, and the id of the record that will declare it."""

    record: str
    count: int


class Gap(msgspec.Struct, frozen=True, array_like=True):
    """A time in which records were skipped. `id` is the trace under which it is declared, `record` the total's id."""

    id: str
    record: str
    since_us: int
    reason: str
    tenants: dict[str, Skipped] = {}


class State(msgspec.Struct, frozen=True, array_like=True):
    """All that is remembered. `drained` is the last segment that is wholly in the ledger, with its last total."""

    drained: int = 0
    drained_total: int = 0
    tail: Tail | None = None
    gaps: tuple[Gap, ...] = ()


class MarkAltered(StoreUnavailable):
    """The mark beside the spool is not what was written, so how far the spool reaches is not known."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(State).decode


class Mark:
    """The file `mark`. Invariant: after `write` returned, the state survives kill -9, loss of power and a full disk."""

    def __init__(self, path: Path, key: bytes, disk: Disk) -> None:
        """Prepare; `open` reads or creates it."""
        self._path = path
        self._key = key
        self._disk = disk
        self._descriptor = -1
        self._number = 0
        self.state = State()

    def open(self) -> bool:
        """Read the newest whole slot, creating the file when there is none; return whether it was there.

        Raises MarkAltered when neither slot is whole, OSError.
        """
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            self._begin()
            return False
        slots = [os.pread(self._descriptor, SLOT_BYTES, place * SLOT_BYTES) for place in (0, 1)]
        if not any(map(any, slots)):  # a crash while it was created: nothing was acknowledged yet
            self.close()
            self._path.unlink()
            self._begin()
            return False
        whole = [found for slot in slots if (found := self._read(slot)) is not None]
        if not whole:
            raise MarkAltered
        self._number, self.state = max(whole, key=lambda numbered: numbered[0])
        return True

    def write(self, state: State) -> None:
        """Remember a state durably. Raises OSError, StoreUnavailable (no room); then the old one stands."""
        number = self._number + 1
        body = _encode(state)
        content = number.to_bytes(8, "big") + len(body).to_bytes(4, "big") + body
        content += hmac.digest(self._key, content, hashlib.sha256)
        if len(content) > SLOT_BYTES:
            raise StoreUnavailable("the gaps of more tenants are open than the local mark can hold")
        write_all(self._disk, self._descriptor, content, number % 2 * SLOT_BYTES)
        self._disk.sync(self._descriptor)
        self._number, self.state = number, state

    def begin_again(self) -> None:
        """Put a file that was altered aside, as evidence, and begin a new one. Raises OSError."""
        self.close()
        self._path.rename(self._path.with_suffix(".rejected"))
        self._begin()

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _begin(self) -> None:
        # Written, not only allocated: the first write of a slot shall find blocks of its own.
        self._descriptor = create(self._disk, self._path, 2 * SLOT_BYTES, bytes(2 * SLOT_BYTES))
        self._number = 0
        self.write(State())

    def _read(self, slot: bytes) -> tuple[int, State] | None:
        length = int.from_bytes(slot[8:_HEAD], "big")
        content, mac = slot[: _HEAD + length], slot[_HEAD + length : _HEAD + length + _MAC]
        if not hmac.compare_digest(hmac.digest(self._key, content, hashlib.sha256), mac):
            return None
        try:
            return int.from_bytes(slot[:8], "big"), _decode(content[_HEAD:])
        except ValueError:
            return None
