# SPDX-License-Identifier: Apache-2.0
"""kill -9 between a yes and the answer that it releases: nothing burnt, nothing doubled.

Three held calls have a yes, and three clients repeat their requests at once. The gateway, a process of its own, is
killed at a moment of the first one's release. Started again, it gives each client one call, which begins with whatever
the client had read before, and the evidence has each call once.
"""

import asyncio
import http.client
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import apsw
import psycopg
import pytest
from benchmarks.house import House, free_port, start
from benchmarks.ledger_reader import Log
from tests import postgres as servers
from tests.gateway.outage import locked
from tests.gateway.running import LOCAL, Answer, create_key, documents, publish
from tests.gateway.tongues import TONGUES
from tests.gateway.waiting import CAPTAIN, REFUND, STATUS, TEXT, TOOLS, refunds
from tests.upstream import replies
from tests.upstream.server import scripted_upstream

from customhouse.access import people
from customhouse.access.people import NewPerson
from customhouse.app import installation

Json = dict[str, Any]
CHAT: Final = TONGUES["openai_chat"]
TOGETHER: Final = 3
KILLS: Final = 20
KILLS_ON_POSTGRES: Final = 8
LONGEST_S: Final = 0.06
"""A release takes some 10 ms; the first of a process takes longer."""
STATE: Final = "SELECT state FROM approval WHERE id = ?"
SEED: Final = 20261125


@dataclass
class Repeat:
    """One client's repetition: what it has read when the connection ends, however it ends."""

    approval: str
    body: Json
    sent: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    read: bytearray = field(default_factory=bytearray)
    whole: bool = False

    def go(self, house: House) -> None:
        """Ask, and read byte by byte until the end or the gateway's."""
        connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=30)
        try:
            connection.request("POST", CHAT.path, json.dumps(self.body), headers(house.key) | named(self.approval))
            self.sent.set()
            response = connection.getresponse()
            while byte := response.read(1):
                self.read += byte
                self.begun.set()
            self.whole = response.status == 200
        except (OSError, http.client.HTTPException):
            pass  # the gateway was killed
        finally:
            for event in (self.sent, self.begun, self.ended):
                event.set()
            connection.close()


@dataclass(frozen=True)
class Scene:
    """A gateway that is started and killed, its captain's key, and what was seen."""

    house: House
    captain: str
    rows: Callable[[str, str], list[tuple[Any, ...]]]
    found: Counter[str] = field(default_factory=Counter[str])

    def request(self, path: str, body: Json, key: str, more: dict[str, str] | None = None) -> Answer:
        """Send one request and read the whole answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.house.port, timeout=30)
        with closing(connection):
            connection.request("POST", path, json.dumps(body), headers(key) | (more or {}))
            response = connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, told, response.read())

    def approved(self, body: Json) -> str:
        """Ask, and have what is held approved."""
        ((notice),) = CHAT.hear(self.request(CHAT.path, body, self.house.key)).receipt["decisions"]
        path = f"/api/v1/approvals/{notice['id']}/approve"
        assert self.request(path, {"reason": "I have looked at it"}, self.captain).status == 200
        return notice["id"]

    def state(self, approval: str) -> str:
        """Return an approval's state as another connection sees it."""
        ((state,),) = self.rows(STATE, approval)
        return state


Moment = Callable[[Scene, Repeat], None]
"""Returns when the gateway is to be killed."""


def headers(key: str) -> dict[str, str]:
    """Return the headers of whoever has a key."""
    return {"authorization": f"Bearer {key}", "content-type": "application/json"}


def named(approval: str) -> dict[str, str]:
    """Return the header that names an approval."""
    return {"customhouse-approval": approval}


def sent(_scene: Scene, repeat: Repeat) -> None:
    """As soon as the request is on its way."""
    repeat.sent.wait(30)


def begun(_scene: Scene, repeat: Repeat) -> None:
    """At the first byte of the answer's body."""
    repeat.begun.wait(30)


