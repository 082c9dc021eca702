# SPDX-License-Identifier: Apache-2.0
"""A real gateway on a real socket: uvicorn in a thread, a SQLite home, one signed release, one key."""

import asyncio
import http.client
import json
import threading
from collections.abc import Coroutine, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import apsw
import msgspec
from tests import postgres
from tests.gateway.server import Server

from customhouse.access import keys
from customhouse.access.keys import NewKey
from customhouse.app import build, installation
from customhouse.cli.serve import server_config
from customhouse.domain.message import DialectName
from customhouse.domain.principal import Actor
from customhouse.planes.model.document import Choice, Deployment, Parameters, Posture
from customhouse.planes.model.document import Document as ModelDocument
from customhouse.planes.prompt.document import Document as PromptDocument
from customhouse.planes.prompt.document import Variable
from customhouse.planes.retrieval.document import Document as RetrievalDocument
from customhouse.planes.safety.document import Document as SafetyDocument
from customhouse.planes.tools.document import Document as ToolsDocument
from customhouse.planes.tools.document import Grant
from customhouse.registry.charter import Charter
from customhouse.registry.control import Control
from customhouse.rollout.release import release
from customhouse.rollout.submission import Published, Submission, SubmittedDocuments
from customhouse.settings import Settings

BOT: Final = "support"
LOCAL: Final = Actor("local:1000", "local", frozenset())
_OF_TRACE: Final = "SELECT canonical FROM evidence WHERE trace_id = ? ORDER BY position"
_OF_TRACE_ANYWHERE: Final = (
    "SELECT canonical, 0 AS staged, position AS place FROM evidence WHERE trace_id = %s"
    " UNION ALL SELECT canonical, 1, seq FROM evidence_staged WHERE trace_id = %s ORDER BY 2, 3"
)
FALLBACK: Final = "Please see help.acme.test."
STATUS_SCHEMA: Final = '{"properties":{"order_id":{"type":"string"}},"type":"object"}'
GRANTS: Final[Mapping[str, Grant]] = {
    "get_order_status": Grant(permission="allow", effect="read", description="Order status", parameters=STATUS_SCHEMA),
    "search_help_center": Grant(permission="allow", effect="read"),
    "issue_refund": Grant(permission="approve", effect="irreversible"),
    "change_shipping_address": Grant(permission="deny", effect="write"),
    "close_account": Grant(permission="allow", effect="irreversible"),
}
Json = dict[str, Any]
T = TypeVar("T")


def takes(name: str) -> Json:
    """Return the parameters that a client sends of a tool: the registered ones, where there are any."""
    grant = GRANTS.get(name)
    return json.loads((grant and grant.parameters) or '{"type":"object"}')


TOOLS: Final[list[Json]] = [
    {"type": "function", "function": {"name": name, "parameters": takes(name)}}
    for name in ("get_order_status", "issue_refund", "change_shipping_address", "delete_everything")
]


def documents(
    base_url: str,
    models: Sequence[str] = ("answer",),
    *,
    prompt: str = "You answer in few words.",
    variables: Mapping[str, Variable] | None = None,
    tools: ToolsDocument | None = None,
    accepts: str = "internal",
    floor: str = "internal",
    parameters: Parameters | None = None,
    client_may_set: tuple[str, ...] = (),
    api_key_env: str | None = None,
    dialect: DialectName = "openai_chat",
) -> SubmittedDocuments:
    """Return five documents: one deployment for each of `models`, tried in this order."""
    deployments = {
        name: Deployment(
            name=name,
            provider="local",
            model=name,
            dialect=dialect,
            base_url=base_url,
            posture="self_hosted",
            accepts=accepts,  # pyright: ignore[reportArgumentType] - rows name classes as text
            region="local",
            api_key_env=api_key_env,
        )
        for name in models
    }
    return SubmittedDocuments(
        model=ModelDocument(
            deployments=deployments,
            route=(Choice(use=tuple(models)),),
            posture=Posture(use="self_hosted"),
            parameters=parameters or Parameters(temperature="0.2"),
            client_may_set=client_may_set,
            aliases=("support-alias",),
        ),
        prompt=PromptDocument(template=prompt, source="prompts/support.md", variables=dict(variables or {})),
        tools=tools or ToolsDocument(grants=dict(GRANTS)),
        retrieval=RetrievalDocument(),
        safety=SafetyDocument(name="default", input_classification=floor),  # pyright: ignore[reportArgumentType]
    )


