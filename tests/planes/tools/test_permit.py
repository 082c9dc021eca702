# SPDX-License-Identifier: Apache-2.0
"""The decision on a call: total, off unless granted, and nothing that is added to a policy ever widens it."""

from typing import Final, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customhouse.domain.decision import REASONS, Decision, Outcome
from customhouse.domain.message import ToolCall
from customhouse.planes.tools.arguments import valid_arguments
from customhouse.planes.tools.document import Approval, Budget, Document, Grant
from customhouse.planes.tools.permit import offers, permit

NAMES = st.sampled_from(["search", "refund", "mail", "Search", "", "sea\u200brch"]) | st.text(max_size=5)
GRANTS = st.builds(
    Grant,
    permission=st.sampled_from(["allow", "approve", "deny"]),
    effect=st.sampled_from(["read", "write", "irreversible", "undeclared"]),
    approval=st.none() | st.builds(Approval, quorum=st.integers(0, 3)),
    rules=st.just(()) | st.just(("amount < 10",)),
)
BUDGETS = st.builds(Budget, of=st.just("amount"), tool=NAMES, max=st.just("10"), per=st.just("day"))
DOCUMENTS = st.builds(
    Document,
    grants=st.dictionaries(NAMES, GRANTS, max_size=4),
    workflows=st.dictionaries(NAMES, st.lists(NAMES, max_size=2).map(tuple), max_size=2),
    calls_per_turn=st.none() | st.integers(-1, 3),
    writes_per_hour=st.none() | st.integers(0, 3),
    sums=st.lists(BUDGETS, max_size=2).map(tuple),
)
ARGUMENTS = st.sampled_from(["", "{}", '{"amount":1}', '{"a":1,"a":2}', "[]", "{", '{"a":1e999}', "\ud800"]) | st.text(
    max_size=10
)
CALLS = st.builds(ToolCall, id=st.just("c"), name=NAMES, arguments=ARGUMENTS)
OFFERED = st.none() | st.frozensets(NAMES, max_size=4)
SO_FAR = st.integers(0, 4)
MANY = settings(deadline=None, max_examples=300)


@given(DOCUMENTS, CALLS, OFFERED, SO_FAR)
@MANY
def test_it_decides_everything_and_allows_only_what_everything_allows(
    document: Document, call: ToolCall, offered: frozenset[str] | None, so_far: int
) -> None:
    decision = permit(document, call, offered=offered, calls_so_far=so_far)
    assert set(decision.reasons) <= set(REASONS)
    assert decision.reasons
    grant = document.grants.get(call.name)
    if decision.outcome is Outcome.DENY:
        return
    # What is allowed or held was granted, offered, readable, within the turn's budget, and under no unkept promise.
    assert grant is not None
    assert grant.permission != "deny"
    assert offered is None or call.name in offered
    assert valid_arguments(call.arguments)
    assert document.calls_per_turn is None or so_far < document.calls_per_turn
    assert grant.rules == ()
    assert all(budget.tool != call.name for budget in document.sums)
    assert grant.effect == "read" or (document.writes_per_hour is None and not document.workflows)
    if decision.outcome is Outcome.ALLOW:
        assert grant.permission == "allow"
        assert grant.effect != "irreversible"


def narrowed(document: Document, name: str) -> list[Document]:
    """Return the document with one more thing declared, in every way there is."""
    more = [
        msgspec.structs.replace(document, sums=(*document.sums, Budget(of="a", tool=name, max="1", per="turn"))),
        msgspec.structs.replace(document, workflows={**document.workflows, "returns": (name,)}),
        msgspec.structs.replace(document, writes_per_hour=100),
        msgspec.structs.replace(
            document, calls_per_turn=100 if document.calls_per_turn is None else document.calls_per_turn - 1
        ),
    ]
    grant = document.grants.get(name)
    if grant is not None:
        stricter = (
            msgspec.structs.replace(grant, rules=(*grant.rules, "true")),
            msgspec.structs.replace(grant, permission="deny"),
        )
        more += [msgspec.structs.replace(document, grants={**document.grants, name: other}) for other in stricter]
    return more


@given(DOCUMENTS, CALLS, OFFERED, SO_FAR)
@MANY
def test_what_is_added_to_a_policy_never_allows_what_was_not(
    document: Document, call: ToolCall, offered: frozenset[str] | None, so_far: int
) -> None:
    before = permit(document, call, offered=offered, calls_so_far=so_far)
    for after in narrowed(document, call.name):
        if permit(after, call, offered=offered, calls_so_far=so_far).outcome is Outcome.ALLOW:
            assert before.outcome is Outcome.ALLOW


