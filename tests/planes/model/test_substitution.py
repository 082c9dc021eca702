# SPDX-License-Identifier: Apache-2.0
"""Which name of a model is another model, and which is another way to write it."""

import msgspec
import pytest
from tests.planes.model.test_call import deployment

from customhouse.planes.model.document import Azure
from customhouse.planes.model.substitution import Noticed, Seen, noticed, remembered, same_model


@pytest.mark.parametrize(
    ("requested", "answered", "same"),
    [
        ("gpt-4o", "gpt-4o", True),
        ("gpt-4o", "GPT-4o", True),
        ("gpt-4o", "gpt-4o-2024-08-06", True),  # OpenAI's dated names
        ("gpt-4", "gpt-4-0613", True),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022", True),  # Anthropic's
        ("claude-sonnet-4-5", "claude-sonnet-4-5@20250929", True),  # Vertex
        ("mistral-large-latest", "mistral-large-2411", True),  # Mistral's
        ("meta-llama/Llama-3.1-8B", "Llama-3.1-8B", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o", "gpt-4o-mini-2024-07-18", False),
        ("gpt-4o-2024-08-06", "gpt-4o-2024-05-13", False),  # a pinned version is exactly that
        ("gpt-4o-2024-08-06", "gpt-4o", False),
        ("gpt-4o", "gpt-4", False),
        ("gpt-4o", "gpt-4o-20240806-evil", False),
        ("gpt-4o", "gpt-4o-9999", False),
        ("Llama-3.1-8B", "someone/Llama-3.1-8B", False),  # who fine-tuned it is what was not asked for
        ("small", "", False),
    ],
)
def test_whether_two_names_are_one_model(requested: str, answered: str, *, same: bool) -> None:
    assert same_model(requested, answered) is same


BEFORE = Seen("gpt-4o-2024-08-06", "fp_1")


@pytest.mark.parametrize(
    ("model", "said", "before", "expected"),
    [
        ("gpt-4o", Seen("gpt-4o", "fp_1"), None, Noticed()),
        ("gpt-4o", Seen("gpt-4o-mini", "fp_1"), None, Noticed(substituted=True)),
        ("gpt-4o", Seen(None, None), BEFORE, Noticed()),  # says nothing, proves nothing
        ("gpt-4o", Seen("", ""), None, Noticed()),
        ("gpt-4o", Seen("gpt-4o", "fp_1"), BEFORE, Noticed()),
        ("gpt-4o", Seen("gpt-4o", "fp_2"), BEFORE, Noticed(fingerprint_before="fp_1")),
        ("gpt-4o", Seen("gpt-4", "fp_2"), BEFORE, Noticed(substituted=True, fingerprint_before="fp_1")),
    ],
)
def test_what_is_odd_about_an_answer(model: str, said: Seen, before: Seen | None, expected: Noticed) -> None:
    asked = msgspec.structs.replace(deployment("https://a.test/v1"), model=model)
    assert noticed(asked, said, before) == expected


def test_an_azure_deployment_is_compared_with_itself() -> None:
    azure = msgspec.structs.replace(
        deployment("https://a.test"), model="acme-chat", azure=Azure(api_version="2024-10-21")
    )
    assert noticed(azure, Seen("gpt-4o-2024-08-06", None), None) == Noticed()
    assert noticed(azure, Seen("gpt-4o-2024-08-06", None), BEFORE) == Noticed()
    assert noticed(azure, Seen("gpt-4o-mini", None), BEFORE) == Noticed(substituted=True)


def test_what_an_answer_does_not_say_the_last_one_said() -> None:
    assert remembered(Seen(None, "fp_2"), BEFORE) == Seen("gpt-4o-2024-08-06", "fp_2")
    assert remembered(Seen("m", None), None) == Seen("m", None)