@dataclass(frozen=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        return json.loads(self.body)

    @property
    def events(self) -> list[str]:
        """Return the data of each server-sent event."""
        return [part.removeprefix("data: ") for part in self.body.decode().split("\n\n") if part]

    @property
    def chunks(self) -> list[Json]:
        return [json.loads(event) for event in self.events if event != "[DONE]"]

    @property
    def text(self) -> str:
        """Return the text that a client would show."""
        if self.headers["content-type"].startswith("text/event-stream"):
            return "".join(choice["delta"].get("content") or "" for c in self.chunks for choice in c.get("choices", []))
        return self.json["choices"][0]["message"]["content"] or ""

    @property
    def calls(self) -> list[tuple[str, str]]:
        """Return the (name, arguments) of every tool call that a client would see, in whichever field."""
        found: list[tuple[str, str]] = []
        bodies = self.chunks if self.headers["content-type"].startswith("text/event-stream") else [self.json]
        for body in bodies:
            choices: list[Json] = body.get("choices", [])
            for choice in choices:
                said: Json = choice.get("delta") or choice.get("message") or {}
                calls: list[Json] = said.get("tool_calls") or []
                functions: list[Json] = [call["function"] for call in calls]
                functions += [said["function_call"]] if said.get("function_call") else []
                found += [(function["name"], function["arguments"]) for function in functions]
        return found

    @property
    def receipt(self) -> Json:
        """Return the `customhouse` object."""
        if self.headers["content-type"].startswith("text/event-stream"):
            return next(chunk["customhouse"] for chunk in self.chunks if "customhouse" in chunk)
        return self.json["customhouse"]


@dataclass
class Running:
    """A gateway that answers on 127.0.0.1."""

    home: Path
    settings: Settings
    control: Control
    loop: asyncio.AbstractEventLoop
    port: int = 0
    key: str = ""
    published: list[Published] = field(default_factory=list[Published])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request and read the whole answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )
        finally:
            connection.close()

    def chat(self, headers: Mapping[str, str] | None = None, **fields: object) -> Answer:
        """Send one chat request with the key; `fields` override or add to the body."""
        body = {"model": BOT, "messages": [{"role": "user", "content": "Where is order 7?"}], **fields}
        sent = {"authorization": f"Bearer {self.key}", "content-type": "application/json", **(headers or {})}
        return self.request("POST", "/v1/chat/completions", json.dumps(body).encode(), sent)

    def records(self, trace_id: str) -> list[Json]:
        """Return the stored evidence of a trace, read by a connection of our own."""
        if self.settings.database:
            found = postgres.rows(self.settings.database, _OF_TRACE_ANYWHERE, trace_id, trace_id)
            return [json.loads(cast("bytes", row[0])) for row in found]
        placed = [json.loads(row[0]) for row in self.rows(_OF_TRACE, trace_id)]
        begun = self.rows("SELECT leaves FROM opening WHERE trace_id = ?", trace_id)
        return [*placed, *(json.loads(leaf["canonical"]) for row in begun for leaf in json.loads(row[0]))]

    def rows(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        """Read the database by a connection of our own, which shares nothing with the server's."""
        if self.settings.database:
            return postgres.rows(self.settings.database, sql.replace("?", "%s"), *values)
        connection = apsw.Connection(str(self.settings.database_path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return cast("list[tuple[Any, ...]]", connection.execute(sql, values).fetchall())
        finally:
            connection.close()

    def alter(self, sql: str) -> None:
        """Change the database behind the server's back, as someone with the file would."""
        connection = apsw.Connection(str(self.settings.database_path))
        connection.set_busy_timeout(5000)
        connection.execute(sql)
        connection.close()

    def kinds(self, trace_id: str) -> list[str]:
        return [record["kind"] for record in self.records(trace_id)]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a person's verb where the server lives."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def publish(self, submitted: SubmittedDocuments, fallback: str = FALLBACK) -> Published:
        """Publish and promote to dev while the server runs."""
        done = self.run(publish(self.control, submitted, fallback))
        self.published.append(done)
        return done


async def publish(control: Control, submitted: SubmittedDocuments, fallback: str = FALLBACK) -> Published:
    charter = Charter(owner="dana@acme.test", on_call="support-oncall", fallback=fallback)
    submission = Submission(
        assistant=BOT, documents=submitted, charter=charter, notes="test", git_commit=None, environment="dev"
    )
    return await release(control, LOCAL, control.clock.uuid7(), submission)


async def create_key(
    control: Control, *, tenants: tuple[str, ...] = ("default",), delegate: tuple[str, ...] = ()
) -> str:
    new = NewKey(assistant=BOT, environment="dev", tenants=tenants, delegate=delegate)
    return (await keys.create(control, LOCAL, new, lambda _tx, _name: frozenset[str](), trace_id="t")).token


@contextmanager
def running(
    home: Path,
    submitted: SubmittedDocuments,
    delegate: tuple[str, ...] = (),
    /,
    **overrides: int | str | tuple[str, ...],
) -> Generator[Running]:
    """Run a gateway with one release in dev until the block ends; its key may ask for whom `delegate` names."""
    settings = msgspec.structs.replace(Settings(home=str(home), port=0, log_level="error"), **overrides)
    started = threading.Event()
    holder: list[Running] = []
    servers: list[Server] = []
    failures: list[BaseException] = []

    async def main() -> None:
        async with installation(settings) as prepared:
            published = await publish(prepared.control, submitted)
            key = await create_key(prepared.control, delegate=delegate)
        async with installation(settings) as side, build(settings) as app:
            server = Server(server_config(settings, app))
            servers.append(server)
            serving = asyncio.ensure_future(server.serve())
            while not server.started and not serving.done():  # noqa: ASYNC110 - as below
                await asyncio.sleep(0)  # uvicorn tells that it listens by this attribute alone
            port = server.servers[0].sockets[0].getsockname()[1]
            holder.append(Running(home, settings, side.control, asyncio.get_running_loop(), port, key, [published]))
            started.set()
            await serving

    def thread() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - handed to the test's thread
            failures.append(error)
        finally:
            started.set()

    worker = threading.Thread(target=thread, daemon=True)
    worker.start()
    started.wait(30)
    if failures:
        raise failures[0]
    try:
        yield holder[0]
    finally:
        servers[0].stop()
        worker.join(30)
        if failures:
            raise failures[0]
