# SPDX-License-Identifier: Apache-2.0
"""A record's bytes are canonical, bounded, and come back as what was written."""

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ledger.book import record

from customhouse.domain.digest import MAX_INTEGER
from customhouse.ledger.record import (
    KINDS,
    MAX_RECORD_BYTES,
    ModelFacts,
    Record,
    Ruling,
    Subject,
    ToolFacts,
    decode,
    encode,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NAMES = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
COUNTS = st.dictionaries(NAMES, st.integers(0, MAX_INTEGER), max_size=3)
PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.builds(
    Record,
    v=st.just(1),
    id=TEXT,
    tenant=TEXT,
    trace_id=TEXT,
    kind=st.sampled_from(sorted(KINDS)),
    at=TEXT,
    span_id=st.none() | TEXT,
    parents=st.lists(TEXT, max_size=2).map(tuple),
    principal=st.none() | st.builds(Subject, key=st.none() | TEXT, on_behalf_of=st.none() | TEXT),
    decision=st.none() | st.builds(Ruling, outcome=TEXT, reasons=st.lists(TEXT, max_size=2).map(tuple)),
    model=st.none() | st.builds(ModelFacts, deployment=TEXT, provider=TEXT, requested=TEXT, attempt=st.integers(1, 9)),
    tool=st.none() | st.builds(ToolFacts, name=TEXT, call_id=st.none() | TEXT),
    usage=st.none() | COUNTS,
    timing_us=st.none() | COUNTS,
    detail=st.none() | st.dictionaries(NAMES, PLAIN, max_size=3),
)


@given(RECORDS)
@settings(deadline=None)
def test_the_bytes_are_canonical_and_come_back(written: Record) -> None:
    content = encode(written)
    assert content == rfc8785.dumps(json.loads(content))
    assert encode(decode(content)) == content


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_written(kind: str) -> None:
    written = record(kind, detail={"a": 1})
    assert decode(encode(written)) == written


@pytest.mark.parametrize("kind", ["", "request", "Request.accepted", "request.accepted ", "tool.allowed"])
def test_no_other_kind_is(kind: str) -> None:
    with pytest.raises(ValueError, match=r"is not an evidence kind"):
        encode(record(kind))


def test_a_record_has_a_bound_exactly() -> None:
    room = MAX_RECORD_BYTES - len(encode(record(detail={"text": ""})))
    assert len(encode(record(detail={"text": "x" * room}))) == MAX_RECORD_BYTES
    with pytest.raises(ValueError, match=r"8193 bytes is over 8192"):
        encode(record(detail={"text": "x" * (room + 1)}))


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_what_has_no_utf_8_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"surrogates"):
        encode(record(detail={"text": text}))


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\xff", b'{"v":1}', b'{"v":"1"}'])
def test_other_bytes_are_no_record(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(content)
