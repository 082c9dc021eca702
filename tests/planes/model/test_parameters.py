# SPDX-License-Identifier: Apache-2.0
"""What is sampled with is what was released, but for what the document lets a client set."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.domain.message import DialectName
from customhouse.domain.request import SAMPLING_FIELDS
from customhouse.planes.model.document import Deployment, Document, Parameters, Posture
from customhouse.planes.model.parameters import bounded_tokens, released, settle, untold

VALUES = st.floats(0, 2) | st.integers(0, 5)
ASKED = st.dictionaries(st.sampled_from(SAMPLING_FIELDS), VALUES)


def document(*client_may_set: str) -> Document:
    return Document(deployments={}, route=(), posture=Posture(use="self_hosted"), client_may_set=client_may_set)


def test_decimals_become_numbers_and_the_rest_stays() -> None:
    found = released(Parameters(temperature="0.2", top_p="1", seed=7, reasoning_effort="low"))
    assert found == {"temperature": 0.2, "top_p": 1.0, "seed": 7, "reasoning_effort": "low"}


@pytest.mark.parametrize("written", ["", "warm", "0,2"])
def test_a_decimal_that_is_none_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        released(Parameters(temperature=written))


@given(ASKED, ASKED, st.sets(st.sampled_from(SAMPLING_FIELDS)))
def test_a_client_moves_only_what_it_may(base: dict[str, float], asked: dict[str, float], may: set[str]) -> None:
    settled = settle(document(*may), base, asked)
    for name in SAMPLING_FIELDS:
        wish = asked.get(name)
        moved = name in may and wish is not None
        assert settled.values.get(name) == (wish if moved else base.get(name))
        assert (name in settled.kept) == (wish is not None and not moved and wish != base.get(name))


@pytest.mark.parametrize(
    ("dialect", "parameters", "field"),
    [
        ("anthropic", Parameters(temperature="1", top_k=40, thinking_tokens=2048, max_tokens=9), None),
        ("anthropic", Parameters(temperature="1.5"), "temperature"),
        ("anthropic", Parameters(seed=7), "seed"),
        ("anthropic", Parameters(reasoning_effort="minimal"), "reasoning_effort"),
        ("openai_chat", Parameters(temperature="1.5", seed=7), None),
        ("openai_chat", Parameters(top_k=40), "top_k"),
        ("openai_chat", Parameters(thinking_tokens=2048), "thinking_tokens"),
    ],
    ids=str,
)
def test_what_a_deployment_cannot_be_told(dialect: DialectName, parameters: Parameters, field: str | None) -> None:
    deployment = Deployment(
        name="a",
        provider="p",
        model="m",
        dialect=dialect,
        base_url="http://x.test",
        posture="self_hosted",
        accepts="internal",
    )
    assert untold(deployment, parameters) == field


@given(ASKED, ASKED)
def test_what_was_released_is_not_changed_in_place(base: dict[str, float], asked: dict[str, float]) -> None:
    before = dict(base)
    settle(document(*SAMPLING_FIELDS), base, asked)
    assert base == before


@given(st.none() | st.integers(1, 100), st.none() | st.integers(1, 100))
def test_a_client_never_gets_more_tokens_than_were_released(bound: int | None, asked: int | None) -> None:
    found = bounded_tokens(Parameters(max_tokens=bound), asked)
    assert bound is None or (found is not None and found <= bound)
    assert asked is None or (found is not None and found <= asked)
    assert found in {bound, asked}
