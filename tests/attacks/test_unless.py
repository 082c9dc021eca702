# SPDX-License-Identifier: Apache-2.0
"""Attacks on `unless`, which spares a call its person: it never grants what no list grants, nor what else refuses.

Story: Mallory may edit one approval rule and nothing else of the policy. She writes `unless: "true"` wherever a rule
has a place. What the lists deny or do not name stays off, and what cannot be undone still waits for a person.
"""

import json
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customhouse.domain.decision import Outcome
from customhouse.domain.message import ToolCall
from customhouse.planes.tools.document import Approval, Budget, Document, Effect, Grant, Permission
from customhouse.planes.tools.facts import Facts
from customhouse.planes.tools.permit import permit
from customhouse.planes.tools.policy import compiled

EVERYTHING: Final = Approval(unless="true")
ONE: Final = Approval(unless="args.amount <= 1")
SCHEMA: Final = '{"type":"object","properties":{"amount":{"type":"number","maximum":5}}}'
PERMISSIONS: Final[tuple[Permission, ...]] = ("allow", "approve", "deny")
EFFECTS: Final[tuple[Effect, ...]] = ("read", "write", "irreversible", "undeclared")


def decided(grant: Grant | None, arguments: object = None, workflow: str = "", **fields: Any) -> Outcome:  # noqa: ANN401 - the document's own
    """Return what becomes of a call of `pay`, beside a tool that may do everything."""
    grants = {"other": Grant(permission="allow", effect="write", approval=EVERYTHING)}
    document = msgspec.structs.replace(Document(grants=grants | ({} if grant is None else {"pay": grant})), **fields)
    call = ToolCall("c", "pay", json.dumps({"amount": 1} if arguments is None else arguments))
    return permit(compiled(document), call, Facts(workflow)).decision.outcome


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("permission", PERMISSIONS)
def test_it_allows_nothing_that_the_lists_deny_or_hold_for_their_effect(permission: Permission, effect: Effect) -> None:
    with_it, without = (
        decided(Grant(permission=permission, effect=effect, approval=each)) for each in (EVERYTHING, None)
    )
    if permission == "approve" and effect in {"read", "write"}:
        assert (with_it, without) == (Outcome.ALLOW, Outcome.HOLD), "what it is for"
    else:
        assert with_it is without


def test_a_tool_that_no_list_names_stays_off() -> None:
    assert decided(None) is Outcome.DENY


PAY: Final = Grant(permission="approve", effect="write", approval=EVERYTHING)
REFUSED: Final[list[tuple[str, Grant, object, dict[str, Any]]]] = [
    ("its schema refuses", msgspec.structs.replace(PAY, parameters=SCHEMA), {"amount": 6}, {}),
    ("its schema is broken", msgspec.structs.replace(PAY, parameters="{"), None, {}),
    ("its rule refuses", msgspec.structs.replace(PAY, rules=("args.amount > 1",)), None, {}),
    ("its rule fails", msgspec.structs.replace(PAY, rules=("args.missing > 1",)), None, {}),
    ("its rule is broken", msgspec.structs.replace(PAY, rules=("nonsense(",)), None, {}),
    ("its arguments are no object", PAY, [1], {}),
    ("no writes are left", PAY, None, {"writes_per_hour": 0}),
    ("no calls are left", PAY, None, {"calls_per_turn": 0}),
    ("its sum is exceeded", PAY, {"amount": 9}, {"sums": (Budget(of="args.amount", tool="pay", max="8", per="turn"),)}),
    ("the workflow does not name it", PAY, None, {"workflow": "returns", "workflows": {"returns": ("other",)}}),
    ("its turn is in no workflow", PAY, None, {"workflows": {"returns": ("pay",)}}),
]


@pytest.mark.parametrize(("why", "grant", "arguments", "fields"), REFUSED, ids=[row[0] for row in REFUSED])
def test_whatever_else_refuses_a_call_refuses_it_still(
    why: str, grant: Grant, arguments: object, fields: dict[str, Any]
) -> None:
    assert decided(grant, arguments, **fields) is Outcome.DENY, why


@pytest.mark.parametrize(
    ("unless", "arguments"),
    [
        ("args.amount <= 1", {"amount": 2}),
        ("args.amount <= 1", {"amount": "1"}),
        ("args.amount <= 1", {}),
        ("args.missing || true", {"amount": 1}),
        ("args.amount", {"amount": 1}),
        ("principal.verified", {"amount": 1}),
        ('"true"', {"amount": 1}),
    ],
)
def test_what_is_not_exactly_true_spares_nobody(unless: str, arguments: object) -> None:
    grant = msgspec.structs.replace(PAY, approval=Approval(unless=unless))
    assert decided(grant, arguments) is not Outcome.ALLOW


GRANTS: Final = st.builds(
    Grant,
    permission=st.sampled_from(PERMISSIONS),
    effect=st.sampled_from(EFFECTS),
    rules=st.sampled_from([(), ("args.amount < 3",), ("nonsense(",)]),
    parameters=st.sampled_from([None, SCHEMA, "{"]),
)


@given(GRANTS, st.sampled_from([EVERYTHING, ONE]), st.integers(-1, 9))
@settings(deadline=None, max_examples=300)
def test_it_turns_what_is_held_into_what_is_allowed_and_nothing_else(grant: Grant, rule: Approval, amount: int) -> None:
    without, with_it = (
        decided(msgspec.structs.replace(grant, approval=each), {"amount": amount}) for each in (Approval(), rule)
    )
    assert with_it is without or (without, with_it) == (Outcome.HOLD, Outcome.ALLOW)
