# SPDX-License-Identifier: Apache-2.0
"""How a policy reads: made by the decision, so a sentence cannot promise what is not enforced."""

from typing import Final

import pytest

from customhouse.domain.decision import Outcome
from customhouse.domain.message import ToolCall
from customhouse.manifest.sentences import policy_sentences, until
from customhouse.planes.tools.document import Approval, Budget, Document, Grant
from customhouse.planes.tools.permit import permit
from customhouse.planes.tools.policy import compiled

REFUNDS: Final = Approval(approvers=("group:refunds",))
WITHIN: Final = "these exact arguments within 15 min"

TOOLS: Final = [
    (Grant(permission="allow", effect="read"), "may call t (read)"),
    (Grant(permission="deny", effect="write"), "may not call t (write)"),
    (
        Grant(permission="allow", effect="read", rules=("args.amount <= 100", "principal.verified")),
        "may call t (read) only when args.amount <= 100 and when principal.verified",
    ),
    (
        Grant(permission="allow", effect="irreversible"),
        f"may call t (irreversible) only after the captain approves {WITHIN}",
    ),
    (
        Grant(permission="approve", effect="irreversible", approval=REFUNDS),
        f"may call t (irreversible) only after 1 of group refunds approves {WITHIN}",
    ),
    (
        Grant(permission="approve", effect="write", approval=Approval(approvers=("ola@acme.test",), expires_s=90)),
        "may call t (write) only after ola@acme.test approves these exact arguments within 90 s",
    ),
    (
        Grant(permission="approve", effect="write", approval=Approval(approvers=("a@b.test", "group:x"), quorum=2)),
        f"may call t (write) only after 2 of a@b.test, group x approve {WITHIN}",
    ),
    (
        Grant(
            permission="approve",
            effect="write",
            rules=("args.amount < 9",),
            approval=Approval(unless="args.amount < 5", expires_s=7200),
        ),
        (
            "may call t (write) only when args.amount < 9, and only after the captain approves these exact arguments "
            "within 2 h, but without asking when args.amount < 5"
        ),
    ),
    (
        Grant(permission="approve", effect="irreversible", approval=Approval(unless="args.amount < 5")),
        f"may call t (irreversible) only after the captain approves {WITHIN}",
    ),
    (
        Grant(permission="allow", effect="read", rules=("args.amount <",)),
        "may not call t (read) yet: A rule on the tool cannot be compiled, so every call of it is denied.",
    ),
]


@pytest.mark.parametrize(("grant", "sentence"), TOOLS)
def test_a_tool(grant: Grant, sentence: str) -> None:
    assert policy_sentences("bot", Document(grants={"t": grant}))[0] == f"bot {sentence}"


@pytest.mark.parametrize("grant", [row[0] for row in TOOLS])
def test_no_sentence_promises_what_a_call_does_not_get(grant: Grant) -> None:
    document = Document(grants={"t": grant})
    said = policy_sentences("bot", document)[0]
    outcome = permit(compiled(document), ToolCall("1", "t", '{"amount": 8}')).decision.outcome
    assert ("may not" in said) <= (outcome is Outcome.DENY)
    assert ("only after" in said) <= (outcome in {Outcome.HOLD, Outcome.DENY})
    assert (outcome is Outcome.ALLOW) <= ("only after" not in said)


def test_what_is_about_many_tools() -> None:
    document = Document(
        grants={
            "look": Grant(permission="allow", effect="read"),
            "pay": Grant(permission="allow", effect="write"),
            "wipe": Grant(permission="deny", effect="write"),
        },
        workflows={"returns": ("pay", "wipe"), "rest": ()},
        calls_per_turn=10,
        writes_per_hour=20,
        sums=(Budget(of="args.amount", tool="pay", max="500", per="day"),),
        unregistered="allow_read",
    )
    assert policy_sentences("bot", document) == (
        "bot may call look (read)",
        "bot may call pay (write); args.amount of all its calls together at most 500 a day",
        "bot may not call wipe (write)",
        "bot may call any other tool that a client brings, as one that only reads",
        "in the workflow rest, bot may call only nothing",
        "in the workflow returns, bot may call only pay",
        "in no workflow, bot may call only look, which only read",
        "bot may make at most 10 tool calls a turn",
        "bot may make at most 20 calls an hour that are no reads, for all of its callers together",
    )


@pytest.mark.parametrize(
    ("seconds", "told"), [(30, "30 s"), (900, "15 min"), (3600, "1 h"), (86_400, "1 d"), (90, "90 s")]
)
def test_lengths_of_time(seconds: int, told: str) -> None:
    assert until(seconds) == told
