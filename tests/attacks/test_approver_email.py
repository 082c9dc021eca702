# SPDX-License-Identifier: Apache-2.0
"""An approver asks for a refund under an opaque subject, and says yes to it: the address in his token gives him away.

Story: Dana's token says `sub: 00u1x7` and `email: dana@acme.test`. The record names user:00u1x7, which is nobody's
address. She approves as dana@acme.test. The call stays: the yes does not count, with that token, another, or none.
"""

from pathlib import Path
from typing import Any, Final

import pytest
from tests.gateway.running import Answer
from tests.gateway.tongues import TONGUES
from tests.gateway.waiting import CAPTAIN, TOOLS, Desk, proved, waiting

CHAT: Final = TONGUES["openai_chat"]
BODY: Final = CHAT.first(tools=TOOLS)


def ask(desk: Desk, claims: dict[str, Any], approval: str | None = None) -> Answer:
    """Ask as whoever has a token with these claims."""
    given = desk.gateway.chat(
        {**proved("00u1x7", **claims), **({} if approval is None else {"customhouse-approval": approval})}, **BODY
    )
    assert (approval is None) <= (given.status == 200), given.body
    return given


@pytest.mark.parametrize(
    ("asked", "repeated", "code"),
    [
        ({"email": CAPTAIN}, {"email": CAPTAIN}, "approval.revoked"),
        ({"email": CAPTAIN, "email_verified": False}, {"email": CAPTAIN, "email_verified": False}, "approval.revoked"),
        ({"email": " DANA@Acme.Test "}, {"email": "Dana@acme.test"}, "approval.revoked"),
        ({"email": CAPTAIN}, {}, "approval.mismatch"),
        ({"email": CAPTAIN}, {"email": "lee@acme.test"}, "approval.mismatch"),
        (
            {f"claim_{number}": "x" for number in range(100)} | {"email": CAPTAIN},
            {"email": CAPTAIN},
            "approval.revoked",
        ),
        ({"email": "lee@acme.test"}, {"email": "lee@acme.test"}, None),
        ({}, {}, None),
    ],
    ids=["same", "not-verified", "capitals", "dropped", "changed", "beyond-the-bound", "somebody-else", "none"],
)
def test_nobody_releases_his_own_call_under_another_name(
    home: Path, asked: dict[str, Any], repeated: dict[str, Any], code: str | None
) -> None:
    with waiting(home) as desk:
        ((notice),) = CHAT.hear(ask(desk, asked)).receipt["decisions"]
        assert desk.say(CAPTAIN, notice["id"]).status == 200
        given = ask(desk, repeated, notice["id"])
        if code is None:
            assert given.status == 200, given.body
            return
        assert (given.status, given.json["error"]["code"]) == (403, code)
        assert b"A-1001" not in given.body
        assert desk.gateway.rows("SELECT state FROM approval WHERE id = ?", notice["id"]) == [("approved",)]
