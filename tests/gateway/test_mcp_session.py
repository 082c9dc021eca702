# SPDX-License-Identifier: Apache-2.0
"""Sessions that clients keep: another caller's is none."""

from dataclasses import replace
from typing import Final

import msgspec
import pytest

from customhouse.domain.clock import SystemClock
from customhouse.domain.principal import Principal
from customhouse.gateway.mcp_session import MAX_SESSION_CHARACTERS, PURPOSE, Session, Sessions
from customhouse.vault.token import Tokens

TOKENS: Final = Tokens(b"r" * 32, PURPOSE, SystemClock())
SESSIONS: Final = Sessions(TOKENS)
CALLER: Final = Principal("key", "acme", "bot", "dev", "user:1", "asserted")
AGREED: Final = Session(
    revision="2025-11-25",
    key_id="key",
    tenant="acme",
    assistant="bot",
    environment="dev",
    on_behalf_of="user:1",
    capabilities=msgspec.Raw(b'{"sampling":{}}'),
    upstream={"orders": "abc", "files": ""},
)


def sealed(session: Session) -> str:
    token = SESSIONS.seal(session)
    assert token is not None
    return token


def test_another_replica_opens_it() -> None:
    found = Sessions(Tokens(b"r" * 32, PURPOSE, SystemClock())).open(sealed(AGREED), CALLER)
    assert found is not None
    assert (found.revision, found.upstream) == (AGREED.revision, AGREED.upstream)
    assert bytes(found.capabilities) == b'{"sampling":{}}'


@pytest.mark.parametrize(
    "other",
    [
        replace(CALLER, key_id="other"),
        replace(CALLER, tenant="globex"),
        replace(CALLER, assistant="sales"),
        replace(CALLER, environment="production"),
        replace(CALLER, on_behalf_of="user:2"),
        replace(CALLER, on_behalf_of=None),
    ],
)
def test_it_is_nobody_elses(other: Principal) -> None:
    assert SESSIONS.open(sealed(AGREED), other) is None


def test_what_was_not_sealed_here_is_no_session() -> None:
    for token in ("", "x", "x" * (MAX_SESSION_CHARACTERS + 1), TOKENS.seal(b"")[:-2], sealed(AGREED) + "A"):
        assert SESSIONS.open(token, CALLER) is None


def test_one_that_no_header_could_hold_is_not_made() -> None:
    many = {f"server-{number}": "s" * 100 for number in range(100)}
    assert SESSIONS.seal(msgspec.structs.replace(AGREED, upstream=many)) is None
