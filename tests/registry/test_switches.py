# SPDX-License-Identifier: Apache-2.0
"""Scopes are read strictly, and a switch only ever takes away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.domain.errors import InvalidRequest
from customhouse.registry.switches import EFFECTS, KINDS, NONE, Scope, Switches, narrowing, parse

GOOD = [
    # what people write, what it means
    ("all", Scope("all")),
    ("assistant:customer_support_bot", Scope("assistant", "customer_support_bot")),
    ("tool:issue_refund", Scope("tool", "issue_refund")),
    ("effect:irreversible", Scope("effect", "irreversible")),
    ("provider:bigcloud", Scope("provider", "bigcloud")),
    ("deployment:bigcloud/big-chat", Scope("deployment", "bigcloud/big-chat")),
    ("tenant:acme.eu", Scope("tenant", "acme.eu")),
    ("environment:production", Scope("environment", "production")),
]


@pytest.mark.parametrize(("text", "scope"), GOOD)
def test_a_scope_is_read_and_written_the_same_way(text: str, scope: Scope) -> None:
    assert parse(text) == scope
    assert str(scope) == text


BAD = [
    # what people write, what the error says
    ("", "is no kind of scope"),
    ("tools:issue_refund", "did you mean tool?"),
    ("all:everything", "all stands alone"),
    ("tool:", "takes a tool's name"),
    ("tool:issue refund", "takes a tool's name"),
    ("tool:issue_refund\n", "takes a tool's name"),
    ("tool:*", "takes a tool's name"),
    ("effect:undeclared", "takes read, write or irreversible"),
    ("Effect:write", "did you mean effect?"),
    ("deployment:big-chat", "PROVIDER/NAME"),
    ("deployment:a/b/c", "PROVIDER/NAME"),
    ("environment:prod", "takes dev, staging or production"),
    ("tenant:" + "a" * 65, "takes a tenant's name"),
    ("tenant:_organization", "takes a tenant's name"),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_what_is_no_scope_is_refused_with_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse(text)
    assert said in refused.value.detail
    assert refused.value.param == "scope"


NAMES = st.sampled_from(["a", "b"])
SCOPES = st.one_of(
    st.just(Scope("all")),
    st.builds(Scope, st.sampled_from(["assistant", "tool", "provider", "tenant"]), NAMES),
    st.builds(Scope, st.just("deployment"), st.sampled_from(["a/a", "a/b", "b/a"])),
    st.builds(Scope, st.just("effect"), st.sampled_from(EFFECTS)),
    st.builds(Scope, st.just("environment"), st.sampled_from(["dev", "production"])),
)


def answers(found: Switches) -> dict[str, bool]:
    """Return everything that these switches could be asked, and whether it is off."""
    turns = {f"turn {a} {e} {t}": found.turn(a, e, t) for a in "ab" for e in ("dev", "production") for t in "ab"}
    tools = {f"tool {t} {e}": found.tool(t, e) for t in "ab" for e in (*EFFECTS, "undeclared")}
    models = {f"model {p}/{n}": found.deployment(p, f"{p}/{n}") for p in "ab" for n in "ab"}
    return {question: answer is not None for question, answer in {**turns, **tools, **models}.items()}


@given(st.frozensets(SCOPES), SCOPES)
def test_one_more_switch_takes_away_and_gives_nothing(standing: frozenset[Scope], more: Scope) -> None:
    before, after = answers(Switches(1, standing)), answers(Switches(2, standing | {more}))
    assert [question for question, off in before.items() if off and not after[question]] == []
    assert any(after.values())


def test_an_effect_covers_every_graver_one() -> None:
    writing = Switches(1, frozenset({Scope("effect", "write")}))
    assert [writing.tool("t", effect) for effect in EFFECTS] == [None, "switch.effect", "switch.effect"]
    assert writing.tool("t", "undeclared") == "switch.effect", "nobody said that it only reads"
    assert NONE.tool("t", "irreversible") is None


def test_the_widest_scope_is_the_reason_that_is_told() -> None:
    standing = frozenset({Scope("tenant", "acme"), Scope("environment", "dev"), Scope("assistant", "bot")})
    assert Switches(1, standing).turn("bot", "dev", "acme") == "switch.environment"
    assert Switches(1, standing | {Scope("all")}).turn("bot", "dev", "acme") == "switch.all"
    assert Switches(1, standing).turn("bot2", "staging", "bolt") is None


def test_a_snapshot_s_digest_covers_what_concerns_it_and_no_tenant() -> None:
    standing = frozenset(
        {Scope("tool", "refund"), Scope("tool", "other"), Scope("tenant", "acme"), Scope("provider", "p"), Scope("all")}
    )
    found = narrowing(
        Switches(3, standing), assistant="bot", environment="dev", tools=("refund",), deployments=(("p", "p/small"),)
    )
    assert found == ("all", "provider:p", "tool:refund")


def test_every_kind_has_a_form() -> None:
    assert {scope.kind for _, scope in GOOD} == set(KINDS)
