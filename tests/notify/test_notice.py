# SPDX-License-Identifier: Apache-2.0
"""What people read: names as words, the occasion, the end, and no field for anything else."""

from dataclasses import fields, replace

import pytest
from tests.notify.waiting import ID, WAITING

from customhouse.notify.notice import Notice, link, sentence, subject, word

WORDS = [
    # a name, how it is shown, why
    ("issue_refund", "issue_refund", "an ordinary name"),
    ("mcp:orders/refund.v2-x", "mcp:orders/refund.v2-x", "the signs that names have"),
    ("a\r\nBcc: eve@evil.test", "a(U+000D)(U+000A)Bcc:(U+0020)eve(U+0040)evil.test", "no header of a mail"),
    ("<https://evil.test|x>", "(U+003C)https://evil.test(U+007C)x(U+003E)", "no link in Slack"),
    ("issue_r\u0435fund", "issue_r(U+0435)fund", "a homoglyph"),
    ("a\u202eb\u200b", "a(U+202E)b(U+200B)", "bidi and zero width"),
    ("", "", "nothing"),
    ("x" * 129, "x" * 128 + "(cut)", "nothing is cut silently"),
]


@pytest.mark.parametrize(("name", "shown", "why"), WORDS)
def test_a_name_is_a_word(name: str, shown: str, why: str) -> None:
    assert word(name) == shown, why


def test_the_occasion_says_what_waits() -> None:
    assert subject(WAITING) == "Approval needed: issue_refund (customer_support_bot, production)"
    assert sentence(WAITING) == (
        "customer_support_bot in production asks to call issue_refund. "
        "One of its approvers can decide until 2026-11-18T11:06:40Z."
    )
    assert subject(replace(WAITING, occasion="reminder")).startswith("Approval still needed: issue_refund")
    tested = replace(WAITING, occasion="test")
    assert "issue_refund" not in subject(tested) + sentence(tested)


def test_a_message_has_one_id_however_often_it_is_sent() -> None:
    assert WAITING.message_id == ID
    assert replace(WAITING, occasion="reminder").message_id == f"{ID}-reminder"


def test_a_notice_has_no_field_for_what_must_not_leave() -> None:
    assert [each.name for each in fields(Notice)] == [
        "id", "occasion", "tool", "assistant", "environment", "expires_at_us", "link",
    ]  # fmt: skip


def test_a_link_is_below_the_public_address() -> None:
    assert link("https://a.test/ch/", "1") == link("https://a.test/ch", "1") == "https://a.test/ch/approvals/1"
