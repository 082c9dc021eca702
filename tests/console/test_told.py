# SPDX-License-Identifier: Apache-2.0
"""The sentences of the pages: none is missing, and each says what is so."""

from typing import Any, Final, get_args

import pytest

from customhouse.approvals.listing import ApprovalView, ApproverView
from customhouse.console import told
from customhouse.ledger.record import KINDS, Record, Ruling, Subject, ToolFacts
from customhouse.planes.tools.approval import MACHINE, ApprovalState
from customhouse.planes.tools.document import Effect

AT: Final = "2026-11-25T14:35:07.000000Z"
SAID: Final = "25 Nov 2026, 14:35:07 UTC"


def view(**fields: Any) -> ApprovalView:  # noqa: ANN401 - the view's own fields
    texts = dict.fromkeys(
        (
            "id", "tenant", "environment", "assistant", "tool", "tool_digest", "trace_id", "call_id", "key_id",
            "key_created_by", "assertion", "binding", "body_digest",
        ),
        "x",
    )  # fmt: skip
    given: dict[str, Any] = {
        **texts,
        "state": "requested",
        "effect": "write",
        "reasons": (),
        "arguments_bytes": 2,
        "on_behalf_of": None,
        "rule": ("group:refunds",),
        "approvers": (
            ApproverView(name="ben@acme.test", objection=None),
            ApproverView(name="dana@acme.test", objection="approver.requester"),
            ApproverView(name="ola@acme.test", objection=None),
        ),
        "quorum": 1,
        "approvals": 0,
        "answers": (),
        "you": None,
        "requested_at": AT,
        "expires_at": AT,
        "decided_at": None,
    }
    return ApprovalView(**(given | fields))


def record(kind: str, **fields: Any) -> Record:  # noqa: ANN401 - the record's own fields
    return Record(v=1, id="i", tenant="acme", trace_id="t", kind=kind, at=AT, **fields)


def test_every_state_and_every_effect_has_its_words() -> None:
    assert set(told.STATES) == set(MACHINE) == set(get_args(ApprovalState))
    assert set(told.EFFECTS) == set(get_args(Effect))
    assert all(told.step(record(kind)) for kind in KINDS)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("requested", f"the same call goes out once, until {SAID}; nothing else"),
        ("approved", f"may repeat its request until {SAID}: the same call then goes out, once"),
        ("consumed", f"went out, once. Until {SAID} a repeated request gets the same stored answer"),
        ("denied", "The call never goes out"),
        ("expired", "The call never goes out"),
        ("revoked", "The call never goes out"),
    ],
)
def test_what_happens_next(state: str, said: str) -> None:
    assert said in told.next_for(view(state=state))
    assert ("2 people" in told.next_for(view(state=state, quorum=2))) is (state == "requested")


def test_who_is_wanted_is_who_may() -> None:
    assert told.wanted(view()) == (
        "It needs 1 approval, from ben@acme.test or ola@acme.test (the rule names group:refunds); 0 so far. "
        "One denial ends it."
    )
    said = told.wanted(view(quorum=2, approvals=1, rule=(), approvers=()))
    assert said.startswith("It needs 2 approvals, from nobody (the owner and the deputy); 1 so far.")


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (
            record("tool.decided", tool=ToolFacts(name="refund"), decision=Ruling(outcome="hold")),
            "The call was decided: refund, hold",
        ),
        (
            record("approval.decided", outcome="requested", principal=Subject(actor="ola@acme.test")),
            "The held call was approved by ola@acme.test; more people are needed",
        ),
        (
            record("approval.decided", outcome="denied", principal=Subject(actor="ola@acme.test")),
            "The held call was denied by ola@acme.test",
        ),
        (
            record("approval.decided", outcome="consumed", principal=Subject(actor="key_7")),
            "The held call was released to key_7",
        ),
        (record("gap.declared"), "gap.declared"),
    ],
)
def test_a_line_of_the_trace(one: Record, said: str) -> None:
    assert told.step(one) == said
