# SPDX-License-Identifier: Apache-2.0
"""Sessions of the console: a browser that showed an operator key once, and carries a token of its own since.

Rules:
- The token is 256 random bits made at sign-in, never one that a browser brought along; kept as its SHA-256.
- A session is good as long as the operator key that it began with: whoever is revoked is signed out everywhere, at the
  next request, on every replica, and a new key does not bring an old session back.
- It ends by itself after a working day. Signing out ends it at once, also for whoever copied the token.
- Signing in and out are evidence.

Story: Sam's laptop is stolen while his browser is signed in. An admin revokes Sam; the thief's next click, wherever it
lands, is a stranger's. Nobody has to know how many browsers Sam had.
"""

from dataclasses import dataclass
from typing import Final

from customhouse.access import session_tables, token
from customhouse.access.credentials import Credentials
from customhouse.access.office import Office
from customhouse.domain.clock import rfc3339
from customhouse.domain.errors import Unauthenticated
from customhouse.domain.principal import Actor
from customhouse.store.database import Transaction

SESSION_S: Final = 8 * 3600
"""A working day. There is no renewal: whoever works longer shows the key again."""
MAX_SESSIONS: Final = 10
"""Browsers of one person that are signed in at once; one more signs the oldest out."""


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser: whose it is and its token, from which the proofs in its forms are made."""

    actor: Actor
    token: str


async def begin(office: Office, credentials: Credentials, key: str, *, trace_id: str) -> Session:
    """Sign in with an operator key. Raises Unauthenticated, ReplicaStale."""
    await credentials.refresh()
    actor = credentials.person(key)
    if actor is None:
        raise Unauthenticated("the key is unknown or revoked; ask an admin for `customhouse people add`.")
    secret, now_us = token.make("chs_", office.clock.random(token.RANDOM_BYTES)), office.clock.now_us()
    ends_at_us, key_hash = now_us + SESSION_S * 1_000_000, token.digest(key)
    entry = office.ledger.event(
        "session.began", actor=actor.name, trace_id=trace_id, detail={"until": rfc3339(ends_at_us)}
    )

    def work(tx: Transaction) -> None:
        session_tables.begin(tx, token.digest(secret), key_hash, now_us, ends_at_us)
        session_tables.tidy(tx, key_hash, MAX_SESSIONS, now_us)
        office.ledger.write(tx, [entry])

    await office.database.transact(work)
    return Session(actor, secret)


async def resume(office: Office, credentials: Credentials, presented: str) -> Session | None:
    """Return the session of a token, or None when it has ended or its person was revoked. Raises ReplicaStale.

    Cost: two queries. The database is asked each time, as for a key, so that a revoked person is a stranger at once.
    """
    if not token.shaped(presented, "chs_"):
        return None
    await credentials.refresh()
    now_us = office.clock.now_us()
    row = await office.database.read(lambda tx: session_tables.get(tx, token.digest(presented), now_us))
    actor = None if row is None else credentials.person_of(row.key_hash)
    return None if actor is None else Session(actor, presented)


async def end(office: Office, session: Session, *, trace_id: str) -> None:
    """Sign out: the token means nothing any more, wherever it is."""
    entry = office.ledger.event("session.ended", actor=session.actor.name, trace_id=trace_id, detail={})

    def work(tx: Transaction) -> None:
        if session_tables.end(tx, token.digest(session.token)):
            office.ledger.write(tx, [entry])

    await office.database.transact(work)
