# SPDX-License-Identifier: Apache-2.0
"""kill -9 of gateways, of the sequencer and of PostgreSQL at random points under load, and nothing repaired by hand.

    python -m benchmarks.crash_replicas [--kills 500] [--seed 1] [--minutes 25]

Three replicas share one PostgreSQL. Clients of assistants in each failure mode note every answer that they received
completely. A seeded plan kills a replica, the one that leads, a replica while it starts, while it stops or while its
spool joins the ledger, and the database server (its first process, all of them, one backend), sometimes for longer than
a pool tries to connect; whatever ended is started again. When the plan is through, everything must come back by itself
and become quiet. Then a program that shares no code with the writer reads every log (postgres_reader.py), and each
answer is looked up (crash_answers.py).
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import psycopg
from benchmarks import crash_answers, postgres_reader
from benchmarks.crash import model
from benchmarks.crash_clients import Clients, ask_until
from benchmarks.house import PROMPT, documents
from benchmarks.measure import RESULTS, keep, percentile
from benchmarks.postgres_reader import watch_placements
from benchmarks.postgres_server import PostgresServer, postgres_server
from benchmarks.reading import Reading
from benchmarks.replicas import Fleet, Replica, all_ready, fleet
from tests.upstream.server import scripted_upstream

REPLICAS: Final = 3
Target = Literal["gateway", "sequencer", "starting", "stopping", "draining", "postmaster", "machine", "backend"]
WEIGHTS: Final[dict[Target, int]] = {
    "gateway": 30,
    "sequencer": 22,
    "starting": 10,
    "stopping": 10,
    "draining": 10,
    "postmaster": 10,
    "machine": 10,
    "backend": 8,
}
PAUSE_S: Final = (0.3, 2.2)
"""Between two kills: from the middle of a recovery to a second of full work."""
LONG_OUTAGE: Final = 0.08
"""Of the database's kills, the share after which it stays away longer than a pool tries to connect."""
QUIET_LIMIT_S: Final = 60
WATCH_S: Final = 0.1


@dataclass(slots=True)
class Outcome:
    """What a series showed. `faults` must be empty."""

    kills: Counter[str] = field(default_factory=Counter[str])
    clients: Clients = field(default_factory=Clients)
    reading: Reading = field(default_factory=Reading)
    judged: crash_answers.Judged = field(default_factory=crash_answers.Judged)
    back_s: list[float] = field(default_factory=list[float])
    stop_s: list[float] = field(default_factory=list[float])
    starts: int = 0
    failed_starts: int = 0
    long_outages: int = 0
    series_s: float = 0.0
    claims: dict[int, set[str]] = field(default_factory=dict[int, set[str]])
    faults: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Scene:
    """What the plan works on. `leader` is the replica that leads, as the database said last."""

    server: PostgresServer
    fleet: Fleet
    chance: random.Random
    outcome: Outcome
    pause_s: tuple[float, float] = PAUSE_S
    leader: str = ""


