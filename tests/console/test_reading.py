# SPDX-License-Identifier: Apache-2.0
"""Approve takes that every part was shown, in order, in this session, of these arguments."""

from typing import Final
from urllib.parse import parse_qsl, urlsplit

import pytest

from customhouse.access.sessions import Session
from customhouse.console.layout import PART_CHARACTERS
from customhouse.console.proof import is_whole_proof
from customhouse.console.reading import Part, read_part
from customhouse.domain.principal import Actor

DANA: Final = Session(Actor("dana@acme.test", "person", frozenset()), "chs_" + "d" * 43)
OTHER: Final = Session(DANA.actor, "chs_" + "e" * 43)
LONG: Final = '{"note":"' + "x" * (3 * PART_CHARACTERS) + '"}'


def shown(
    number: int = 1, brought: str = "", *, session: Session = DANA, subject: str = "one", text: str = LONG
) -> Part:
    found = read_part(text, session, subject, "/approvals/1", number, brought)
    assert found is not None
    return found


def follow(part: Part, number: int, session: Session = DANA) -> Part:
    """Open another part by the link on the page."""
    query = dict(parse_qsl(urlsplit(part.address(number)).query))
    return shown(int(query["part"]), query["shown"], session=session)


def test_what_fits_one_page_is_shown_with_it() -> None:
    part = shown(text='{"a":"\u00fc\u202e"}')
    assert (part.count, part.marks, part.size_bytes, part.size_characters) == (1, 2, 13, 10)
    assert is_whole_proof(DANA, "one", part.whole)
    assert not is_whole_proof(DANA, "two", part.whole)
    assert not is_whole_proof(OTHER, "one", part.whole)


def test_part_after_part_shows_all() -> None:
    part = shown()
    assert part.count > 3
    for number in range(2, part.count + 1):
        assert part.whole == ""
        part = follow(part, number)
        assert part.shown == number
    assert is_whole_proof(DANA, "one", part.whole)
    assert follow(part, 1).whole == part.whole, "whoever looks back has still been shown all"


def test_whoever_jumps_to_the_end_has_not_been_shown_the_middle() -> None:
    first = shown()
    last = follow(first, first.count)
    assert (last.shown, last.whole) == (1, "")
    assert follow(last, 3).shown == 1
    assert follow(last, 2).shown == 2


@pytest.mark.parametrize("other", [OTHER])
def test_what_somebody_else_was_shown_counts_for_nobody_else(other: Session) -> None:
    second = follow(shown(), 2)
    assert follow(second, 3, session=other).shown == 0
    assert shown(3, second.proof, subject="changed meanwhile").shown == 0


@pytest.mark.parametrize("number", [0, -1, 9])
def test_parts_that_are_none(number: int) -> None:
    assert read_part(LONG, DANA, "one", "/", number, "") is None
