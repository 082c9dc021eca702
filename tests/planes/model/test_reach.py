# SPDX-License-Identifier: Apache-2.0
"""What a class of data can reach: never less than what some turn gets, and exactly that where it can be told."""

from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from customhouse.domain.label import Classification
from customhouse.planes.model.document import Choice, Deployment, Document, Posture
from customhouse.planes.model.reach import MAX_TRIED, reach, reached
from customhouse.planes.model.select import Facts, Route

NAMES: Final = ("a", "b", "c")
ACCEPTS: Final = {"a": "internal", "b": "confidential", "c": "restricted"}


def document(*route: Choice, until: str | None = None) -> Document:
    deployments = {
        name: Deployment(
            name=name,
            provider="p",
            model="m",
            dialect="openai_chat",
            base_url="https://api.test/v1",
            posture="self_hosted" if name == "c" else "api",
            accepts=ACCEPTS[name],  # pyright: ignore[reportArgumentType] - a table of texts
            region="eu",
        )
        for name in NAMES
    }
    return Document(deployments=deployments, route=route, posture=Posture(use="hybrid", until=until))


def cases(given_document: Document, level: Classification) -> list[tuple[str | None, list[str]]]:
    found = reach(given_document, level, now_us=0)
    return [(case.when, [deployment.name for deployment in case.deployments]) for case in found]


TASK: Final = document(Choice(use=("a",), when="task == 'draft'"), Choice(use=("c", "a")))
CLASS: Final = document(Choice(use=("c",), when="data.classification >= confidential"), Choice(use=("a", "c")))
ROWS: Final[list[tuple[str, Document, Classification, list[tuple[str | None, list[str]]]]]] = [
    ("the class alone decides", CLASS, Classification.INTERNAL, [(None, ["a", "c"])]),
    ("and for another class otherwise", CLASS, Classification.CONFIDENTIAL, [(None, ["c"])]),
    ("the story", TASK, Classification.INTERNAL, [("task == 'draft'", ["a"]), (None, ["c", "a"])]),
    ("a draft reaches nobody", TASK, Classification.CONFIDENTIAL, [("task == 'draft'", []), (None, ["c"])]),
    (
        "two conditions of which one shuts the other out",
        document(Choice(use=("a",), when="task == 'x'"), Choice(use=("b",), when="task == 'x'"), Choice(use=("c",))),
        Classification.PUBLIC,
        [("task == 'x'", ["a"]), (None, ["c"])],
    ),
    (
        "no entry is left",
        document(Choice(use=("c",), when="region == 'eu'")),
        Classification.PUBLIC,
        [("region == 'eu'", ["c"]), (None, [])],
    ),
    (
        "a condition that cannot hold for anybody",
        document(Choice(use=("a",), when="tenant == 'x' && tenant == 'y'"), Choice(use=("c",))),
        Classification.PUBLIC,
        [(None, ["c"])],
    ),
    (
        "a beginning and an end",
        document(Choice(use=("a",), when="tenant.startsWith('eu') && tenant.endsWith('b')"), Choice(use=("c",))),
        Classification.PUBLIC,
        [("tenant.startsWith('eu') && tenant.endsWith('b')", ["a"]), (None, ["c"])],
    ),
    (
        "a workflow, declared or not: a key may be bound to one that is not declared any more",
        document(Choice(use=("a",), when="workflow == 'gone'"), Choice(use=("c",))),
        Classification.PUBLIC,
        [("workflow == 'gone'", ["a"]), (None, ["c"])],
    ),
    (
        "a text that is hidden counts as one that may hold",
        document(Choice(use=("a",), when=r"task == '\x78' && task == 'y'"), Choice(use=("c",))),
        Classification.PUBLIC,
        [(r"task == '\x78' && task == 'y'", ["a"]), (None, ["c"])],
    ),
    (
        "two texts between the same neighbours, of which one is less",
        document(
            Choice(use=("a",), when="tenant <= 'x'"), Choice(use=("b",), when="tenant < task"), Choice(use=("c",))
        ),
        Classification.PUBLIC,
        [("tenant <= 'x'", ["a"]), ("tenant < task", ["b"]), (None, ["c"])],
    ),
    (
        "a text above all that begin as the named one",
        document(Choice(use=("a",), when="tenant < 'x' || tenant.startsWith('x')"), Choice(use=("c",))),
        Classification.PUBLIC,
        [("tenant < 'x' || tenant.startsWith('x')", ["a"]), (None, ["c"])],
    ),
    (
        "quotes in a comment are none",
        document(Choice(use=("a",), when="task == 'x' && false // '\n || task == 'y'"), Choice(use=("c",))),
        Classification.PUBLIC,
        [("task == 'x' && false // '\n || task == 'y'", ["a"]), (None, ["c"])],
    ),
    (
        "a comment inside a name",
        document(Choice(use=("a",), when="data // of\n .tenant == 'x'"), Choice(use=("c",))),
        Classification.PUBLIC,
        [("data // of\n .tenant == 'x'", ["a"]), (None, ["c"])],
    ),
    ("no route", document(), Classification.PUBLIC, [(None, [])]),
]


