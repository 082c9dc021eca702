# SPDX-License-Identifier: Apache-2.0
"""A filled pattern is the event that encoding the whole of it comes to, whatever the text."""

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from customhouse.dialects.pattern import Pattern

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def whole(before: str, text: str) -> bytes:
    return msgspec.json.encode({"": before, "model": before, "delta": {"text": text}, "index": 3})


@given(TEXTS, TEXTS)
@example("", "")
@example('""', '""')
@example('\\""', "%b %d \n")
def test_filled_it_is_the_whole_event(before: str, text: str) -> None:
    assert Pattern(whole(before, "")).filled(text) == whole(before, text)
