# SPDX-License-Identifier: Apache-2.0
"""Three `customhouse serve` over one PostgreSQL: they converge, name who does not, and fail in the declared way.

The figures of eight replicas under load are those of benchmarks/convergence.py; here the promises themselves are held.
"""

import http.client
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from benchmarks import turn_log
from benchmarks.contention import Crowd
from benchmarks.convergence import PROMPTS, captain, moved, prompts
from benchmarks.database import Server, postgres
from benchmarks.house import ASSISTANT, CUSTOMHOUSE, House, documents, house, start
from benchmarks.turn_log import Turn
from tests.upstream.replies import answer
from tests.upstream.server import Upstream, scripted_upstream
from tests.upstream.wire import Received, Step

from customhouse.cli.client import Client
from customhouse.cli.transport import Remote

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

REPLICAS: Final = 3
STALE: Final = {"STALE_TOOLS_S": "2", "STALE_REFUSE_S": "5", "LEDGER_TIMEOUT_S": "1", "SHUTDOWN_GRACE_S": "2"}
SPOOLING: Final = "spool_bot"
READS, WRITES = "get_order_status", "change_address"
OFFERED: Final = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in (READS, WRITES)
]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """One answer of a replica."""

    status: int
    headers: dict[str, str]
    body: Json

    @property
    def code(self) -> str:
        """Return the code of a refusal, empty for an answer."""
        return str(self.body["error"]["code"]) if "error" in self.body else ""

    @property
    def generation(self) -> int:
        return int(self.headers["customhouse-generation"])