@given(DOCUMENTS, CALLS, st.frozensets(NAMES, max_size=4), st.frozensets(NAMES, max_size=4), SO_FAR)
@MANY
def test_offering_fewer_tools_or_having_called_more_never_allows_what_was_not(
    document: Document, call: ToolCall, some: frozenset[str], others: frozenset[str], so_far: int
) -> None:
    wide = permit(document, call, offered=some | others, calls_so_far=so_far)
    for narrow in (
        permit(document, call, offered=some, calls_so_far=so_far),
        permit(document, call, offered=some | others, calls_so_far=so_far + 1),
    ):
        assert narrow == wide or narrow.outcome is Outcome.DENY


@given(DOCUMENTS, CALLS)
@MANY
def test_what_is_not_offered_to_a_model_is_never_allowed_either(document: Document, call: ToolCall) -> None:
    if call.name not in offers(document):
        assert permit(document, call).outcome is Outcome.DENY


def test_an_error_inside_the_decision_is_a_denial() -> None:
    broken = cast("Document", object())
    assert permit(broken, ToolCall("c", "search", "{}")) == Decision(Outcome.DENY, ("decision.failed",))


def document(**fields: object) -> Document:
    grants = {
        "search": Grant(permission="allow", effect="read"),
        "note": Grant(permission="allow", effect="write"),
        "wipe": Grant(permission="allow", effect="irreversible"),
        "refund": Grant(permission="approve", effect="irreversible"),
        "move": Grant(permission="deny", effect="write"),
        "guarded": Grant(permission="allow", effect="read", rules=("amount < 10",)),
        "unsaid": Grant(permission="allow", effect="undeclared"),
    }
    return msgspec.structs.replace(Document(grants=grants), **fields)


ALL: Final = frozenset(document().grants)
ROWS: list[tuple[Document, str, str, Outcome, tuple[str, ...]]] = [
    (document(), "search", "{}", Outcome.ALLOW, ("tool.granted",)),
    (document(), "search", "", Outcome.ALLOW, ("tool.granted",)),
    (document(), "note", "{}", Outcome.ALLOW, ("tool.granted",)),
    (document(), "wipe", "{}", Outcome.HOLD, ("tool.irreversible",)),
    (document(), "refund", "{}", Outcome.HOLD, ("tool.needs_approval",)),
    (document(), "move", "{}", Outcome.DENY, ("tool.denied",)),
    (document(), "unsaid", "{}", Outcome.ALLOW, ("tool.granted", "tool.effect_undeclared")),
    (document(), "Search", "{}", Outcome.DENY, ("tool.not_granted",)),
    (document(), "", "{}", Outcome.DENY, ("tool.not_granted",)),
    (document(), "search", "[]", Outcome.DENY, ("tool.arguments_invalid",)),
    (document(), "guarded", "{}", Outcome.DENY, ("tool.rule_not_enforced",)),
    (document(calls_per_turn=1), "search", "{}", Outcome.ALLOW, ("tool.granted",)),
    (document(calls_per_turn=0), "search", "{}", Outcome.DENY, ("tool.calls_per_turn",)),
    (document(writes_per_hour=9), "search", "{}", Outcome.ALLOW, ("tool.granted",)),
    (document(writes_per_hour=9), "note", "{}", Outcome.DENY, ("tool.budget_not_enforced",)),
    (document(workflows={"w": ("note",)}), "search", "{}", Outcome.ALLOW, ("tool.granted",)),
    (document(workflows={"w": ("note",)}), "note", "{}", Outcome.DENY, ("tool.workflow_required",)),
    (document(workflows={"w": ("refund",)}), "refund", "{}", Outcome.DENY, ("tool.workflow_required",)),
    (
        document(sums=(Budget(of="a", tool="search", max="1", per="day"),)),
        "search",
        "{}",
        Outcome.DENY,
        ("tool.budget_not_enforced",),
    ),
]


@pytest.mark.parametrize(("policy", "name", "arguments", "outcome", "reasons"), ROWS)
def test_the_truth_table(
    policy: Document, name: str, arguments: str, outcome: Outcome, reasons: tuple[str, ...]
) -> None:
    assert permit(policy, ToolCall("c", name, arguments), offered=ALL | {"Search", ""}) == Decision(outcome, reasons)


def test_a_tool_that_was_not_shown_is_denied_although_it_is_granted() -> None:
    decision = permit(document(), ToolCall("c", "search", "{}"), offered=frozenset({"note"}))
    assert decision == Decision(Outcome.DENY, ("tool.not_offered",))


def test_denied_tools_are_never_shown() -> None:
    assert offers(document()) == ALL - {"move"}
