# SPDX-License-Identifier: Apache-2.0
"""Every kind of change, what it is called, and whether it needs a second person."""

from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.domain.capability import Capability
from customhouse.domain.failure_mode import WHILE_DOWN
from customhouse.planes.model.document import Choice, Deployment, Parameters, Posture, Weights
from customhouse.planes.model.document import Document as ModelDocument
from customhouse.planes.prompt.document import Document as PromptDocument
from customhouse.planes.prompt.document import Variable
from customhouse.planes.retrieval.document import Document as RetrievalDocument
from customhouse.planes.safety.document import Document as SafetyDocument
from customhouse.planes.tools.document import Approval, Grant
from customhouse.planes.tools.document import Document as ToolsDocument
from customhouse.registry.capability import compare, loosens
from customhouse.registry.documents import Documents

LOCAL: Final = Deployment(
    name="small",
    provider="local",
    model="m",
    dialect="openai_chat",
    base_url="http://127.0.0.1:1/v1",
    posture="self_hosted",
    accepts="confidential",
    region="local",
    features=("tools",),
    weights=Weights(digest="sha256:aa", source="here"),
)
BIG: Final = Deployment(
    name="big",
    provider="openai",
    model="gpt",
    dialect="openai_chat",
    base_url="https://api.test/v1",
    posture="api",
    accepts="internal",
    region="us",
    api_key_env="KEY",
    terms="DPA-17",
)
ALL: Final = Choice(use=("small",))
HOME: Final = Choice(use=("small",), when="data.classification >= confidential")

READ: Final = Grant(permission="allow", effect="read")


def documents(  # a whole release, of which a test changes one thing
    *,
    model: ModelDocument | None = None,
    prompt: PromptDocument | None = None,
    tools: ToolsDocument | None = None,
    retrieval: RetrievalDocument | None = None,
    safety: SafetyDocument | None = None,
) -> Documents:
    return Documents(
        model=model or routed(),
        prompt=prompt or PromptDocument(template="You help.", source="prompts/a.md"),
        tools=tools or ToolsDocument(grants={}),
        retrieval=retrieval or RetrievalDocument(),
        safety=safety or SafetyDocument(name="default", input_classification="internal"),
    )


def routed(
    *deployments: Deployment,
    route: tuple[Choice, ...] | None = None,
    posture: Posture | None = None,
    parameters: Parameters | None = None,
    client_may_set: tuple[str, ...] = (),
) -> ModelDocument:
    chosen = deployments or (LOCAL,)
    return ModelDocument(
        deployments={deployment.name: deployment for deployment in chosen},
        route=route or (Choice(use=tuple(deployment.name for deployment in chosen)),),
        posture=posture or Posture(use="hybrid"),
        parameters=parameters or Parameters(),
        client_may_set=client_may_set,
    )


def tools(**grants: Grant) -> ToolsDocument:
    return ToolsDocument(grants=grants)


def shown(found: tuple[Capability, ...]) -> list[tuple[str, str, bool]]:
    return [(capability.kind, capability.text, capability.loosens) for capability in found]


