# SPDX-License-Identifier: Apache-2.0
"""A real server process with twenty tenants, people of every role, and a provider that repeats what it is told.

    with house(home, upstream.base_url, database) as built:      # `customhouse serve`, its log at debug level

All tenants share one assistant, one environment and one creator of keys: nothing but the tenant holds them apart.
"""

import asyncio
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec
from tests import postgres
from tests.approvals.holding import held, hold
from tests.attacks.tripwire import KEY, NAME, PAYLOAD, RECORD, wire
from tests.attacks.tripwire_dialects import EMBEDDINGS, SPOKEN
from tests.gateway.outage import cut_off, locked
from tests.gateway.running import BOT, FALLBACK, LOCAL, documents
from tests.upstream.embeddings import DIMENSIONS

from customhouse.access import keys, people
from customhouse.access.keys import NewKey
from customhouse.access.people import NewPerson
from customhouse.access.roles import Role
from customhouse.app import Installation, installation
from customhouse.domain.message import DialectName
from customhouse.planes.model.document import Choice, Document
from customhouse.planes.prompt.document import Variable
from customhouse.registry.charter import Charter
from customhouse.registry.control import Control
from customhouse.rollout.promote import Promotion, promote
from customhouse.rollout.release import release
from customhouse.rollout.submission import Submission
from customhouse.settings import Settings

TENANTS: Final = 20
CUSTOMHOUSE: Final = Path(sys.executable).with_name("customhouse")
ODD: Final = ("t", "null.", "drop-table-", "a.b.", "0", "default", "x_", "etc.passwd.", "or-1-1--", "TRUE")
"""How tenants' names begin: what looks like SQL, paths, patterns and constants."""
PEOPLE: Final[Mapping[str, tuple[Role, ...]]] = {
    "ada": ("admin",),
    "dana": ("captain",),
    "ben": ("captain",),
    "ola": ("approver",),
    "otto": ("oncall",),
    "sam": ("auditor",),
    "mia": ("captain", "approver", "oncall"),
}
"""Who looks. Dana owns the assistant and Mia is her deputy; Ben is captain of nothing here."""
DIALECTS: Final[tuple[DialectName, ...]] = ("openai_chat", "openai_responses", "anthropic")
SERVED_S: Final = 30
WORKERS: Final = 6
"""Who asks at once. Each has deployments of its own, so that no breaker opens over what the others were answered."""
UPSTREAM_KEY: Final = "TRIPWIRE_UPSTREAM_KEY"
VECTORS: Final = "vectors"


@dataclass(frozen=True, slots=True)
class Tenant:
    """One tenant, the tokens of its callers, and the ids of its keys; `spare` may be revoked. `approval` waits."""

    number: int
    name: str
    token: str
    key: str
    spare: str
    approval: str

    @property
    def subject(self) -> str:
        """Whom the tenant's backend acts for."""
        return f"user:{wire(self.number, KEY, 'lee')}"


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer, whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def shown(self) -> bytes:
        """Everything that its receiver sees."""
        return repr(sorted(self.headers.items())).encode() + b"\n" + self.body

    @property
    def json(self) -> Any:  # noqa: ANN401 - plain JSON
        """Return the body decoded."""
        return json.loads(self.body)


