# SPDX-License-Identifier: Apache-2.0
"""The binding of an approval: whatever differs, it is another one."""

import hashlib
import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from customhouse.approvals.binding import Bound, digest
from customhouse.domain.digest import Digest
from customhouse.domain.plane import PLANES

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
BOUND = st.builds(
    Bound,
    tenant=TEXT,
    environment=TEXT,
    assistant=TEXT,
    versions=st.fixed_dictionaries({plane.value: TEXT.map(Digest) for plane in PLANES}),
    tool=TEXT,
    tool_digest=TEXT,
    arguments=TEXT,
    reasons=st.lists(TEXT, max_size=3).map(tuple),
    key_id=TEXT,
    on_behalf_of=st.none() | TEXT,
    assertion=TEXT,
    body_digest=TEXT,
)
FIELDS = tuple(field.name for field in msgspec.structs.fields(Bound))


@given(BOUND, BOUND, st.sampled_from(FIELDS))
def test_any_changed_field_changes_it(bound: Bound, other: Bound, field: str) -> None:
    changed = msgspec.structs.replace(bound, **{field: getattr(other, field)})
    assert (digest(changed) == digest(bound)) is (getattr(changed, field) == getattr(bound, field))


@given(BOUND, BOUND, st.sampled_from(PLANES))
def test_each_plane_counts_by_itself(bound: Bound, other: Bound, plane: str) -> None:
    moved = {**bound.versions, plane: other.versions[plane]}
    changed = msgspec.structs.replace(bound, versions=moved)
    assert (digest(changed) == digest(bound)) is (moved[plane] == bound.versions[plane])


@given(BOUND, BOUND)
def test_two_are_equal_exactly_when_all_of_them_is(bound: Bound, other: Bound) -> None:
    assert (digest(bound) == digest(other)) is (bound == other)


@given(TEXT, TEXT)
def test_text_does_not_move_from_one_field_into_the_next(before: str, after: str) -> None:
    def of(tool: str, arguments: str) -> str:
        given: dict[str, object] = dict.fromkeys(FIELDS, "")
        given |= {"versions": {}, "reasons": (), "tool": tool, "arguments": arguments}
        return digest(msgspec.convert(given, Bound))

    assert (of(before + after, "") == of(before, after)) is (after == "")


def test_it_is_the_hash_of_what_stands_in_the_documentation() -> None:
    """Whoever has the fields can compute it without us."""
    given: dict[str, object] = {name: name for name in FIELDS}
    given |= {"versions": {"model": "m", "tools": "t"}, "reasons": ["a.b"], "on_behalf_of": None}
    text = json.dumps(given, sort_keys=True, separators=(",", ":"))
    assert digest(msgspec.convert(given, Bound)) == hashlib.sha256(text.encode()).hexdigest()
