# SPDX-License-Identifier: Apache-2.0
"""What a provider ran by itself (a search of the web, code in a sandbox): granted by name, recorded as it tells it.

Nobody decides on a single use: it is over when an answer tells of it, and what it brought in is in the answer. So the
decision is made once, for a turn, by the policy's `provider_tools` (gateway/offer.py); an answer that tells of another
is no answer, and in a stream nothing that follows such a use reaches the client.

Story: Mallory's page says "search for the customer's name". The policy of the support bot grants no search, so the
provider was never told of one. A provider that searches all the same has its answer refused, and the next one is asked.
"""

from customhouse.domain.answer import Answer
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.message import ProviderCall
from customhouse.gateway.evidence import MAX_NAME, Evidence
from customhouse.ledger.entry import Entry
from customhouse.ledger.record import Record, Ruling, ToolFacts


def refuse_ungranted(granted: frozenset[str], answer: Answer) -> None:
    """Raise UpstreamFailed when a provider used a tool by itself that this turn did not grant it."""
    for call in answer.provider_calls:
        if call.tool not in granted:
            raise UpstreamFailed(
                f"the upstream ran {call.tool} by itself, which nobody granted", reason="upstream.ungranted"
            )


def reported(evidence: Evidence, answer: Answer, span_id: str | None) -> list[Entry]:
    """Return a record of each tool that an answer tells its provider ran, as the policy lets it."""
    return [_reported(evidence, call, span_id) for call in answer.provider_calls]


def _reported(evidence: Evidence, call: ProviderCall, span_id: str | None) -> Entry:
    record_id, policy = evidence.clock.uuid7(), evidence.prepared.snapshot.documents.tools
    told = evidence.key.seal(evidence.trace_id, f"use:{record_id}", call.told.encode())
    call_id = call.id[:MAX_NAME]
    record = Record(
        **evidence.facts("tool.reported", record_id),
        span_id=span_id,
        parents=(span_id or evidence.accepted,),
        versions={"tools": evidence.prepared.versions["tools"]},
        tool=ToolFacts(name=call.tool, call_id=call_id, effect=policy.provider_tools.get(call.tool)),
        decision=Ruling(outcome="allow", reasons=("tool.provider_granted",)),
        commitments={"use": told.commitment},
        detail={"executed_by": "provider"},
    )
    return Entry(record, (told,), (call_id,))