@dataclass(slots=True)
class House:
    """The running server and everybody's keys. `change` is the id of a change that waits."""

    settings: Settings
    tenants: list[Tenant] = field(default_factory=list[Tenant])
    people: dict[str, str] = field(default_factory=dict[str, str])
    change: str = ""
    port: int = 0

    @property
    def url(self) -> str:
        """Return where the server is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """Return the file of the server's own output."""
        return self.settings.home_path.parent / "server.log"

    def connection(self) -> http.client.HTTPConnection:
        """Return a connection, to be used for one request after the other, whoever's they are."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ready(self) -> Any:  # noqa: ANN401 - plain JSON
        """Return what /readyz answers, on a connection of its own."""
        connection = self.connection()
        try:
            return ask(connection, "GET", "/readyz").json
        finally:
            connection.close()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Read the database behind the server's back."""
        if self.settings.database:
            return postgres.rows(self.settings.database, query)
        connection = apsw.Connection(str(self.settings.database_path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return list(connection.execute(query))
        finally:
            connection.close()


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request on a connection that others use too."""
    connection.request(method, path, body, dict(headers or {}))
    response = connection.getresponse()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


@contextmanager
def house(home: Path, base_url: str, database: str = "") -> Generator[House]:
    """Prepare an installation and serve it until the block ends; then the server has stopped and its log is whole."""
    built = House(Settings(home=str(home), database=database, port=0, log_level="debug", ledger_timeout_s=1))
    asyncio.run(_furnish(built, base_url))
    command = [str(CUSTOMHOUSE), "--home", str(home), "serve", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(built))
    listening = threading.Event()
    keeping = threading.Thread(target=_keep, args=(process, built, listening), daemon=True)
    keeping.start()
    try:
        listening.wait(SERVED_S)
        assert built.port, built.log.read_text()
        yield built
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(SERVED_S) == 0
        finally:
            process.kill()
            process.wait()
            keeping.join(SERVED_S)


def _keep(process: subprocess.Popen[bytes], built: House, listening: threading.Event) -> None:
    """Write the server's output into its file, and tell where it listens."""
    assert process.stdout is not None
    with process.stdout, built.log.open("wb", buffering=0) as log:
        for line in process.stdout:
            log.write(line)
            found = re.search(rb"http://127\.0\.0\.1:(\d+)", line)
            if found and not built.port:
                built.port = int(found.group(1))
                listening.set()
    listening.set()


def environment(built: House) -> dict[str, str]:
    """Return the variables that a command of this installation runs with."""
    chosen = {
        UPSTREAM_KEY: "secret",
        "CUSTOMHOUSE_LOG_LEVEL": "debug",
        "CUSTOMHOUSE_LEDGER_TIMEOUT_S": "1",
        "COLUMNS": "200",
    }
    if built.settings.database:
        chosen["CUSTOMHOUSE_DATABASE"] = built.settings.database
    return {**os.environ, **chosen}


def outage(built: House) -> AbstractContextManager[None]:
    """Take the database away from the server."""
    url = built.settings.database
    return cut_off(url, postgres.named(url, "postgres")) if url else locked(built.settings.database_path)


def task_of(worker: int, path: str) -> str:
    """Return the task by which a worker's turns on a path reach its own deployment of that dialect."""
    return f"w{worker}-{SPOKEN.get(path, 'openai_chat')}"


def _with_dialects(document: Document, base_url: str) -> Document:
    """Add a deployment of each dialect for each worker, and one embedding model for each."""
    tasks: dict[str, DialectName] = {
        f"w{worker}-{dialect}": dialect for worker in range(WORKERS) for dialect in DIALECTS
    }
    chat = {
        task: documents(base_url, (task,), dialect=dialect, api_key_env=UPSTREAM_KEY).model.deployments[task]
        for task, dialect in tasks.items()
    }
    first = document.deployments["script"]
    vectors = {
        f"{VECTORS}-{worker}": msgspec.structs.replace(
            first, name=f"{VECTORS}-{worker}", model=VECTORS, kind="embedding", dimensions=DIMENSIONS
        )
        for worker in range(WORKERS)
    }
    return msgspec.structs.replace(
        document,
        deployments={**document.deployments, **chat, **vectors},
        route=(*(Choice(use=(task,), when=f"task == '{task}'") for task in tasks), *document.route),
        embeddings=(
            *(
                Choice(use=(f"{VECTORS}-{worker}",), when=f"task == '{task_of(worker, EMBEDDINGS)}'")
                for worker in range(WORKERS)
            ),
            Choice(use=(f"{VECTORS}-0",)),
        ),
    )


async def _furnish(built: House, base_url: str) -> None:
    async with installation(built.settings) as prepared:
        control = prepared.control
        for name, roles in PEOPLE.items():
            added = await people.add(control, LOCAL, NewPerson(email=f"{name}@acme.test", roles=roles), trace_id="t")
            built.people[name] = added.key
        await _release(control, base_url, "You answer {{ customer }} briefly.")
        await _release(control, base_url, "You answer {{ customer }} in few words.")
        wanted = Promotion(assistant=BOT, number=2, environment="staging", reason="it is good")
        waiting = (await promote(control, LOCAL, "t", wanted)).waiting
        assert waiting is not None
        built.change = waiting.change
        for number in range(TENANTS):
            name = f"{ODD[number % len(ODD)]}{wire(number, NAME)}"
            grants = (f"user:{wire(number, KEY)}*",)
            made = [
                await keys.create(
                    control,
                    LOCAL,
                    NewKey(assistant=BOT, tenants=(name,), delegate=grants, note=wire(number, KEY, "note")),
                    lambda _tx, _name: frozenset[str](),
                    trace_id="t",
                )
                for _ in range(2)
            ]
            approval = await _hold(prepared, number, name, made[0].key)
            built.tenants.append(Tenant(number, name, made[0].token, made[0].key.id, made[1].key.id, approval))


async def _hold(prepared: Installation, number: int, tenant: str, key: keys.Key) -> str:
    """Let a call of the tenant's wait for Ola, with wires in everything that a client or a model chose."""
    ledger, now_us = prepared.control.ledger, prepared.control.clock.now_us()
    arguments = json.dumps({"order_id": wire(number, PAYLOAD, "held")}).encode()
    approval = held(
        tenant,
        now_us,
        arguments,
        assistant=BOT,
        call_id=wire(number, RECORD, "held"),
        key_id=key.id,
        key_created_by=key.created_by,
        on_behalf_of=f"user:{wire(number, KEY, 'lee')}",
        approvers=("ola@acme.test",),
        expires_at_us=now_us + 3_600_000_000,
    )
    await hold(ledger, prepared.stores.gateway, approval, arguments)
    return approval.id


async def _release(control: Control, base_url: str, prompt: str) -> None:
    customer = Variable(type="string", default="somebody")
    given = documents(base_url, ("script",), prompt=prompt, variables={"customer": customer})
    submission = Submission(
        assistant=BOT,
        documents=msgspec.structs.replace(
            given,
            model=_with_dialects(given.model, base_url),
            safety=msgspec.structs.replace(given.safety, ledger_failure="spool"),
        ),
        charter=Charter(owner="dana@acme.test", deputy="mia@acme.test", on_call="support-oncall", fallback=FALLBACK),
        notes="test",
        git_commit="0" * 40,
        environment="dev",
        reviewers={"staging": 1},
    )
    await release(control, LOCAL, control.clock.uuid7(), submission)