@pytest.mark.parametrize(("why", "given_document", "level", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_what_a_class_reaches(
    why: str, given_document: Document, level: Classification, expected: list[tuple[str | None, list[str]]]
) -> None:
    assert cases(given_document, level) == expected, why


def test_after_its_end_a_posture_reaches_what_is_ours() -> None:
    ended = document(Choice(use=("a", "c")), until="2026-06-30")
    assert list(reached(reach(ended, Classification.PUBLIC, now_us=1_782_863_999_999_999))) == ["a", "c"]
    assert list(reached(reach(ended, Classification.PUBLIC, now_us=1_782_864_000_000_000))) == ["c"]
    assert list(reached(reach(ended, Classification.PUBLIC))) == ["c"], "without a time it has ended"


TEXTS: Final = ("", "x", "xy", "eu-b", "eu", "b", "zz", "y", "zy")
FACTS: Final = st.builds(
    Facts,
    classification=st.sampled_from(Classification),
    tenant=st.sampled_from(TEXTS[1:]),
    environment=st.sampled_from(["dev", "staging", "production"]),
    residency=st.sampled_from([(), ("eu",), ("us",)]),
    task=st.sampled_from(TEXTS),
    region=st.sampled_from(TEXTS),
    workflow=st.sampled_from([*TEXTS, "returns"]),
    now_us=st.just(0),
)
FACT: Final = st.sampled_from(["tenant", "environment", "task", "region", "workflow", "data.tenant"])
WRITTEN: Final = st.sampled_from(["'x'", '"eu"', "'b'", "''", "'dev'", "'returns'"])
COMPARED: Final = st.sampled_from(["==", "!=", "<", ">="])
AFFIX: Final = st.sampled_from(["startsWith", "endsWith"])
LEVEL: Final = st.sampled_from(["internal", "restricted"])
ATOM: Final = st.one_of(
    st.builds("{} {} {}".format, FACT, COMPARED, st.one_of(WRITTEN, FACT)),
    st.builds("{}.{}({})".format, FACT, AFFIX, WRITTEN),
    st.builds("{}.startsWith({})".format, st.sampled_from(["'xy'", "'eu-b'"]), FACT),
    st.builds("{} in ['x', {}]".format, FACT, FACT),
    st.builds("data.classification {} {}".format, COMPARED, LEVEL),
)
CONDITION: Final = st.recursive(
    ATOM,
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("!({})".format, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
    ),
    max_leaves=4,
)
ROUTE: Final = st.lists(
    st.builds(
        Choice,
        use=st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(tuple),
        when=st.one_of(st.none(), CONDITION),
    ),
    max_size=3,
).map(tuple)


@given(ROUTE, FACTS)
@example((Choice(use=("a",), when="tenant < environment"),), Facts(Classification.PUBLIC, "x", "staging", now_us=0))
@settings(deadline=None, max_examples=250)
def test_no_turn_gets_what_was_not_said(route: tuple[Choice, ...], facts: Facts) -> None:
    routed = document(*route)
    selection = Route(routed).select(facts)
    told = reach(routed, facts.classification, residency=facts.residency, now_us=0)
    assert selection.deployments in {case.deployments for case in told}


def test_its_work_is_bounded() -> None:
    many = " || ".join(f"tenant == 't{number}' || task == 'k{number}' || region == 'r{number}'" for number in range(12))
    routed = document(Choice(use=("a",), when=f"({many}) && task == 'a' && task == 'b'"), Choice(use=("c",)))
    assert MAX_TRIED < (2 * 38 + 4) ** 3
    assert [case[1] for case in cases(routed, Classification.PUBLIC)] == [["a"], ["c"]]
