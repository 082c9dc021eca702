# SPDX-License-Identifier: Apache-2.0
"""The bytes of a spool segment: a header, then one frame for each entry, chained by HMAC-SHA256. Pure.

    header = magic(8) sequence(8) first(8) previous(32) mac(32)     mac = HMAC(key, the bytes before it)
    frame  = length(4) body(length) mac(32)                         mac = HMAC(key, mac before || length || body)

`sequence` numbers the segments of one home; `first` is how many entries came before this segment; `previous` is the
last mac of the segment before it. A length of zero ends a segment: its file is reserved in full before it is used.

Story: Mallory can write to the disk of a gateway whose database is down. He edits a frame, swaps two, removes one, or
brings a segment from another house: each of these breaks a mac that he cannot compute, and nothing from there on is
taken into the ledger.
"""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from customhouse.domain.errors import IntegrityFailed
from customhouse.ledger import record
from customhouse.ledger.entry import Entry
from customhouse.vault.seal import Sealed

MAGIC: Final = b"CHSPOOL1"
MAC_BYTES: Final = 32
LENGTH_BYTES: Final = 4
HEADER_BYTES: Final = 8 + 8 + 8 + MAC_BYTES + MAC_BYTES
MAX_BODY_BYTES: Final = 128 * 1024 * 1024
"""Bounds what a broken length can make us read: a record with the largest body and answer is far smaller."""


class SegmentBroken(IntegrityFailed):
    """A spool segment is not what was written; nothing from the broken place on is taken into the ledger."""


class Header(NamedTuple):
    """Where a segment stands among the segments of its home."""

    sequence: int
    first: int
    previous: bytes
    mac: bytes


class Frame(NamedTuple):
    """One entry's bytes, the mac that the next frame follows from, and where that begins."""

    body: bytes
    mac: bytes
    end: int


class Packed(msgspec.Struct, frozen=True, array_like=True):
    """An entry as a segment holds it: the record's canonical bytes, and what goes into the same transaction."""

    at_us: int
    canonical: bytes
    payloads: tuple[tuple[str, str, bytes], ...]
    references: tuple[str, ...]
    opens: bool
    closes: str | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Packed).decode


def pack(entry: Entry, canonical: bytes, at_us: int) -> bytes:
    """Return a frame's body. Cost: about 2 µs and a copy of the payloads."""
    payloads = tuple((payload.commitment, payload.kind, payload.content) for payload in entry.payloads)
    return _encode(Packed(at_us, canonical, payloads, entry.references, entry.opens, entry.closes))


def unpack(body: bytes) -> tuple[Entry, bytes, int]:
    """Return the entry, its record's canonical bytes and when it was kept. Raises SegmentBroken."""
    try:
        packed = _decode(body)
        found = record.decode(packed.canonical)
    except ValueError as error:
        raise SegmentBroken("a frame does not hold an entry") from error
    payloads = tuple(Sealed(*payload) for payload in packed.payloads)
    return Entry(found, payloads, packed.references, packed.opens, packed.closes), packed.canonical, packed.at_us


def header(key: bytes, sequence: int, first: int, previous: bytes) -> bytes:
    """Return a segment's first bytes; their last 32 are the mac that the first frame follows from."""
    content = MAGIC + sequence.to_bytes(8, "big") + first.to_bytes(8, "big") + previous
    return content + hmac.digest(key, content, hashlib.sha256)


def read_header(key: bytes, content: bytes) -> Header:
    """Return what a segment's first bytes say. Raises SegmentBroken."""
    if len(content) < HEADER_BYTES or content[: len(MAGIC)] != MAGIC:
        raise SegmentBroken("the file does not begin as a segment")
    signed, mac = content[: HEADER_BYTES - MAC_BYTES], content[HEADER_BYTES - MAC_BYTES : HEADER_BYTES]
    if not hmac.compare_digest(hmac.digest(key, signed, hashlib.sha256), mac):
        raise SegmentBroken("the header was not written by this home")
    return Header(
        int.from_bytes(signed[8:16], "big"), int.from_bytes(signed[16:24], "big"), signed[24:HEADER_BYTES], mac
    )


def frame(key: bytes, previous: bytes, body: bytes) -> bytes:
    """Return a frame that follows from the mac `previous`; its last 32 bytes are its own mac."""
    content = len(body).to_bytes(LENGTH_BYTES, "big") + body
    return content + hmac.digest(key, previous + content, hashlib.sha256)


def read_frame(key: bytes, previous: bytes, content: bytes, start: int) -> Frame | None:
    """Return the frame at `start` of a segment's bytes, or None where they end. Raises SegmentBroken."""
    length = int.from_bytes(content[start : start + LENGTH_BYTES], "big")
    if length == 0:
        return None
    body_end = start + LENGTH_BYTES + length
    mac = content[body_end : body_end + MAC_BYTES]
    if length > MAX_BODY_BYTES or len(mac) < MAC_BYTES:
        raise SegmentBroken(f"the frame at byte {start} is not whole")
    if not hmac.compare_digest(hmac.digest(key, previous + content[start:body_end], hashlib.sha256), mac):
        raise SegmentBroken(f"the frame at byte {start} does not follow from the one before")
    return Frame(content[start + LENGTH_BYTES : body_end], mac, body_end + MAC_BYTES)


def frames(key: bytes, content: bytes, start: Frame, last: bytes | None) -> Iterator[Frame]:
    """Give the frames after `start`, as far as the one whose mac is `last`. Raises SegmentBroken when it never comes.

    `last` None is for a segment of which nobody remembers the end: all frames that follow from each other are given.
    """
    at = start
    while at.mac != last:
        try:
            following = read_frame(key, at.mac, content, at.end)
        except SegmentBroken:
            if last is None:
                return
            raise
        if following is None:
            if last is None:
                return
            raise SegmentBroken(f"the segment ends at byte {at.end}, before its last entry")
        at = following
        yield at