def ended(_scene: Scene, repeat: Repeat) -> None:
    """When the client has the whole answer, and nobody has told the gateway so."""
    repeat.ended.wait(30)


def consumed(scene: Scene, repeat: Repeat) -> None:
    """As soon as another connection sees that the approval is used up: committed, and perhaps not yet answered."""
    while scene.state(repeat.approval) == "approved" and not repeat.ended.is_set():
        pass


def writing(scene: Scene, repeat: Repeat) -> None:
    """When the first bytes of the transaction are in SQLite's log, before it is committed as often as after it."""
    wal = scene.house.home / "customhouse.db-wal"
    before = wal.stat().st_mtime_ns
    while wal.stat().st_mtime_ns == before and not repeat.ended.is_set():
        pass


def waits(scene: Scene, repeat: Repeat) -> None:
    """When a release waits in PostgreSQL for the table of approvals."""
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'approval'::regclass AND ? <> ''"
    while not scene.rows(waiting, repeat.approval) and not repeat.ended.is_set():
        pass


@contextmanager
def table_kept(database: str) -> Generator[None]:
    """Keep approvals in PostgreSQL from being used up."""
    with psycopg.connect(database) as connection:
        connection.execute("LOCK TABLE customhouse.approval IN EXCLUSIVE MODE")
        yield


def after(delay_s: float) -> Moment:
    """Some time after the request."""

    def wait(_scene: Scene, repeat: Repeat) -> None:
        repeat.sent.wait(30)
        repeat.ended.wait(delay_s)

    return wait


Kill = tuple[Moment, AbstractContextManager[object]]
"""When, and what keeps the releases from being written while it is open."""


def crashes(scene: Scene, kills: Iterable[Kill]) -> None:
    """Have calls approved and repeated, kill the gateway, start it again, and look at what became of them; so on."""
    process = start(scene.house)
    try:
        for number, (moment, kept) in enumerate(kills):
            bodies = [
                {**CHAT.first(tools=TOOLS, stream=(number + each) % 2 == 1), "user": f"user-{number}-{each}"}
                for each in range(TOGETHER)
            ]
            repeats = [Repeat(scene.approved(body), body) for body in bodies]
            with kept, ThreadPoolExecutor(TOGETHER) as pool:
                for repeat in repeats:
                    pool.submit(repeat.go, scene.house)
                moment(scene, repeats[0])
                process.kill()
                process.wait()
            used = [scene.state(repeat.approval) == "consumed" for repeat in repeats]
            process = start(scene.house)
            for repeat, was_used in zip(repeats, used, strict=True):
                require_one_call(scene, repeat, was_used=was_used)
    finally:
        process.kill()
        process.wait()


def require_one_call(scene: Scene, repeat: Repeat, *, was_used: bool) -> None:
    """Check that a repetition gives one call, what was read of it before among it, and that it is on record once."""
    scene.found["used"] += was_used
    scene.found["whole"] += repeat.whole
    assert was_used or not repeat.read, "nothing leaves before it is on record"
    given = scene.request(CHAT.path, repeat.body, scene.house.key, named(repeat.approval))
    assert given.status == 200, ("nothing is burnt", given.body)
    assert given.body.startswith(bytes(repeat.read)), "what a client has read stands"
    assert not repeat.whole or given.body == bytes(repeat.read)
    heard = CHAT.hear(given)
    assert [call[1:] for call in heard.calls if call[1] == REFUND[0]] == [REFUND]
    (ticket,) = {each["ticket"] for each in heard.receipt["tickets"] if each["call_id"] == heard.calls[-1][0]}
    again = scene.request(CHAT.path, repeat.body, scene.house.key, named(repeat.approval))
    assert (again.status, again.body) == (200, given.body), "the stored answer, byte for byte"
    assert ticket.encode() in again.body
    assert scene.state(repeat.approval) == "consumed"


