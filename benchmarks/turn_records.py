# SPDX-License-Identifier: Apache-2.0
"""The evidence of a turn, made by the gateway's own code (gateway/evidence.py, judge.py) without a request or a model.

Half of the turns propose one tool call: four records without, seven with one. What is sealed is of a usual size.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from customhouse.budget.level import Bound, Refusal, Reservation
from customhouse.budget.limit import Amounts
from customhouse.domain.answer import Answer, Usage
from customhouse.domain.clock import Clock
from customhouse.domain.label import Classification
from customhouse.domain.message import Text, ToolCall, ToolOffer
from customhouse.domain.principal import Principal
from customhouse.gateway.claims import Claims
from customhouse.gateway.evidence import Evidence
from customhouse.gateway.in_force import InForce, StaleAfter
from customhouse.gateway.judge import Bench, judge
from customhouse.gateway.offer import Offering
from customhouse.gateway.prepare import Preparations, Prepared
from customhouse.ledger.entry import Entry
from customhouse.planes.model.select import Facts
from customhouse.planes.tools import facts as rules
from customhouse.registry.current import Current
from customhouse.vault.seal import TenantKey

BODY: Final = (
    b'{"model":"bench_bot","messages":[{"role":"user","content":"Hello, I ordered a blue kettle on Monday. When will it'
    b' arrive, and can I still change the address? My order number is 4711, and I paid by card."}],"tools":[{"type":'
    b'"function","function":{"name":"get_order_status","description":"Order status","parameters":{"type":"object",'
    b'"properties":{"order_id":{"type":"string"}},"required":["order_id"]}}}],"temperature":0.2}'
)
SAID: Final = "The parcel left the warehouse this morning and should arrive on Friday afternoon."
OFFERED: Final = ("get_order_status",)
OFFERING: Final = Offering(tuple(ToolOffer(name, None, None) for name in OFFERED))
NEVER_STALE: Final = StaleAfter(tools_s=1e9, refuse_s=1e9)
"""What is in force was read once, when the run began."""
TIMING_US: Final = {"identity": 12, "render": 40, "record": 2100, "model": 640000, "permit": 25, "total": 644100}


class NoCounters:
    """Budgets that are not asked: the tool that is called has none."""

    async def reserve(self, bounds: Sequence[Bound], asked: Amounts) -> Reservation | Refusal:
        """Refuse to be asked."""
        raise NotImplementedError(bounds, asked)

    def settle(self, reservation: Reservation, spent: Amounts) -> object:
        """Refuse to be told."""
        raise NotImplementedError(reservation, spent)


class TurnRecords(NamedTuple):
    """What a turn appends: before its call leaves, and before its answer is complete. `call_id` None: no tool call."""

    trace_id: str
    called: tuple[Entry, ...]
    completed: tuple[Entry, ...]
    call_id: str | None

    @property
    def records(self) -> int:
        """Return how many records these are."""
        return len(self.called) + len(self.completed)


async def turn_records(
    prepared: Prepared, current: Current, principal: Principal, key: TenantKey, clock: Clock, *, tool: bool
) -> TurnRecords:
    """Return the evidence of one answered turn; with `tool`, of one whose model proposed an allowed call."""
    evidence = Evidence(clock.uuid7(), clock.uuid7(), principal, prepared, key, clock)
    deployment = next(iter(prepared.snapshot.documents.model.deployments.values()))
    span_id = clock.uuid7()
    facts = Facts(Classification.INTERNAL, principal.tenant, principal.environment)
    accepted = evidence.request_accepted(BODY, facts, None, ())
    called = evidence.model_called(span_id, deployment, 1, OFFERING, facts.classification)
    calls = (ToolCall(f"call_{clock.random(12).hex()}", "get_order_status", '{"order_id":"4711"}'),) if tool else ()
    answer = Answer(
        upstream_id=f"chatcmpl-{clock.random(12).hex()}",
        model="bench-model",
        fingerprint="fp_44709d6fcb",
        content=calls if tool else (Text(SAID),),
        stop="tool_calls" if tool else "stop",
        stop_word="tool_calls" if tool else "stop",
        usage=Usage(121, 19),
    )
    answered = evidence.model_answered(span_id, deployment, 1, answer, outcome="complete")
    bench = Bench(
        evidence,
        InForce(current, NEVER_STALE, principal, Preparations()),
        rules.facts(principal, facts.classification),
        Claims(NoCounters(), clock, principal),
    )
    judged = await judge(bench, answer, frozenset(OFFERED), span_id, None)
    said = (answered.record.commitments or {})["model_answer"]
    completed = evidence.response_completed(said, outcome="answered", timing_us=TIMING_US)
    call_id = calls[0].id if calls else None
    return TurnRecords(evidence.trace_id, (accepted, called), (answered, *judged.entries, completed), call_id)