def test_prompt_changes_are_neutral_except_for_what_clients_may_write() -> None:
    before = PromptDocument(template="a\nb\nc", source="p.md", variables={"x": Variable()})
    after = PromptDocument(
        template="a\nB\nc\nd",
        source="p.md",
        variables={"y": Variable(type="integer")},
        requires_tools=("t",),
        requires_features=("tools",),
    )
    found = compare(documents(prompt=before), documents(prompt=after))
    assert [capability.text for capability in found] == [
        "+ clients may now write y into the prompt: a whole number",
        "~ prompt text changed (+2 -1 lines)",
        "~ the prompt now needs the tool t",
        "~ the prompt now needs the feature tools",
        "~ prompt variable x removed",
    ]
    assert [capability.subject for capability in found if capability.loosens] == ["y"]


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (None, Variable(), "+ clients may now write x into the prompt: any text of at most 200 characters"),
        (Variable(), None, None),
        (Variable(), Variable(default="d", description="words"), None),
        (
            Variable(choices=("a", "b")),
            Variable(),
            "+ clients may now write x into the prompt: any text of at most 200 characters (was one of a, b)",
        ),
        (
            Variable(choices=("a",)),
            Variable(choices=("a", "b")),
            "+ clients may now write x into the prompt: one of a, b (was one of a)",
        ),
        (Variable(choices=("a", "b")), Variable(choices=("b",)), None),
        (Variable(), Variable(choices=("a", "b")), None),
        (Variable(max_length=3), Variable(max_length=2), None),
        (
            Variable(max_length=2),
            Variable(max_length=3),
            (
                "+ clients may now write x into the prompt: any text of at most 3 characters "
                "(was any text of at most 2 characters)"
            ),
        ),
        (
            Variable(choices=("a", "long"), max_length=1),
            Variable(choices=("a", "long"), max_length=4),
            "+ clients may now write x into the prompt: one of a, long (was one of a, long)",
        ),
        (
            Variable(type="integer"),
            Variable(),
            "+ clients may now write x into the prompt: any text of at most 200 characters (was a whole number)",
        ),
        (Variable(), Variable(type="integer"), None),
        (Variable(), Variable(type="boolean"), None),
        (
            Variable(max_length=15),
            Variable(type="integer"),
            "+ clients may now write x into the prompt: a whole number (was any text of at most 15 characters)",
        ),
        (
            Variable(choices=("a",)),
            Variable(type="boolean"),
            "+ clients may now write x into the prompt: true or false (was one of a)",
        ),
        (
            Variable(type="boolean"),
            Variable(type="integer"),
            "+ clients may now write x into the prompt: a whole number (was true or false)",
        ),
    ],
)
def test_what_clients_may_write_into_the_prompt(
    before: Variable | None, after: Variable | None, text: str | None
) -> None:
    old, new = (
        PromptDocument(template="t", source="p.md", variables={} if each is None else {"x": each})
        for each in (before, after)
    )
    (found,) = compare(documents(prompt=old), documents(prompt=new))
    assert found.loosens is (text is not None), "narrowing is neutral, opening is not"
    assert text is None or found.text == text


def test_retrieval_sources() -> None:
    before, after = RetrievalDocument(sources={"a": "{}", "b": "{}"}), RetrievalDocument(sources={"b": "[]", "c": "{}"})
    assert shown(compare(documents(retrieval=before), documents(retrieval=after))) == [
        ("gained", "+ may now retrieve from c", True),
        ("lost", "- may no longer retrieve from a", False),
        ("definition_changed", "~ the retrieval source b is declared differently", True),
    ]


@pytest.mark.parametrize(
    ("before", "after", "text", "more"),
    [
        ({}, {"input_classification": "public"}, "+ input is treated as public at least (was internal)", True),
        ({}, {"input_classification": "restricted"}, "- input is treated as restricted at least (was internal)", False),
        ({}, {"residency": ("eu",)}, "- data may go to eu (was any region)", False),
        ({"residency": ("eu",)}, {}, "+ data may go to any region (was eu)", True),
        ({"residency": ("eu",)}, {"residency": ("eu", "us")}, "+ data may go to eu, us (was eu)", True),
        ({"residency": ("eu",)}, {"residency": ("us",)}, "+ data may go to us (was eu)", True),
        ({"residency": ("eu", "us")}, {"residency": ("us",)}, "- data may go to us (was eu, us)", False),
        (
            {},
            {"ledger_failure": "spool"},
            "+ while evidence cannot be written: evidence is kept on the host first (was: turns are refused)",
            True,
        ),
        (
            {"ledger_failure": "spool"},
            {"ledger_failure": "open"},
            f"+ while evidence cannot be written: {WHILE_DOWN['open']} (was: {WHILE_DOWN['spool']})",
            True,
        ),
        (
            {"ledger_failure": "open"},
            {},
            "- while evidence cannot be written: turns are refused (was: turns go on without it, with tools that read)",
            False,
        ),
        ({}, {"name": "strict"}, "~ the safety policy changed (default -> strict)", True),
        ({"policy": "{}"}, {}, "~ the safety policy changed (default)", True),
    ],
)
def test_safety(before: dict[str, object], after: dict[str, object], text: str, more: bool) -> None:  # noqa: FBT001 - a row
    plain = SafetyDocument(name="default", input_classification="internal")
    old, new = msgspec.structs.replace(plain, **before), msgspec.structs.replace(plain, **after)
    found, *_ = (each for each in compare(documents(safety=old), documents(safety=new)) if each.plane == "safety")
    assert (found.text, found.loosens) == (text, more)


