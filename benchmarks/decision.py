# SPDX-License-Identifier: Apache-2.0
"""What one decision on a tool call costs: lists, schema, one rule, an amount, and the digest of the call.

    python -m benchmarks.decision

In one process, by its CPU time, least of several rounds; with five tools in the catalogue, and with a thousand more,
each with a schema and a rule of its own.
"""

import json
import time
from typing import Final

from benchmarks.measure import keep

from customhouse.domain.decision import Outcome
from customhouse.domain.label import Classification
from customhouse.domain.message import ToolCall
from customhouse.domain.principal import Principal
from customhouse.planes.tools.document import Budget, Document, Grant
from customhouse.planes.tools.facts import facts
from customhouse.planes.tools.permit import permit
from customhouse.planes.tools.policy import Policy, compiled
from customhouse.ticket import call_digest

CALLS: Final = 5000
ROUNDS: Final = 9
MORE_TOOLS: Final = 1000
PARAMETERS: Final = {
    "type": "object",
    "properties": {
        "order_id": {"type": "string", "pattern": "^[A-Z]{1,4}-[0-9]{1,12}$"},
        "amount": {"type": "number", "minimum": 0},
        "note": {"type": "string", "maxLength": 500},
    },
    "required": ["order_id", "amount"],
    "additionalProperties": False,
}
ARGUMENTS: Final = '{"order_id": "ORD-1234567", "amount": 19.99, "note": "the parcel came back, nobody at home"}'
CALLER: Final = Principal(
    "key_1", "acme", "support", "production", "user:42", "verified", "idp", {"order_ids": ("ORD-1", "ORD-1234567")}
)


def policy(more: int) -> Policy:
    """Return a policy of a tool that is asked about, and `more` others."""
    grant = Grant(
        permission="allow",
        effect="write",
        parameters=json.dumps(PARAMETERS),
        rules=("args.order_id in principal.order_ids",),
    )
    names = ("issue_note", *(f"tool_{number}" for number in range(4 + more)))
    sums = (Budget(of="args.amount", tool="issue_note", max="500", per="turn"),)
    return compiled(Document(grants=dict.fromkeys(names, grant), sums=sums))


def least_us(asked: Policy) -> float:
    """Return the CPU time of one decision with its call's digest, least of the rounds."""
    said = facts(CALLER, Classification.INTERNAL)
    call = ToolCall("call_1", "issue_note", ARGUMENTS)
    offered = frozenset(asked.offers())
    verdict = permit(asked, call, said, offered=offered)
    if verdict.decision.outcome is not Outcome.ALLOW:
        raise RuntimeError(f"what is measured shall be an allowed call, not {verdict.decision}")
    least = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time_ns()
        for _ in range(CALLS):
            verdict = permit(asked, call, said, offered=offered)
            call_digest(call.name, verdict.arguments or {})
        least = min(least, (time.process_time_ns() - began) / CALLS / 1000)
    return least


def main() -> None:
    """Measure, keep both figures and print them."""
    few, many = policy(0), policy(MORE_TOOLS)
    first, second = least_us(few), least_us(many)
    more = (second / first - 1) * 100
    keep("decision", {"cpu_us": round(first, 1), "more_us": round(second, 1), "more_percent": round(more, 1)})
    print(f"a decision with schema, lists, one rule, a sum and the digest: {first:.1f} us CPU")
    print(f"with {MORE_TOOLS} more tools in the catalogue: {second:.1f} us CPU ({more:+.1f} %)")


if __name__ == "__main__":
    main()