@dataclass(frozen=True, slots=True)
class Fleet:
    """Replicas that run, a person's key, and a data-plane key for each assistant."""

    server: Server
    upstream: Upstream
    operator: House
    houses: list[House]
    processes: list[subprocess.Popen[bytes]]
    person: str
    keys: dict[str, str]

    def call(self, method: str, path: str, body: Json | None = None) -> Any:  # noqa: ANN401 - plain JSON
        """Call the control API of the first replica."""
        client = Client(Remote(self.houses[0].url, self.person))
        try:
            return client.call(method, path, body)
        finally:
            client.close()

    def ask(self, number: int, assistant: str = ASSISTANT, key: str | None = None) -> Said:
        """Ask a replica, with both tools at hand."""
        body = {"model": assistant, "messages": [{"role": "user", "content": "Where is my order?"}], "tools": OFFERED}
        headers = {"authorization": f"Bearer {key or self.keys[assistant]}", "content-type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.houses[number].port, timeout=60)
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            response = connection.getresponse()
            return Said(response.status, dict(response.getheaders()), json.load(response))
        finally:
            connection.close()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the command line against the first replica."""
        named = {"CUSTOMHOUSE_URL": self.houses[0].url, "CUSTOMHOUSE_KEY": self.person, "COLUMNS": "200"}
        return subprocess.run(
            [str(CUSTOMHOUSE), *arguments],
            env={**os.environ, **named},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def offered(self) -> tuple[str, ...]:
        """Return the tools that the model was shown last."""
        return tuple(tool["function"]["name"] for tool in self.upstream.requests[-1].body.get("tools", []))


def parrot(request: Received) -> Iterator[Step]:
    """Answer with the system prompt that came: what the model was really told."""
    told = next((item["content"] for item in request.body["messages"] if item["role"] == "system"), "none")
    return answer(str(told))(request)


@contextmanager
def running(parent: Path, replicas: int = REPLICAS) -> Generator[Fleet]:
    """Run the replicas, with one release of an assistant that spools besides the two that differ in their prompt."""
    with ExitStack() as stack:
        server = stack.enter_context(postgres())
        upstream = stack.enter_context(scripted_upstream(parrot))
        operator = stack.enter_context(house(upstream.base_url, PROMPTS, parent, server.url))
        keys = {ASSISTANT: operator.key, SPOOLING: _spooling(operator.control(), upstream.base_url)}
        person = captain(operator.control())
        houses = [operator.beside(number) for number in range(1, replicas + 1)]
        with ThreadPoolExecutor(replicas) as pool:
            processes = list(pool.map(_started, houses))
        try:
            yield Fleet(server, upstream, operator, houses, processes, person, keys)
        finally:
            for process in processes:
                process.send_signal(signal.SIGCONT)
                process.terminate()
            for process in processes:
                process.wait(60)


def _started(each: House) -> subprocess.Popen[bytes]:
    return start(each, settings=STALE)


def _spooling(control: Client, upstream_url: str) -> str:
    released = documents(upstream_url, "You spool.")
    grants = {READS: {"permission": "allow", "effect": "read"}, WRITES: {"permission": "allow", "effect": "write"}}
    body: Json = {
        "assistant": SPOOLING,
        "documents": {
            **released,
            "tools": {"grants": grants},
            "safety": {**released["safety"], "ledger_failure": "spool"},
        },
        "charter": {"owner": "dana@acme.test", "on_call": "bench", "fallback": "Please try again later."},
        "notes": "spools",
        "git_commit": None,
        "environment": "dev",
    }
    try:
        control.call("POST", "/api/v1/releases", body)
        made: Any = control.call("POST", "/api/v1/keys", {"assistant": SPOOLING, "environment": "dev", "note": "test"})
        return str(made["token"])
    finally:
        control.close()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Generator[Fleet]:
    with running(tmp_path_factory.mktemp("fleet")) as found:
        yield found


def test_no_turn_runs_on_a_mixture_and_a_move_is_in_force_everywhere_within_a_second(fleet: Fleet) -> None:
    turns: list[list[Turn]] = [[] for _ in range(REPLICAS)]
    faults: list[str] = []
    ended = threading.Event()

    def asking(number: int) -> None:
        while not ended.is_set():
            said = fleet.ask(number)
            if said.status != 200:
                faults.append(f"replica {number}: {said.status} {said.code}")
                continue
            trace_id, stamp = said.headers["customhouse-trace-id"], said.headers["customhouse-release"]
            told = said.body["choices"][0]["message"]["content"]
            turns[number].append(Turn(time.monotonic(), trace_id, stamp, said.generation, told))

    with ThreadPoolExecutor(REPLICAS) as pool:
        asked = [pool.submit(asking, number) for number in range(REPLICAS)]
        try:
            _newest_in_force(fleet)
            moves = [moved(fleet.houses, fleet.person, number) for number in range(4)]
        finally:
            ended.set()
        for each in asked:
            each.result(30)
    everything = [turn for each in turns for turn in each]
    assert faults == []
    assert turn_log.mixtures(everything, fleet.server.url, prompts(fleet.operator)) == []
    assert len({turn.told for turn in everything}) == len(PROMPTS)
    for move in moves:
        for number, seen in enumerate(turns):
            late = [turn for turn in seen if turn.at > move.at + 1 and turn.generation < move.generation]
            assert not late, f"replica {number} answered from before generation {move.generation}"
        assert max(move.acknowledged_s) < 1


def test_a_crowd_that_moves_the_same_thing_has_one_winner_for_each_generation(fleet: Fleet) -> None:
    crowd = Crowd([each.url for each in fleet.houses], fleet.person, fleet.server.url, 16)
    _lift_holds(fleet)
    for outcome in (crowd.promotions(), crowd.switches()):
        assert outcome.faults == []
        assert outcome.won > 1
        assert outcome.lost > 1


def test_a_revoked_key_is_refused_on_every_replica_within_a_second(fleet: Fleet) -> None:
    made = fleet.call("POST", "/api/v1/keys", {"assistant": ASSISTANT, "environment": "dev", "note": "to revoke"})
    waiting = set(range(REPLICAS))
    deadline = time.monotonic() + 10
    while waiting and time.monotonic() < deadline:
        waiting = {number for number in waiting if fleet.ask(number, key=made["token"]).status != 200}
    assert not waiting, "a new key is known everywhere"
    fleet.call("POST", f"/api/v1/keys/{made['key']['id']}/revoke")
    revoked = time.monotonic()
    for number in range(REPLICAS):
        while (said := fleet.ask(number, key=made["token"])).status == 200:
            assert time.monotonic() < revoked + 1, f"replica {number} still answers a revoked key"
        assert said.status == 401


def test_a_stopped_replica_is_named_then_left_behind_and_never_answers_from_before(fleet: Fleet) -> None:
    _newest_in_force(fleet)
    stopped, name = fleet.processes[2], f":{fleet.houses[2].port}"
    before = fleet.ask(2).generation
    stopped.send_signal(signal.SIGSTOP)
    try:
        rolled = ("rollback", ASSISTANT, "--plane", "prompt", "--to", "1", "--reason", "it babbles")
        given_up = fleet.run(*rolled, "--wait", "--timeout", "2")
        assert given_up.returncode == 1, given_up.stderr
        assert name in given_up.stderr.partition("after 2 s these replicas have not acknowledged it: ")[2]
        thrown = ("switch", "on", "tool:nothing_like_it", "--reason", "to wait for")
        waited = fleet.run(*thrown, "--wait", "--timeout", "60")
        assert waited.returncode == 0, waited.stderr
        assert name in waited.stderr.partition("waiting for ")[2]
        assert "all 2 replicas have acknowledged switches generation" in waited.stderr
        with ThreadPoolExecutor(4) as pool:
            # These stand in the stopped replica's socket, and are the first that it reads.
            asked = [pool.submit(fleet.ask, 2) for _ in range(4)]
            stopped.send_signal(signal.SIGCONT)
            answers = [each.result(60) for each in asked]
    finally:
        stopped.send_signal(signal.SIGCONT)
    for said in answers:
        if said.status == 200:
            assert said.generation > before
        else:
            assert said.status == 503, said.body
    deadline = time.monotonic() + 20
    while (said := fleet.ask(2)).status != 200:
        assert time.monotonic() < deadline, said.body
    assert said.generation > before


def _newest_in_force(fleet: Fleet) -> None:
    _lift_holds(fleet)
    for number in (1, 2):  # whatever is in force now, release 2 is afterwards
        fleet.run("promote", f"{ASSISTANT}@{number}")


def _lift_holds(fleet: Fleet) -> None:
    for hold in fleet.call("GET", "/api/v1/holds")["holds"]:
        fleet.call("POST", f"/api/v1/holds/{hold['seq']}/lift", {"reason": "test"})


def test_a_replica_without_its_database_offers_no_write_then_refuses_all(tmp_path: Path) -> None:
    with running(tmp_path, replicas=1) as fleet:
        assert fleet.ask(0, SPOOLING).status == 200
        assert fleet.offered() == (READS, WRITES)
        fleet.server.running.stop()
        cut = time.monotonic()
        seen: list[tuple[float, Said, tuple[str, ...]]] = []
        while not seen or seen[-1][1].status == 200:
            began = time.monotonic()
            said = fleet.ask(0, SPOOLING)
            seen.append((began - cut, said, fleet.offered() if said.status == 200 else ()))
            assert began - cut < 30, "it never refused"
        for at_s, said, offered in seen[:-1]:
            assert offered in {(READS, WRITES), (READS,)}, said.body
            assert at_s < 2.5 or offered == (READS,), f"{offered} were offered {at_s:.1f} s after the last look"
        assert seen[-2][2] == (READS,)
        refused_s, last, _ = seen[-1]
        assert (last.status, last.code) == (503, "replica.stale")
        assert 2 < refused_s < 8
        assert fleet.ask(0, SPOOLING).code == "replica.stale"
