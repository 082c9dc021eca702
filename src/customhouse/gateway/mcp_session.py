# SPDX-License-Identifier: Apache-2.0
"""The sessions of MCP's handshake revisions: sealed and kept by the client, so that any replica goes on with them.

Rules kept: a session is its key's alone, for the tenant, assistant and environment in which it began; what a client
says in it can only narrow. It proves nothing that must happen once.

Story: three replicas stand behind a proxy that deals requests out in turn. Lee's agent initializes on the first one and
calls on the second, which reads the revision, and under which ids the tool servers know this client, from the session.
"""

from typing import Final

import msgspec

from customhouse.domain.principal import Principal
from customhouse.vault.token import Tokens

MAX_SESSION_CHARACTERS: Final = 8192
"""Of a session's token: HTTP servers and proxies take heads of 8 to 64 KB."""
PURPOSE: Final = "mcp session"


class Session(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What was agreed in the handshake. `upstream` has the servers' own sessions; a server without one has "".

    `capabilities` is the client's JSON object, `may_ask` what of it may reach the servers.
    """

    revision: str
    key_id: str
    tenant: str
    assistant: str
    environment: str
    on_behalf_of: str | None
    capabilities: msgspec.Raw
    upstream: dict[str, str]


class Sessions:
    """Opens sessions and seals new ones."""

    def __init__(self, tokens: Tokens) -> None:
        """Keep what seals them."""
        self._tokens = tokens
        self._decode = msgspec.json.Decoder(Session).decode

    def seal(self, session: Session) -> str | None:
        """Return the session's id for its client; None when it says more than an id may hold."""
        token = self._tokens.seal(msgspec.json.encode(session))
        return token if len(token) <= MAX_SESSION_CHARACTERS else None

    def open(self, token: str, principal: Principal) -> Session | None:
        """Return the session of this caller's, or None: nobody is told whether it is another's."""
        if len(token) > MAX_SESSION_CHARACTERS:
            return None
        content = self._tokens.open(token)
        if content is None:
            return None
        session = self._decode(content)
        theirs = (session.key_id, session.tenant, session.assistant, session.environment, session.on_behalf_of)
        ours = (principal.key_id, principal.tenant, principal.assistant, principal.environment, principal.on_behalf_of)
        return session if theirs == ours else None
