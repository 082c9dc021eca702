# SPDX-License-Identifier: Apache-2.0
"""How much disk a turn takes on each store, and memory of the server: the figures of docs/howto/size-and-back-up.md.

    python -m benchmarks.disk [--turns 4000]

Turns of one short question and one short answer, 16 at a time, whole (not streamed), with one tool offered. What a turn
takes beyond that grows with its payloads: they are sealed, so they do not compress.
"""

import argparse
import asyncio
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final, LiteralString

import aiohttp
from benchmarks.database import Server, postgres
from benchmarks.house import ASSISTANT, House, house, serving
from benchmarks.measure import RESULTS, keep, memory_mb
from tests.upstream.replies import answer
from tests.upstream.server import scripted_upstream

AT_ONCE: Final = 16
WARM_UP: Final = 200
QUESTION: Final = "Where is my order? I placed it on Monday, and the confirmation says that it was sent on Tuesday."
ANSWER: Final = "Your order 4711 left our warehouse on Tuesday and arrives on Friday. Is there anything else I can do?"
TOOL: Final[dict[str, Any]] = {
    "type": "function",
    "function": {"name": "get_order_status", "parameters": {"type": "object", "properties": {}}},
}
_PARTITIONS: Final[LiteralString] = (
    "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relkind = 'r' AND relname ~ "
)
_SIZES: Final[dict[str, LiteralString]] = {
    "records": _PARTITIONS + r"'^evidence_(\d+|default)$'",
    "payloads": _PARTITIONS + r"'^payload_(\d+|default)$'",
    "references": "SELECT pg_total_relation_size('reference')",
}
_WAL: Final = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"


def run(turns: int, server: Server | None, parent: Path = RESULTS) -> dict[str, Any]:
    """Answer so many turns on a fresh store, and return what each took."""
    with (
        scripted_upstream(answer(ANSWER)) as upstream,
        house(upstream.base_url, parent=parent, database="" if server is None else server.url) as furnished,
        serving(furnished) as process,
    ):
        idle_mb = memory_mb(process.pid)
        asyncio.run(_ask(furnished, WARM_UP))
        before, wal = sizes(furnished, server), _wal(server)
        asyncio.run(_ask(furnished, turns))
        _until_placed(server)
        after = sizes(furnished, server)
        taken = {name: round((after[name] - before[name]) / turns) for name in after}
        if server is not None:
            taken["wal"] = round((_wal(server) - wal) / turns)
        return {"bytes_a_turn": taken, "idle_mb": round(idle_mb), "after_mb": round(memory_mb(process.pid))}


def sizes(furnished: House, server: Server | None) -> dict[str, int]:
    """Return what evidence takes on disk, with its indexes, in bytes."""
    if server is None:
        return {path.name: path.stat().st_size for path in furnished.home.glob("customhouse.db*")}
    return {name: int(server.asked(query)[0][0]) for name, query in _SIZES.items()}


def _wal(server: Server | None) -> int:
    return 0 if server is None else int(server.asked(_WAL)[0][0])


def _until_placed(server: Server | None) -> None:
    while server is not None and server.asked("SELECT 1 FROM evidence_staged LIMIT 1"):
        time.sleep(0.05)


async def _ask(furnished: House, turns: int) -> None:
    body = {"model": ASSISTANT, "messages": [{"role": "user", "content": QUESTION}], "tools": [TOOL]}
    left = iter(range(turns))

    async def asking(session: aiohttp.ClientSession) -> None:
        for _ in left:
            async with session.post(f"{furnished.url}/v1/chat/completions", json=body) as response:
                content = await response.text()
                if response.status != 200:
                    raise RuntimeError(content)

    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {furnished.key}"}) as session:
        await asyncio.gather(*(asking(session) for _ in range(AT_ONCE)))


def main() -> None:
    """Measure both stores and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=4000)
    options = parser.parse_args()
    figures: dict[str, Any] = {"turns": options.turns}
    for name, store in (("sqlite", nullcontext()), ("postgresql", postgres())):
        with store as server:
            figures[name] = run(options.turns, server)
    keep("disk", figures)
    print(figures)


if __name__ == "__main__":
    main()
