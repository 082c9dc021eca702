# SPDX-License-Identifier: Apache-2.0
"""The decision on a call: total, off unless granted, and nothing that is added to a policy ever widens it."""

from typing import Final, Literal, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customhouse.domain.decision import REASONS, Decision, Outcome
from customhouse.domain.message import ToolCall
from customhouse.planes.tools.arguments import read_arguments
from customhouse.planes.tools.document import Approval, Budget, Document, Grant
from customhouse.planes.tools.facts import Facts
from customhouse.planes.tools.permit import Batch, explained, listed, permit
from customhouse.planes.tools.policy import Policy, compiled

SCHEMA: Final = '{"type":"object","properties":{"amount":{"type":"number"}},"required":["amount"]}'
NAMES = st.sampled_from(["search", "refund", "mail", "Search", "", "sea\u200brch"]) | st.text(max_size=5)
GRANTS = st.builds(
    Grant,
    permission=st.sampled_from(["allow", "approve", "deny"]),
    effect=st.sampled_from(["read", "write", "irreversible", "undeclared"]),
    approval=st.none() | st.builds(Approval, quorum=st.integers(0, 3)),
    rules=st.sampled_from([(), ("args.amount < 10",), ("args.amount < 10 || true",), ("args.amount",), ("nonsense(",)]),
    parameters=st.sampled_from([None, SCHEMA, "{"]),
)
BUDGETS = st.builds(
    Budget, of=st.just("args.amount"), tool=NAMES, max=st.just("10"), per=st.sampled_from(["turn", "hour", "day"])
)
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
BATCHES = st.builds(
    Batch, st.integers(0, 4), st.dictionaries(NAMES.map("sum:{}:args.amount".format), st.integers(0, 10**7), max_size=2)
)
WORKFLOWS = st.sampled_from(["", "returns", "other"])
MANY = settings(deadline=None, max_examples=300)


@given(DOCUMENTS, CALLS, OFFERED, BATCHES, WORKFLOWS)
@MANY
def test_it_decides_everything_and_allows_only_what_everything_allows(
    document: Document, call: ToolCall, offered: frozenset[str] | None, batch: Batch, workflow: str
) -> None:
    verdict = permit(compiled(document), call, Facts(workflow), offered=offered, batch=batch)
    decision = verdict.decision
    assert set(decision.reasons) <= set(REASONS)
    assert decision.reasons
    grant = document.grants.get(call.name)
    if decision.outcome is Outcome.DENY:
        return
    # What is allowed or held was granted, offered, readable, valid, true to its rules, and fits the budgets alone.
    assert grant is not None
    assert grant.permission != "deny"
    assert offered is None or call.name in offered
    arguments = read_arguments(call.arguments)
    assert arguments is not None
    amount = arguments.get("amount")
    small = isinstance(amount, int) and amount < 10  # noqa: PLR2004 - as the rule says
    assert grant.parameters is None or (grant.parameters == SCHEMA and isinstance(amount, int))
    assert grant.rules == () or (grant.rules != ("nonsense(",) and (small or "true" in grant.rules[0]))
    sums = [budget for budget in document.sums if budget.tool == call.name]
    assert not sums or isinstance(amount, int)
    assert document.calls_per_turn is None or batch.calls < document.calls_per_turn
    writes = document.writes_per_hour is not None and grant.effect != "read"
    assert len(verdict.claims) == len(sums) + writes
    if workflow:
        assert call.name in document.workflows.get(workflow, ())
    elif document.workflows:
        assert grant.effect == "read"
    if decision.outcome is Outcome.ALLOW:
        assert grant.permission == "allow"
        assert grant.effect != "irreversible"


@given(DOCUMENTS, CALLS, OFFERED, BATCHES, WORKFLOWS)
@MANY
def test_what_is_explained_is_what_was_decided(
    document: Document, call: ToolCall, offered: frozenset[str] | None, batch: Batch, workflow: str
) -> None:
    policy, facts = compiled(document), Facts(workflow)
    steps = explained(policy, call, facts, offered=offered, batch=batch)
    assert steps[-1].decision == permit(policy, call, facts, offered=offered, batch=batch).decision
    assert all(step.decision is None for step in steps[:-1])


@given(DOCUMENTS, CALLS)
@MANY
def test_no_call_gets_further_than_the_lists_say(document: Document, call: ToolCall) -> None:
    order = (Outcome.ALLOW, Outcome.HOLD, Outcome.DENY)
    policy = compiled(document)
    said, decided = listed(policy, call.name).outcome, permit(policy, call).decision.outcome
    assert order.index(decided) >= order.index(said)


@given(DOCUMENTS, CALLS, BATCHES)
@MANY
def test_for_a_name_that_nobody_proved_what_people_would_be_asked_is_denied_and_nothing_else_changes(
    document: Document, call: ToolCall, batch: Batch
) -> None:
    policy = compiled(document)
    proved = permit(policy, call, Facts("", {"a": 1}), batch=batch).decision
    asserted = permit(policy, call, Facts("", {"a": 1}, asserted=True), batch=batch).decision
    if proved.outcome is Outcome.HOLD:
        assert asserted == Decision(Outcome.DENY, ("tool.subject_not_verified",))
    else:
        assert asserted == proved


