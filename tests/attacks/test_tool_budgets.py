# SPDX-License-Identifier: Apache-2.0
"""Paying out more than a policy's sum allows: by an amount that reads otherwise, or hides, or comes in two parts.

Story: issue_note may pay 500 a day. Mallory writes "-100000" into an order's note, and hopes that the model's refund of
nothing makes room for a large one. What is no amount from 0 up is denied, and the counter never moves down.
"""

import json
from pathlib import Path
from typing import Final

from tests.gateway.running import documents, running
from tests.gateway.test_claims import NOTE, OFFERED, a_day, budgeted, codes, counted
from tests.upstream import replies
from tests.upstream.server import scripted_upstream

UNREADABLE, EXCEEDED, INVALID = "tool.sum_unreadable", "tool.sum_exceeded", "tool.arguments_invalid"
ATTACKS: Final[dict[str, tuple[str, str]]] = {
    "negative": ('{"amount": -100000}', UNREADABLE),
    "negative-text": ('{"amount": "-100000"}', UNREADABLE),
    "negative-fraction": ('{"amount": -0.000001}', UNREADABLE),
    "exponent-too-large": ('{"amount": 1e11}', EXCEEDED),
    "exponent-just-too-large": ('{"amount": 5.01e2}', EXCEEDED),
    "exponent-as-text": ('{"amount": "1e1"}', UNREADABLE),
    "infinite": ('{"amount": 1e999}', INVALID),
    "not-a-number": ('{"amount": NaN}', INVALID),
    "not-a-number-as-text": ('{"amount": "NaN"}', UNREADABLE),
    "beyond-53-bits": ('{"amount": 18446744073709551617}', INVALID),
    "a-million-millions": ('{"amount": 1000000000000}', UNREADABLE),
    "huge-text": (json.dumps({"amount": "9" * 400}), UNREADABLE),
    "hair-too-much": ('{"amount": "500.0000000001"}', EXCEEDED),
    "missing": ("{}", UNREADABLE),
    "no-arguments": ("", UNREADABLE),
    "null": ('{"amount": null}', UNREADABLE),
    "true": ('{"amount": true}', UNREADABLE),
    "list": ('{"amount": [1]}', UNREADABLE),
    "nested": ('{"amount": {"amount": 1}}', UNREADABLE),
    "under-another": ('{"payment": {"amount": 1}}', UNREADABLE),
    "under-a-path": ('{"args.amount": 1}', UNREADABLE),
    "twice": ('{"amount": 1, "amount": 499}', INVALID),
    "twice-for-a-server-in-go": ('{"amount": 1, "Amount": 100000}', INVALID),
    "twice-by-escape": ('{"amount": 1, "\\u0061mount": 499}', INVALID),
    "space": ('{"amount": " 1"}', UNREADABLE),
    "comma": ('{"amount": "1,000"}', UNREADABLE),
    "line-break": ('{"amount": "1\\n"}', UNREADABLE),
    "arabic-digits": ('{"amount": "\\u0661"}', UNREADABLE),
    "empty-text": ('{"amount": ""}', UNREADABLE),
    "hexadecimal": ('{"amount": "0x1"}', UNREADABLE),
    "underscore": ('{"amount": "1_0"}', UNREADABLE),
}


def test_no_amount_reads_as_less_than_it_is(home: Path) -> None:
    """One answer after another on one gateway: each is denied, none moves the counter, and 500 still fit at the end."""
    scripted = {"pays": replies.tool_calls([replies.call(NOTE, '{"amount": 0.5}')])}
    with (
        scripted_upstream(by_model=scripted) as upstream,
        running(home, documents(upstream.base_url, ("pays",), tools=budgeted(sums=a_day("500")))) as gateway,
    ):
        assert len(gateway.chat(tools=OFFERED).calls) == 1
        before = counted(gateway)
        found: dict[str, list[str]] = {}
        for name, (arguments, _) in ATTACKS.items():
            upstream.replies = (replies.tool_calls([replies.call(NOTE, arguments)]),)
            answer = gateway.chat(tools=OFFERED)
            assert answer.calls == [], name
            found[name] = codes(answer)
        assert found == {name: [code] for name, (_, code) in ATTACKS.items()}
        assert counted(gateway) == before == [("tool:sum:issue_note:args.amount", 0, 500_000, 0)]
        upstream.replies = (replies.tool_calls([replies.call(NOTE, '{"amount": "499.50"}')]),)
        assert len(gateway.chat(tools=OFFERED).calls) == 1


def test_two_calls_of_one_answer_share_what_is_left(home: Path) -> None:
    calls = [replies.call(NOTE, json.dumps({"amount": amount}), at) for at, amount in enumerate((300, 201, 200, 0.01))]
    with (
        scripted_upstream(by_model={"pays": replies.tool_calls(calls)}) as upstream,
        running(home, documents(upstream.base_url, ("pays",), tools=budgeted(sums=a_day("500")))) as gateway,
    ):
        answer = gateway.chat(tools=OFFERED)
        assert [json.loads(said)["amount"] for _, said in answer.calls] == [300, 200]
        assert codes(answer) == [EXCEEDED, EXCEEDED]
        assert counted(gateway) == [("tool:sum:issue_note:args.amount", 0, 500_000_000, 0)]
