# SPDX-License-Identifier: Apache-2.0
"""How long a trace takes to find and read, by each kind of id, in a store that holds millions of records.

    python -m benchmarks.trace_at_scale --store postgres|sqlite [--records 10000000] [--lookups 2000]

Loading is bulk (bulk_load.py); looking up is the control API's own code in this process, with the role and row security
of a server: GET /api/v1/traces/{id} by every id that a person may hold, and the lists of a release, a key, a person. No
tenant is named, so each look-up asks the logs of all tenants. Twenty tenants, thirty days. The data is deleted after.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from benchmarks.bulk_load import Loaded, copy_days, fill_postgres, fill_sqlite
from benchmarks.bulk_records import TENANTS, Bulk
from benchmarks.database import Server, postgres
from benchmarks.house import ASSISTANT, PROMPT, House, house
from benchmarks.measure import RESULTS, keep, percentile
from benchmarks.turn_records import TurnRecords, turn_records

from customhouse.app import installation
from customhouse.cli.client import Client
from customhouse.domain.principal import Principal
from customhouse.gateway.prepare import prepare
from customhouse.ledger import chain, partition, tables
from customhouse.ledger.chain import Verdict
from customhouse.settings import Settings
from customhouse.store.database import Transaction

DAYS: Final = 30
WORKERS: Final = 2
BY_ID: Final = ("trace", "response", "tool call", "decision", "release", "key", "person")
LISTED: Final = ("release", "key", "person")
CHECKED: Final = 3000
"""Records of each log whose hashes are computed again."""
LOADING: Final = {"max_wal_size": "16GB", "checkpoint_timeout": "30min"}
"""For the load alone; fsync and the rest are the server's defaults."""