def narrowed(document: Document, name: str) -> list[Document]:
    """Return the document with one more thing declared, in every way there is."""
    more = [
        msgspec.structs.replace(
            document, sums=(*document.sums, Budget(of="args.amount", tool=name, max="1", per="turn"))
        ),
        msgspec.structs.replace(document, workflows={**document.workflows, "returns": (name,)}),
        msgspec.structs.replace(
            document, writes_per_hour=100 if document.writes_per_hour is None else document.writes_per_hour - 1
        ),
        msgspec.structs.replace(
            document, calls_per_turn=100 if document.calls_per_turn is None else document.calls_per_turn - 1
        ),
    ]
    grant = document.grants.get(name)
    if grant is not None:
        stricter = (
            msgspec.structs.replace(grant, rules=(*grant.rules, "principal.verified")),
            msgspec.structs.replace(grant, permission="deny"),
        )
        more += [msgspec.structs.replace(document, grants={**document.grants, name: other}) for other in stricter]
    return more


@given(DOCUMENTS, CALLS, OFFERED, BATCHES)
@MANY
def test_what_is_added_to_a_policy_never_allows_what_was_not(
    document: Document, call: ToolCall, offered: frozenset[str] | None, batch: Batch
) -> None:
    before = permit(compiled(document), call, offered=offered, batch=batch).decision
    for after in narrowed(document, call.name):
        if permit(compiled(after), call, offered=offered, batch=batch).decision.outcome is Outcome.ALLOW:
            assert before.outcome is Outcome.ALLOW


@given(DOCUMENTS, CALLS, st.frozensets(NAMES, max_size=4), st.frozensets(NAMES, max_size=4), BATCHES)
@MANY
def test_offering_fewer_tools_or_having_called_more_never_allows_what_was_not(
    document: Document, call: ToolCall, some: frozenset[str], others: frozenset[str], batch: Batch
) -> None:
    policy = compiled(document)
    wide = permit(policy, call, offered=some | others, batch=batch)
    for narrow in (
        permit(policy, call, offered=some, batch=batch),
        permit(policy, call, offered=some | others, batch=batch.with_call(wide.claims)),
    ):
        assert narrow == wide or narrow.decision.outcome is Outcome.DENY


@given(DOCUMENTS, CALLS, WORKFLOWS)
@MANY
def test_what_is_not_offered_to_a_model_is_never_allowed_either(
    document: Document, call: ToolCall, workflow: str
) -> None:
    policy = compiled(document)
    if call.name in policy.tools and call.name not in policy.offers(workflow):
        assert permit(policy, call, Facts(workflow)).decision.outcome is Outcome.DENY


def test_an_error_inside_the_decision_is_a_denial() -> None:
    broken = cast("Policy", object())
    assert permit(broken, ToolCall("c", "search", "{}")).decision == Decision(Outcome.DENY, ("decision.failed",))
    assert explained(broken, ToolCall("c", "search", "{}"))[-1].decision == Decision(Outcome.DENY, ("decision.failed",))


def document(**fields: object) -> Document:
    grants = {
        "search": Grant(permission="allow", effect="read"),
        "note": Grant(permission="allow", effect="write"),
        "wipe": Grant(permission="allow", effect="irreversible"),
        "refund": Grant(permission="approve", effect="irreversible"),
        "move": Grant(permission="deny", effect="write"),
        "guarded": Grant(permission="allow", effect="read", rules=("args.amount < 10",)),
        "typed": Grant(permission="allow", effect="read", parameters=SCHEMA),
        "bomb": Grant(permission="allow", effect="read", parameters='{"pattern":"(?=a)"}'),
        "wrong": Grant(permission="allow", effect="read", rules=("nonsense(",)),
        "spared": Grant(
            permission="approve", effect="write", approval=Approval(unless="args.amount < 10 && principal.verified")
        ),
        "unsaid": Grant(permission="allow", effect="undeclared"),
    }
    return msgspec.structs.replace(Document(grants=grants), **fields)


