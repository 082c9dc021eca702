# SPDX-License-Identifier: Apache-2.0
"""Tools that a policy does not name: off, or as reads where it says so; never one that it names, in other letters."""

from typing import Final

import msgspec
import pytest

from customhouse.domain.decision import Decision, Outcome
from customhouse.domain.message import ToolCall
from customhouse.planes.tools.document import Budget, Document, Grant
from customhouse.planes.tools.permit import Batch, permit
from customhouse.planes.tools.policy import compiled
from customhouse.planes.tools.unregistered import UNREGISTERED, granted, reading

GRANTS: Final = {
    "search": Grant(permission="allow", effect="read"),
    "issue_refund": Grant(permission="deny", effect="irreversible"),
    "send_mail": Grant(permission="approve", effect="write"),
}
CLOSED: Final = Document(grants=GRANTS)
OPEN: Final = Document(grants=GRANTS, unregistered="allow_read")
ROWS: Final[list[tuple[Document, str, Outcome, str]]] = [
    (CLOSED, "weather", Outcome.DENY, "tool.not_granted"),
    (OPEN, "weather", Outcome.ALLOW, "tool.unregistered"),
    (OPEN, "search", Outcome.ALLOW, "tool.granted"),
    (OPEN, "issue_refund", Outcome.DENY, "tool.denied"),
    (OPEN, "send_mail", Outcome.HOLD, "tool.needs_approval"),
]


@pytest.mark.parametrize(("document", "tool", "outcome", "reason"), ROWS)
def test_the_lists_outrank_what_is_said_of_all_others(
    document: Document, tool: str, outcome: Outcome, reason: str
) -> None:
    assert permit(compiled(document), ToolCall("c", tool, "{}")).decision == Decision(outcome, (reason,))


def test_what_narrows_every_call_narrows_these() -> None:
    call = ToolCall("c", "weather", "{}")

    def reasons(document: Document, call: ToolCall, offered: frozenset[str] | None = None, calls: int = 0) -> str:
        return permit(compiled(document), call, offered=offered, batch=Batch(calls)).decision.reasons[0]

    assert reasons(OPEN, call, frozenset({"search"})) == "tool.not_offered"
    assert reasons(OPEN, ToolCall("c", "weather", "[]")) == "tool.arguments_invalid"
    assert reasons(msgspec.structs.replace(OPEN, calls_per_turn=1), call, calls=1) == "tool.calls_per_turn"
    summed = msgspec.structs.replace(OPEN, sums=(Budget(of="args.a", tool="weather", max="1", per="day"),))
    assert reasons(summed, call) == "tool.sum_unreadable"


def test_what_is_granted_of_them_reads_and_its_results_are_trusted_by_nobody() -> None:
    assert granted(CLOSED, "weather") is None
    assert granted(OPEN, "weather") is UNREGISTERED
    assert UNREGISTERED.effect == "read"
    assert (UNREGISTERED.returns.integrity, UNREGISTERED.returns.classification) == ("untrusted", "restricted")


@pytest.mark.parametrize("name", ["Issue_Refund", "issue-refund", "issuerefund", "issue.refund", "ISSUE__REFUND"])
def test_names_that_are_read_as_one(name: str) -> None:
    assert reading(name) == reading("issue_refund")


def test_names_that_are_not() -> None:
    assert reading("issue_refunds") != reading("issue_refund")
