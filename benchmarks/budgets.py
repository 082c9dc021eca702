# SPDX-License-Identifier: Apache-2.0
"""What limits cost a turn: reserving before a call and settling after it, on both stores.

    python -m benchmarks.budgets

Three limits a turn (a key's minute, the assistant's day, a tenant's month), so three counters in two tenants' rows. One
turn after the other, then 32 at a time, then 32 on each of two replicas that share all counters (PostgreSQL). CPU is
this process's with all its threads; PostgreSQL's is counted besides. On disk, with fsync. Takes some twenty seconds.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from benchmarks.database import postgres
from benchmarks.measure import cpu_ns, machine, percentile

from customhouse.budget.level import Caller, Reservation, bounds
from customhouse.budget.limit import Amounts, Limit
from customhouse.budget.reserve import Budgets
from customhouse.domain.clock import SystemClock
from customhouse.store.postgres import open_postgres
from customhouse.store.sqlite import open_sqlite

TURNS: Final = 2000
TOGETHER: Final = 32
LIMITS: Final = (
    Limit(of="key", per="minute", requests=10**9),
    Limit(of="assistant", per="day", tokens=10**12),
    Limit(of="tenant", per="month", money="100000"),
)
_CLOCK: Final = SystemClock()
Found = dict[str, float]


async def turn(budgets: Budgets, took_us: list[tuple[float, float]]) -> None:
    """Reserve and settle as a turn does, and note how long each took."""
    began = time.perf_counter()
    bound = bounds(LIMITS, Caller("acme", "dev", "support", "key-1"), _CLOCK.now_us())
    reservation = await budgets.reserve(bound, Amounts(1, 5000, 9000))
    reserved = time.perf_counter()
    if not isinstance(reservation, Reservation):
        raise TypeError("the limits of this benchmark are never reached")
    await budgets.settle(reservation, Amounts(1, 300, 500))
    took_us.append(((reserved - began) * 1e6, (time.perf_counter() - reserved) * 1e6))


async def measured(replicas: Sequence[Budgets], together: int, server_cpu_ns: Callable[[], int]) -> Found:
    """Run turns, `together` at a time on each replica; return times of a turn in microseconds."""
    took_us: list[tuple[float, float]] = []

    async def some(budgets: Budgets) -> None:
        for _ in range(TURNS // together // len(replicas)):
            await turn(budgets, took_us)

    began, cpu, server = time.perf_counter(), time.process_time(), server_cpu_ns()
    await asyncio.gather(*(some(budgets) for budgets in replicas for _ in range(together)))
    seconds, count = time.perf_counter() - began, len(took_us)
    return {
        "reserve p50": percentile([reserve for reserve, _ in took_us], 0.5),
        "reserve p99": percentile([reserve for reserve, _ in took_us], 0.99),
        "settle p50": percentile([settle for _, settle in took_us], 0.5),
        "settle p99": percentile([settle for _, settle in took_us], 0.99),
        "CPU of the gateway": (time.process_time() - cpu) / count * 1e6,
        "CPU of PostgreSQL": (server_cpu_ns() - server) / count / 1000,
        "turns a second": count / seconds,
    }


async def on_sqlite() -> dict[str, Found]:
    """Measure on a file."""
    with tempfile.TemporaryDirectory() as directory:
        database = await open_sqlite(Path(directory) / "customhouse.db")
        budgets = Budgets(database, timeout_s=30)
        found = await _each([(1, [budgets]), (TOGETHER, [budgets])], lambda: 0)
        await database.close()
        return found


async def on_postgres() -> dict[str, Found]:
    """Measure on a server of its own."""
    with postgres() as server:
        async with AsyncExitStack() as stack:
            replicas: list[Budgets] = []
            for _ in range(2):
                database = await open_postgres(server.url, "gateway")
                stack.push_async_callback(database.close)
                replicas.append(Budgets(database, timeout_s=30))
            runs = [(1, replicas[:1]), (TOGETHER, replicas[:1]), (TOGETHER, replicas)]
            return await _each(runs, lambda: cpu_ns(server.pid))


async def _each(runs: Sequence[tuple[int, list[Budgets]]], server_cpu_ns: Callable[[], int]) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for together, replicas in runs:
        await measured(replicas, 1, server_cpu_ns)  # connections and pages are there
        values = await measured(replicas, together, server_cpu_ns)
        name = f"{together} at a time" + (f" on each of {len(replicas)} replicas" if len(replicas) > 1 else "")
        found[name] = {name: round(value, 1) for name, value in values.items()}
    return found


def main() -> None:
    """Measure, and print one JSON object."""
    stores: dict[str, Callable[[], Awaitable[dict[str, Found]]]] = {"sqlite": on_sqlite, "postgres": on_postgres}

    async def all_of_them() -> dict[str, dict[str, Found]]:
        return {name: await measure() for name, measure in stores.items()}

    print(json.dumps({**machine(), "us": asyncio.run(all_of_them())}, indent=1))


if __name__ == "__main__":
    main()
