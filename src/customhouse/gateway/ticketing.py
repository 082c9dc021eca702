# SPDX-License-Identifier: Apache-2.0
"""The ticket of each call that is about to leave: the proof that it was permitted, for whoever runs it.

Rule kept: one ticket for each decision, whose id it has. A call that is withdrawn has none; one that is answered again
from the same decision has the same id, so it is used once.
"""

from collections.abc import Sequence

from customhouse.dialects.envelope import Ticket
from customhouse.gateway.evidence import Evidence
from customhouse.gateway.judge import Passed
from customhouse.ticket import Claims, call_digest
from customhouse.vault.mint import LIFETIME_S, TicketKeys


def tickets(keys: TicketKeys, evidence: Evidence, passed: Sequence[Passed]) -> tuple[Ticket, ...]:
    """Return the tickets of calls that pass, in their order. Cost: about 45 µs a call.

    A call whose arguments have no canonical form (nested deeper than 64) has none: no server could compare it.
    """
    made = [_ticket(keys, evidence, each) for each in passed]
    return tuple(each for each in made if each is not None)


def _ticket(keys: TicketKeys, evidence: Evidence, passed: Passed) -> Ticket | None:
    call, principal = passed.call, evidence.principal
    try:
        digest = call_digest(call.name, call.arguments)
    except ValueError:
        return None
    grant = evidence.prepared.snapshot.documents.tools.grants.get(call.name)
    issued_s = evidence.clock.now_us() // 1_000_000
    claims = Claims(
        iss=keys.issuer,
        aud=(grant.server if grant else None) or call.name,
        sub=principal.assistant,
        jti=passed.decision_id,
        iat=issued_s,
        exp=issued_s + LIFETIME_S,
        tenant=principal.tenant,
        environment=principal.environment,
        trace_id=evidence.trace_id,
        tool=call.name,
        digest=digest,
    )
    return Ticket(call_id=call.id, ticket=keys.signing.mint(claims))