def require_evidence(scene: Scene, calls: int) -> None:
    """Check that each released call is on record once, with its end, and each approval was used up once."""
    records = [
        json.loads(row[0]) for row in scene.rows("SELECT canonical FROM evidence WHERE tenant_id = ?", "default")
    ]
    passed = [each for each in records if each["kind"] == "tool.passed" and each["tool"]["name"] == REFUND[0]]
    used = [each for each in records if each["kind"] == "approval.decided" and each["outcome"] == "consumed"]
    ends = Counter(each["trace_id"] for each in records if each["kind"] == "response.completed")
    assert len(passed) == len({json.dumps(each["parents"]) for each in passed}) == calls
    assert len(used) == calls
    assert all(ends[each["trace_id"]] == 1 for each in passed)


@contextmanager
def scene(home: Path, database: str = "") -> Generator[Scene]:
    """Make a home whose gateway can be started, with a model that calls what must be approved."""
    calls = [replies.call(name, json.dumps(given), place) for place, (name, given) in enumerate((STATUS, REFUND))]
    with scripted_upstream(by_model={"held": replies.tool_calls(calls, content=TEXT)}) as upstream:
        made = House(home, free_port(), "", database, str(home / "keys"))

        async def furnish() -> tuple[str, str]:
            async with installation(made.settings) as prepared:
                await publish(prepared.control, documents(upstream.base_url, ("held",), tools=refunds()))
                new = NewPerson(email=CAPTAIN, roles=("captain",))
                captain = await people.add(prepared.control, LOCAL, new, trace_id="t")
                return await create_key(prepared.control), captain.key

        key, captain = asyncio.run(furnish())

        def rows(sql: str, value: str) -> list[tuple[Any, ...]]:
            if database:
                return servers.rows(database, sql.replace("?", "%s"), value)
            with closing(apsw.Connection(str(made.settings.database_path), flags=apsw.SQLITE_OPEN_READONLY)) as other:
                return cast("list[tuple[Any, ...]]", other.execute(sql, (value,)).fetchall())

        yield Scene(House(home, made.port, key, database, made.keys), captain, rows)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_gateway_killed_while_it_releases_gives_each_call_once(home: Path) -> None:
    chance = random.Random(SEED)  # noqa: S311 - a repeatable schedule, no secret
    known: list[Kill] = [(each, nullcontext()) for each in (sent, begun, ended, *(consumed, writing) * 3)]
    blocked: list[Kill] = [(after(LONGEST_S), locked(home / "customhouse.db")) for _ in range(2)]
    at_random: list[Kill] = [(after(chance.uniform(0, LONGEST_S)), nullcontext()) for _ in range(KILLS - 11)]
    with scene(home) as stage:
        crashes(stage, (*known, *blocked, *at_random))
        require_evidence(stage, KILLS * TOGETHER)
        log = Log("default")
        log.read_on(home)
        log.require_ended_calls()
    print(f"{KILLS} kills, {dict(stage.found)}")  # noqa: T201 - what they met
    assert log.faults == []
    assert stage.found["used"] > 0
    assert KILLS * TOGETHER - stage.found["used"] > len(blocked) * TOGETHER, "more than those that could not be written"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_gateway_killed_while_it_releases_on_postgresql(home: Path, postgres: str) -> None:
    home.mkdir()
    chance = random.Random(SEED)  # noqa: S311 - as above
    known: list[Kill] = [(each, nullcontext()) for each in (begun, consumed, consumed)]
    blocked: list[Kill] = [(waits, table_kept(postgres)) for _ in range(2)]
    at_random: list[Kill] = [(after(chance.uniform(0, LONGEST_S)), nullcontext()) for _ in range(KILLS_ON_POSTGRES - 5)]
    with scene(home, postgres) as stage:
        crashes(stage, (*known, *blocked, *at_random))
        require_evidence(stage, KILLS_ON_POSTGRES * TOGETHER)
    print(f"{KILLS_ON_POSTGRES} kills, {dict(stage.found)}")  # noqa: T201 - as above
    assert 0 < stage.found["used"] < KILLS_ON_POSTGRES * TOGETHER
