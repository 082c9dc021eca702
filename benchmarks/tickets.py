# SPDX-License-Identifier: Apache-2.0
"""What a ticket costs the gateway, and what checking it costs a tool server: CPU time, least of several rounds.

python -m benchmarks.tickets
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from benchmarks.measure import machine

from customhouse.ticket import Claims, Seen, Verifier, call_digest, read
from customhouse.vault.mint import LIFETIME_S, ticket_keys

REPEATS: Final = 2000
ARGUMENTS: Final = json.dumps(
    {
        "order_id": "A-1007",
        "amount": 12.5,
        "currency": "EUR",
        "reason": "arrived broken; the customer sent two photographs",
        "items": [{"sku": "kettle-2", "count": 1}, {"sku": "filter-9", "count": 3}],
    }
)
"""About 180 bytes, as models write them."""
NOW: Final = 1_790_000_000


def cost_us(work: Callable[[], object], rounds: int) -> float:
    """Return the CPU time of one call of `work`, of the quickest round."""
    least = float("inf")
    for _ in range(rounds):
        began = time.process_time_ns()
        for _ in range(REPEATS):
            work()
        least = min(least, (time.process_time_ns() - began) / REPEATS / 1000)
    return least


def main() -> None:
    """Measure, and print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds: int = parser.parse_args().rounds
    keys = ticket_keys(bytes(32), 1)
    trusted = keys.trusted
    claims = Claims(
        iss=keys.issuer,
        aud="orders",
        sub="customer_support_bot",
        jti="0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee",
        iat=NOW,
        exp=NOW + LIFETIME_S,
        tenant="acme",
        environment="production",
        trace_id="0199aaaa-0000-7000-8000-000000000000",
        tool="issue_refund",
        digest=call_digest("issue_refund", ARGUMENTS),
    )
    ticket = keys.signing.mint(claims)
    fresh = iter(range(10**9))
    seen = Seen(10**9, now=lambda: NOW)

    class Once:
        """Remembers each ticket under a name of its own, so that one ticket can be measured many times."""

        def claim(self, ticket: str, claims: Claims) -> bool:
            return seen.claim(ticket, replace(claims, jti=str(next(fresh))))

    verifier = Verifier(trusted, audience="orders", environment="production", single_use=Once(), now=lambda: NOW)
    works: dict[str, Callable[[], object]] = {
        "gateway: digest of a call": lambda: call_digest("issue_refund", ARGUMENTS),
        "gateway: sign its ticket": lambda: keys.signing.mint(claims),
        "server: form, signature and claims": lambda: read(ticket, trusted, now_s=NOW),
        "server: all of it, with the digest and single use": lambda: verifier.verify(ticket, "issue_refund", ARGUMENTS),
    }
    print(", ".join(machine().values()) + f"; {REPEATS} times, least of {rounds} rounds")
    print(f"a ticket has {len(ticket)} bytes, its arguments {len(ARGUMENTS)}")
    for name, work in works.items():
        print(f"{cost_us(work, rounds):7.1f} us  {name}")


if __name__ == "__main__":
    main()