def test_a_first_release_gains_everything_it_can_do() -> None:
    found = compare(None, documents(tools=tools(t=READ), model=routed(LOCAL, BIG)))
    assert [capability.text for capability in found if capability.loosens] == [
        "+ may now be answered by openai/big (api, us, accepts internal, at https://api.test/v1, shown KEY)",
        "+ may now be answered by local/small (self_hosted, local, accepts confidential, at http://127.0.0.1:1/v1)",
        "+ may now call t (read)",
    ]
    assert loosens(found)


def test_the_order_is_by_plane_then_more_before_less_before_different() -> None:
    found = compare(
        documents(tools=tools(t=READ)), documents(tools=ToolsDocument(grants={}, calls_per_turn=3), model=routed(BIG))
    )
    assert [capability.plane for capability in found] == ["model"] * (len(found) - 2) + ["tools"] * 2
    assert [capability.text[0] for capability in found if capability.plane == "model"] == ["+", "-", "-", "~"]


@pytest.mark.parametrize(
    ("before", "after", "plane"),
    [
        (documents(), documents(prompt=PromptDocument(template="You help.", source="prompts/b.md")), "prompt"),
        (
            documents(tools=tools(t=Grant(permission="deny", effect="read"))),
            documents(tools=tools(t=Grant(permission="deny", effect="write"))),
            "tools",
        ),
        (
            documents(),
            documents(model=msgspec.structs.replace(routed(), deployments={"small": LOCAL, "big": BIG})),
            "model",
        ),
    ],
)
def test_no_document_changes_in_silence(before: Documents, after: Documents, plane: str) -> None:
    text = f"~ the {plane} document changed; the assistant may do neither more nor less"
    assert shown(compare(before, after)) == [("definition_changed", text, False)]


GRANTS: Final = st.builds(
    Grant,
    permission=st.sampled_from(["allow", "approve", "deny"]),
    effect=st.sampled_from(["read", "write", "irreversible"]),
    approval=st.none() | st.builds(Approval, quorum=st.integers(1, 3), expires_s=st.sampled_from([60, 900])),
    rules=st.lists(st.sampled_from(["a", "b"]), unique=True).map(tuple),
    pin=st.none() | st.just("sha256:a"),
)
DOCUMENTS: Final = st.dictionaries(st.sampled_from(["s", "t"]), GRANTS).map(
    lambda grants: documents(tools=ToolsDocument(grants=grants))
)


@given(DOCUMENTS)
def test_nothing_changes_against_itself(same: Documents) -> None:
    assert compare(same, same) == ()


@given(DOCUMENTS, DOCUMENTS)
def test_what_goes_one_way_without_review_needs_it_on_the_way_back(before: Documents, after: Documents) -> None:
    there, back = compare(before, after), compare(after, before)
    gained = {capability.subject for capability in there if capability.kind == "gained"}
    # What a tool that is gained needs is a part of what is gained; losing it takes that away too.
    tightened = [each for each in there if each.text.startswith("-") and each.subject not in gained]
    assert not tightened or loosens(back)
