# SPDX-License-Identifier: Apache-2.0
"""How a call is decided, step by step, as a person reads it: what depends on who is asked for is said."""

from typing import Final

import pytest

from customhouse.domain.message import ToolCall
from customhouse.manifest.explanation import explanation
from customhouse.manifest.situation import Situation, seen
from customhouse.planes.tools.document import Document, Grant
from customhouse.planes.tools.permit import Batch
from customhouse.planes.tools.policy import compiled

POLICY: Final = compiled(Document(grants={"refund": Grant(permission="approve", effect="irreversible")}))
NAMED: Final = "the turn is for a name that nobody proved"


@pytest.mark.parametrize(
    ("situation", "reason", "looked_at"),
    [
        (Situation(), "tool.needs_approval", ()),
        (Situation(subject="user:42", verified=True), "tool.needs_approval", ()),
        (Situation(subject="user:42"), "tool.subject_not_verified", (NAMED,)),
    ],
    ids=["nobody", "proved", "a name"],
)
def test_the_last_step_says_who_is_asked_for(situation: Situation, reason: str, looked_at: tuple[str, ...]) -> None:
    told = explanation(POLICY, ToolCall("c", "refund", "{}"), seen(situation, "bot"), Batch())
    assert told.decision.reasons == (reason,)
    assert (told.steps[-1].step, told.steps[-1].reasons, told.steps[-1].looked_at) == ("outcome", (reason,), looked_at)
