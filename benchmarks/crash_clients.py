# SPDX-License-Identifier: Apache-2.0
"""Clients of several replicas that note every answer they have received to its end, and go on whatever happens."""

import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from benchmarks.crash_answers import Answer, assistant
from benchmarks.replicas import TENANTS, Fleet

from customhouse.domain.failure_mode import MODES, FailureMode

CLIENTS: Final = 6
TURN_LIMIT_S: Final = 60
"""Far above every deadline of a turn: one that takes longer hangs."""
PAUSE_S: Final = (0.005, 0.04)
REFUSALS: Final = frozenset({503, 529})
"""What a turn may be answered while it cannot be recorded, or what is in force not be known."""
_END: Final = b"data: [DONE]\n\n"


@dataclass(slots=True)
class Clients:
    """What all clients saw. `refused` counts error codes."""

    answers: list[Answer] = field(default_factory=list[Answer])
    refused: Counter[str] = field(default_factory=Counter[str])
    took_s: list[float] = field(default_factory=list[float])
    cut_off: int = 0
    faults: list[str] = field(default_factory=list[str])


async def ask_until(stop: asyncio.Event, fleet: Fleet, seed: int, clients: Clients) -> None:
    """Ask from several clients at once until told to stop; every second one streams."""
    timeout = aiohttp.ClientTimeout(total=TURN_LIMIT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            chance = random.Random(seed + number)  # noqa: S311 - a repeatable schedule, no secret
            group.create_task(_client(stop, session, fleet, chance, number, clients))


async def _client(
    stop: asyncio.Event,
    session: aiohttp.ClientSession,
    fleet: Fleet,
    chance: random.Random,
    number: int,
    clients: Clients,
) -> None:
    mode, streamed = MODES[number % len(MODES)], number >= len(MODES)
    while not stop.is_set():
        tenant, url = chance.choice(TENANTS), chance.choice(fleet.replicas).url
        began, sent_us = time.monotonic(), time.time_ns() // 1000
        try:
            await _ask(session, url, fleet.tokens[mode], mode, tenant, sent_us, clients, streamed=streamed)
        except TimeoutError:
            clients.faults.append(f"a turn of {url} ({mode}) had no end after {TURN_LIMIT_S} s")
        except (aiohttp.ClientError, OSError):
            clients.cut_off += 1
        clients.took_s.append(time.monotonic() - began)
        await asyncio.sleep(chance.uniform(*PAUSE_S))


async def _ask(  # one argument for each thing that a client knows of its turn
    session: aiohttp.ClientSession,
    url: str,
    token: str,
    mode: FailureMode,
    tenant: str,
    sent_us: int,
    clients: Clients,
    *,
    streamed: bool,
) -> None:
    body = {"model": assistant(mode), "messages": [{"role": "user", "content": f"Hello {sent_us}"}], "stream": streamed}
    headers = {"authorization": f"Bearer {token}", "customhouse-tenant": tenant}
    async with session.post(f"{url}/v1/chat/completions", json=body, headers=headers) as response:
        content = await response.read()
    if response.status == 200 and (not streamed or content.endswith(_END)):
        received_us = time.time_ns() // 1000
        trace_id, release = (response.headers[f"customhouse-{name}"] for name in ("trace-id", "release"))
        clients.answers.append(Answer(trace_id, tenant, mode, release, sent_us, received_us))
        return
    code = _code(content, streamed=streamed and response.status == 200)
    clients.refused[code] += 1
    if response.status not in {200, *REFUSALS}:
        clients.faults.append(f"{url} ({mode}) answered {response.status} {code}")


def _code(content: bytes, *, streamed: bool) -> str:
    """Return the code of an error answer, or of the error event that ends a stream."""
    text = content.rstrip().rpartition(b"data: ")[2] if streamed else content
    try:
        said: dict[str, Any] = json.loads(text)
        return str(said["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return f"unreadable: {text[-200:]!r}"