ALL: Final = frozenset(document().grants)
FACTS: Final = Facts("", {"principal": {"verified": True}})
SUMS: Final = (Budget(of="args.amount", tool="search", max="1", per="day"),)
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
    (document(), "guarded", '{"amount":9}', Outcome.ALLOW, ("tool.granted",)),
    (document(), "guarded", '{"amount":10}', Outcome.DENY, ("tool.rule_refused",)),
    (document(), "guarded", "{}", Outcome.DENY, ("tool.rule_failed",)),
    (document(), "guarded", '{"amount":"9"}', Outcome.DENY, ("tool.rule_failed",)),
    (document(), "typed", '{"amount":9.5}', Outcome.ALLOW, ("tool.granted",)),
    (document(), "typed", '{"amount":"9"}', Outcome.DENY, ("tool.schema_refused",)),
    (document(), "typed", "", Outcome.DENY, ("tool.schema_refused",)),
    (document(), "bomb", "{}", Outcome.DENY, ("tool.schema_broken",)),
    (document(), "wrong", "{}", Outcome.DENY, ("tool.rule_broken",)),
    (document(), "spared", '{"amount":9}', Outcome.ALLOW, ("tool.approval_spared",)),
    (document(), "spared", '{"amount":10}', Outcome.HOLD, ("tool.needs_approval",)),
    (document(), "spared", "{}", Outcome.HOLD, ("tool.needs_approval",)),
    (document(calls_per_turn=1), "search", "{}", Outcome.ALLOW, ("tool.granted",)),
    (document(calls_per_turn=0), "search", "{}", Outcome.DENY, ("tool.calls_per_turn",)),
    (document(writes_per_hour=9), "search", "{}", Outcome.ALLOW, ("tool.granted",)),
    (document(writes_per_hour=9), "note", "{}", Outcome.ALLOW, ("tool.granted",)),
    (document(writes_per_hour=0), "note", "{}", Outcome.DENY, ("tool.writes_per_hour",)),
    (document(workflows={"w": ("note",)}), "search", "{}", Outcome.ALLOW, ("tool.granted",)),
    (document(workflows={"w": ("note",)}), "note", "{}", Outcome.DENY, ("tool.workflow_required",)),
    (document(workflows={"w": ("refund",)}), "refund", "{}", Outcome.DENY, ("tool.workflow_required",)),
    (document(sums=SUMS), "search", '{"amount":1}', Outcome.ALLOW, ("tool.granted",)),
    (document(sums=SUMS), "search", '{"amount":"1.00"}', Outcome.ALLOW, ("tool.granted",)),
    (document(sums=SUMS), "search", '{"amount":1.0000001}', Outcome.DENY, ("tool.sum_exceeded",)),
    (document(sums=SUMS), "search", '{"amount":-1}', Outcome.DENY, ("tool.sum_unreadable",)),
    (document(sums=SUMS), "search", '{"amount":true}', Outcome.DENY, ("tool.sum_unreadable",)),
    (document(sums=SUMS), "search", '{"amount":"1e0"}', Outcome.DENY, ("tool.sum_unreadable",)),
    (document(sums=SUMS), "search", "{}", Outcome.DENY, ("tool.sum_unreadable",)),
]


@pytest.mark.parametrize(("policy", "name", "arguments", "outcome", "reasons"), ROWS)
def test_the_truth_table(
    policy: Document, name: str, arguments: str, outcome: Outcome, reasons: tuple[str, ...]
) -> None:
    call = ToolCall("c", name, arguments)
    decision = permit(compiled(policy), call, FACTS, offered=ALL | {"Search", ""}).decision
    assert decision == Decision(outcome, reasons)


def test_a_tool_that_was_not_shown_is_denied_although_it_is_granted() -> None:
    decision = permit(compiled(document()), ToolCall("c", "search", "{}"), offered=frozenset({"note"})).decision
    assert decision == Decision(Outcome.DENY, ("tool.not_offered",))


def test_denied_tools_are_never_shown() -> None:
    assert compiled(document()).offers() == ALL - {"move"}
    narrow = compiled(document(workflows={"returns": ("note", "move", "nothing")}))
    assert narrow.offers("returns") == {"note"}
    assert narrow.offers("another") == frozenset()
    assert narrow.offers() == {"search", "guarded", "typed", "bomb", "wrong"}


def test_a_workflow_narrows_the_lists_and_a_turn_in_none_changes_nothing() -> None:
    policy = compiled(document(workflows={"returns": ("note",)}))

    def reason(name: str, workflow: str) -> str:
        return permit(policy, ToolCall("c", name, "{}"), Facts(workflow)).decision.reasons[0]

    assert reason("note", "returns") == "tool.granted"
    assert reason("search", "returns") == "tool.not_in_workflow"
    assert reason("note", "") == "tool.workflow_required"
    assert reason("note", "gone") == "tool.not_in_workflow"
    assert reason("search", "") == "tool.granted"


@pytest.mark.parametrize("name", ["search", "note", "nobody_named_it"])
def test_a_workflow_has_no_tool_where_none_is_declared(name: str) -> None:
    policy = compiled(document(unregistered="allow_read"))
    assert policy.offers("gone") == frozenset()
    assert permit(policy, ToolCall("c", name, "{}"), Facts("gone")).decision.reasons == ("tool.not_in_workflow",)


@pytest.mark.parametrize("per", ["turn", "hour", "day"])
def test_a_turns_calls_share_the_sums_of_a_turn(per: Literal["turn", "hour", "day"]) -> None:
    policy = compiled(document(sums=(Budget(of="args.amount", tool="search", max="10", per=per),)))
    call = ToolCall("c", "search", '{"amount":6}')
    first = permit(policy, call)
    second = permit(policy, call, batch=Batch().with_call(first.claims))
    assert first.decision.outcome is Outcome.ALLOW
    assert second.decision.outcome is (Outcome.DENY if per == "turn" else Outcome.ALLOW)