def main() -> None:
    """Load, look up, and keep the figures; or be one of the processes that load."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=("sqlite", "postgres"), required=True)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--lookups", type=int, default=2000)
    parser.add_argument("--part", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--settings", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part is not None:
        settings = msgspec.json.decode(options.settings, type=Settings)
        bulk = Bulk(asyncio.run(templates(settings)), TENANTS[options.part :: WORKERS], options.part)
        every = _every(options.records, options.lookups)
        loaded = copy_days(settings.database, bulk, days(), options.records // WORKERS, every)
        print(json.dumps(asdict(loaded)))
        return
    figures = measure(options.store, options.records, options.lookups)
    keep(f"trace_at_scale_{options.store}", figures)
    print(json.dumps(figures, indent=1))
    sys.exit(bool(figures["faults"]))


def measure(store: str, records: int, lookups: int, parent: Path = RESULTS) -> dict[str, Any]:
    """Fill a store, then look traces up in it."""
    with ExitStack() as stack:
        server = stack.enter_context(postgres(LOADING)) if store == "postgres" else None
        furnished = stack.enter_context(house("http://127.0.0.1:9/v1", (PROMPT,), parent, server.url if server else ""))
        began = time.monotonic()
        loaded = _on_postgres(furnished, records, lookups) if server else _on_sqlite(furnished, records, lookups)
        load_s = time.monotonic() - began
        print(f"{loaded.records:,} records in {load_s:.0f} s", file=sys.stderr)
        size_bytes, settings = _size(server, furnished), server.settings() if server else {}
        control = furnished.control()
        stack.callback(control.close)
        faults = asyncio.run(_broken(furnished.settings))
        found_ms = {kind: _by_id(control, kind, loaded, lookups, faults) for kind in BY_ID}
        listed_ms = {kind: _listed(control, kind, loaded, lookups, faults) for kind in LISTED}
    return {
        "store": store,
        "records": loaded.records,
        "records_asked": records,
        "tenants": len(TENANTS),
        "days": DAYS,
        "lookups": lookups,
        "load_s": round(load_s),
        "size_gb": round(size_bytes / 1e9, 1),
        "server": settings,
        "by_id_ms": found_ms,
        "listed_ms": listed_ms,
        "faults": faults[:20],
    }


def days() -> tuple[int, ...]:
    """Return the days that are filled: the last ones before those that a server has made partitions for."""
    last = partition.day_of_us(time.time_ns() // 1000) - partition.DAYS_BEHIND
    return tuple(range(last - DAYS, last))


async def templates(settings: Settings) -> list[TurnRecords]:
    """Return one turn without a tool call and one with, from the release in force."""
    async with installation(settings) as built:
        await built.current.refresh()
        snapshot = built.current.get("dev", ASSISTANT)
        if snapshot is None:
            raise RuntimeError("the house has no release in dev")
        prepared, clock = prepare(snapshot), built.control.clock
        principal = Principal("key_template", TENANTS[0], ASSISTANT, "dev", "user:template", "asserted")
        key = await built.control.ledger.tenant_key(principal.tenant)
        return [await turn_records(prepared, built.current, principal, key, clock, tool=tool) for tool in (False, True)]


def _every(records: int, lookups: int) -> int:
    return max(records // (3 * lookups), 1)  # half of the turns have a tool call: enough of these, too


def _on_postgres(furnished: House, records: int, lookups: int) -> Loaded:
    def worker(number: int) -> list[str]:
        settings = msgspec.json.encode(furnished.beside(number).settings).decode()
        sizes = ["--records", str(records), "--lookups", str(lookups), "--store", "postgres"]
        return ["-m", "benchmarks.trace_at_scale", *sizes, "--part", str(number), "--settings", settings]

    return fill_postgres(furnished.database, days(), worker, WORKERS)


def _on_sqlite(furnished: House, records: int, lookups: int) -> Loaded:
    bulk = Bulk(asyncio.run(templates(furnished.settings)), TENANTS, 0)
    path = furnished.settings.database_path
    return fill_sqlite(path, bulk, days(), records, _every(records, lookups))


def _by_id(control: Client, kind: str, loaded: Loaded, lookups: int, faults: list[str]) -> dict[str, float]:
    """Look so many ids of a kind up, and read the trace that is found first."""

    def look(ids: dict[str, str]) -> None:
        found: Any = control.call("GET", f"/api/v1/traces/{quote(ids[kind], safe='')}")
        if kind not in LISTED and found["trace_id"] != ids["trace"]:
            faults.append(f"{kind} {ids[kind]} led to {found['trace_id']}, not to {ids['trace']}")
        if not found["intact"] or not found["steps"]:
            faults.append(f"trace {found['trace_id']} is not intact")

    return _timed(look, [ids for ids in loaded.samples if kind in ids], lookups)


def _listed(control: Client, kind: str, loaded: Loaded, lookups: int, faults: list[str]) -> dict[str, float]:
    """List the newest traces of so many releases, keys or persons."""

    def look(ids: dict[str, str]) -> None:
        found: Any = control.call("GET", f"/api/v1/traces?{urlencode({kind: ids[kind]})}")
        if not found["traces"]:
            faults.append(f"{kind} {ids[kind]} has no trace")

    return _timed(look, loaded.samples, lookups)


def _timed(look: Callable[[dict[str, str]], None], samples: Sequence[dict[str, str]], lookups: int) -> dict[str, float]:
    chosen = random.Random(1).sample(samples, min(lookups, len(samples)))  # noqa: S311 - which ids, no secret
    took_ms: list[float] = []
    for ids in chosen:
        began = time.perf_counter()
        look(ids)
        took_ms.append((time.perf_counter() - began) * 1000)
    return {
        "n": len(took_ms),
        "p50": round(percentile(took_ms, 0.5), 1),
        "p99": round(percentile(took_ms, 0.99), 1),
        "max": round(max(took_ms), 1),
    }


async def _broken(settings: Settings) -> list[str]:
    """Check the beginning of each chain, as the ledger reads it: what was loaded is what the ledger would have made."""
    faults: list[str] = []
    async with installation(settings) as built:
        for tenant in TENANTS:

            def check(tx: Transaction, tenant: str = tenant) -> Verdict:
                tx.act_for(tenant)
                return chain.verify(islice(tables.links(tx, tenant), CHECKED))

            found = await built.control.database.read(check)
            if found.broken_at is not None or not found.size:
                faults.append(f"the log of {tenant} is broken at {found.broken_at}: {found.reason}")
    return faults


def _size(server: Server | None, furnished: House) -> int:
    if server is not None:
        return int(server.asked("SELECT pg_database_size(current_database())")[0][0])
    return sum(path.stat().st_size for path in Path(furnished.home).glob("customhouse.db*"))


if __name__ == "__main__":
    main()