def run(
    kills: int,
    seed: int,
    parent: Path = RESULTS,
    pause_s: tuple[float, float] = PAUSE_S,
    limit_s: float = float("inf"),
) -> Outcome:
    """Kill so many times, for `limit_s` at most; `seed` decides whom, and when."""
    parent.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="fleet-", dir=parent))
    outcome = Outcome()
    try:
        with scripted_upstream(model) as upstream, postgres_server() as server:
            database = _database(server)
            found = fleet(directory, database, REPLICAS, documents(upstream.base_url, PROMPT))
            watch_placements(database)
            chance = random.Random(seed)  # noqa: S311 - a repeatable schedule, no secret
            began = time.monotonic()
            asyncio.run(_series(Scene(server, found, chance, outcome, pause_s), kills, limit_s, database))
            outcome.series_s = time.monotonic() - began
            names = {replica.id or "": replica.name for replica in found.replicas}
            outcome.reading = postgres_reader.read(database, names)
            outcome.judged = crash_answers.judge(outcome.clients.answers, outcome.reading)
            _require_one_leader(outcome)
            for replica in found.replicas:
                outcome.starts += replica.starts
                outcome.failed_starts += replica.failed_starts
                outcome.stop_s += replica.stop_s
    finally:
        outcome.faults = [*outcome.faults, *outcome.clients.faults, *outcome.reading.faults]
        if outcome.faults:
            print(f"kept for looking at: {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return outcome


async def _series(scene: Scene, kills: int, limit_s: float, database: str) -> None:
    replicas, outcome = scene.fleet.replicas, scene.outcome
    async with asyncio.TaskGroup() as group, _while(_watch(scene, database)):
        supervised = [group.create_task(replica.supervise()) for replica in replicas]
        outcome.faults += await all_ready(replicas)
        stop = asyncio.Event()
        asking = group.create_task(ask_until(stop, scene.fleet, scene.chance.getrandbits(32), outcome.clients))
        until = time.monotonic() + limit_s
        while outcome.kills.total() < kills and time.monotonic() < until:
            await asyncio.sleep(scene.chance.uniform(*scene.pause_s))
            await _kill(scene)
        began = time.monotonic()
        await asyncio.to_thread(scene.server.start)
        outcome.faults += await all_ready(replicas)
        outcome.back_s.append(time.monotonic() - began)
        stop.set()
        await asking
        outcome.faults += await all_ready(replicas)
        outcome.faults += await _quiet(database)
        for replica in replicas:
            if not await replica.stop():
                outcome.faults.append(f"{replica.name} did not stop when it was told to")
        await asyncio.gather(*supervised)


async def _kill(scene: Scene) -> None:
    """Kill once. What is down already cannot be killed: then somebody else is."""
    chance, server, outcome = scene.chance, scene.server, scene.outcome
    target: Target = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    if not server.running and target in {"draining", "postmaster", "machine", "backend"}:
        target = "gateway"
    match target:
        case "gateway" | "sequencer":
            running = await _somebody(scene)
            leading = [replica for replica in running if replica.id == scene.leader]
            (leading[0] if target == "sequencer" and leading else chance.choice(running)).kill()
        case "starting":
            victim = chance.choice(await _somebody(scene))
            victim.kill()
            await victim.started_again()
            await asyncio.sleep(chance.uniform(0.1, 1.6))
            victim.kill()
        case "stopping":
            victim = chance.choice(await _somebody(scene))
            victim.ask_to_stop()
            await asyncio.sleep(chance.uniform(0.0, 0.4))
            victim.kill()
        case "draining":
            await asyncio.to_thread(server.kill, "machine", chance)
            outcome.kills["machine"] += 1
            await asyncio.sleep(chance.uniform(0.3, 1.0))
            await asyncio.to_thread(server.start)
            await asyncio.sleep(chance.uniform(0.0, 0.6))
            chance.choice(await _somebody(scene)).kill()
        case "postmaster" | "machine" | "backend":
            await asyncio.to_thread(server.kill, target, chance)
            away_s = chance.uniform(0.0, 1.0)
            if target != "backend" and chance.random() < LONG_OUTAGE:
                outcome.long_outages += 1
                away_s = chance.uniform(5.5, 9.0)
            await asyncio.sleep(away_s)
            await asyncio.to_thread(server.start)
    outcome.kills[target] += 1


async def _somebody(scene: Scene) -> list[Replica]:
    """Return the replicas that run, as soon as one does."""
    while True:
        if running := [replica for replica in scene.fleet.replicas if replica.running]:
            return running
        await asyncio.sleep(WATCH_S)


async def _watch(scene: Scene, database: str) -> None:
    """Note who leads, and who says that it does, for as long as it lasts."""
    while True:
        with suppress(psycopg.Error, OSError):
            connecting = psycopg.AsyncConnection.connect(database, autocommit=True, connect_timeout=2)
            async with await connecting as connection:
                while True:
                    leading = await connection.execute("SELECT replica FROM customhouse.sequencer")
                    scene.leader = (await leading.fetchone() or ("",))[0]
                    said = await connection.execute(
                        "SELECT id, CAST(state AS json) ->> 'sequencer' FROM customhouse.replica"
                    )
                    for replica, epoch in await said.fetchall():
                        if epoch is not None:
                            scene.outcome.claims.setdefault(int(epoch), set()).add(replica)
                    await asyncio.sleep(WATCH_S)
        await asyncio.sleep(WATCH_S)


async def _quiet(database: str) -> list[str]:
    """Wait until no record waits for its place and no call is open; return what is left when nothing ends."""
    deadline = time.monotonic() + QUIET_LIMIT_S
    counted = "SELECT (SELECT count(*) FROM customhouse.evidence_staged), (SELECT count(*) FROM customhouse.open_call)"
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        while True:
            staged, opened = await (await connection.execute(counted)).fetchone() or (0, 0)
            if not staged and not opened:
                return []
            if time.monotonic() > deadline:
                return [f"after {QUIET_LIMIT_S} s {staged} records wait for their places, {opened} calls are open"]
            await asyncio.sleep(0.05)


@asynccontextmanager
async def _while(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Let something run until the block ends."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _database(server: PostgresServer) -> str:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE customhouse")
    return server.url.replace("/postgres?", "/customhouse?")


def _require_one_leader(outcome: Outcome) -> None:
    for epoch, replicas in sorted(outcome.claims.items()):
        if len(replicas) > 1:
            outcome.faults.append(f"{len(replicas)} replicas said that they hold epoch {epoch}")


def figures(outcome: Outcome, seed: int) -> dict[str, Any]:
    """Return what the report prints."""
    clients, judged, reading = outcome.clients, outcome.judged, outcome.reading
    return {
        "seed": seed,
        "kills": outcome.kills.total(),
        "by_target": dict(outcome.kills),
        "long_outages": outcome.long_outages,
        "series_s": round(outcome.series_s),
        "complete_answers": len(clients.answers),
        "by_mode": dict(Counter(answer.mode for answer in clients.answers)),
        "refused": dict(clients.refused),
        "cut_off": clients.cut_off,
        "with_complete_evidence": judged.complete,
        "of_these_through_a_spool": judged.late,
        "in_declared_gaps": judged.in_gaps,
        "records": reading.records,
        "unknown_calls": reading.count("model.unknown"),
        "gaps_declared": reading.count("gap.declared"),
        "terms": reading.terms,
        "placements": reading.placements,
        "starts": outcome.starts,
        "starts_without_a_database": outcome.failed_starts,
        "all_back_s": round(outcome.back_s[0], 1) if outcome.back_s else None,
        "slowest_stop_s": round(max(outcome.stop_s), 1) if outcome.stop_s else None,
        "slowest_turn_s_p99": round(percentile(clients.took_s, 0.99), 2) if clients.took_s else None,
        "faults": outcome.faults[:20],
    }


def main() -> None:
    """Run a series and keep its figures; exit 1 when anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=25, help="stop killing after this, however few there were")
    options = parser.parse_args()
    found = figures(run(options.kills, options.seed, limit_s=60 * options.minutes), options.seed)
    keep("crash_replicas", found)
    print(found)
    sys.exit(bool(found["faults"]))


if __name__ == "__main__":
    main()
