# SPDX-License-Identifier: Apache-2.0
"""The scripted provider itself: HTTP/1.1 over raw asyncio streams, in a thread with its own event loop.

    with scripted_upstream() as upstream:                      # the reply is picked by the request's model name
    with scripted_upstream(answer("Hello")) as upstream:       # one reply for every request
    with scripted_upstream(broken, answer()) as upstream:      # in turn; the last one stays

`upstream.base_url` ends in /v1, `upstream.origin` does not. Every request with a body is kept in `upstream.requests`,
in order of arrival, also what the provider refuses. `endpoints.py` says what is served, `__init__.py` lists the names.
"""

import asyncio
import json
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from tests.upstream.endpoints import ENDPOINTS, endpoint_of
from tests.upstream.replies import failure
from tests.upstream.wire import Close, Hold, Received, Reply, Send, Step, Wait, as_json, whole

HEAD_LIMIT_BYTES = 65536
START_LIMIT_S = 10
ANNOUNCED = tuple({"smollm2-135m": 1, **{name: 1 for endpoint in ENDPOINTS for name in endpoint.by_model}})


class Upstream:
    """A running provider. What it was asked is in `requests`; `replies` may be changed while it runs."""

    def __init__(self, replies: tuple[Reply, ...], by_model: Mapping[str, Reply]) -> None:
        self.requests: list[Received] = []
        self.replies = replies
        self.by_model = by_model
        self.port = 0
        self.connections = 0
        self._arrived = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._go_on = asyncio.Event()
        self._stop = asyncio.Event()

    @property
    def base_url(self) -> str:
        """Return the address to write into a manifest."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def origin(self) -> str:
        """Return the address without /v1, as Anthropic's SDK wants it."""
        return f"http://127.0.0.1:{self.port}"

    def go_on(self) -> None:
        """Let every reply that stands at a Hold step go on, now and later."""
        self._loop.call_soon_threadsafe(self._go_on.set)

    def wait_for_request(self, number: int = 1, *, within_s: float = 10) -> Received:
        """Return the request of this number, counted from 1, as soon as it has arrived."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.requests) >= number, within_s):
                message = f"{len(self.requests)} requests arrived, {number} were expected within {within_s} s"
                raise AssertionError(message)
            return self.requests[number - 1]

    def reply_to(self, request: Received) -> Iterator[Step]:
        """Record the request and pick the reply to it."""
        if request.path.endswith(("/health", "/healthz")):
            return iter((whole(200, b'{"status":"ok"}'),))
        if request.path.endswith("/models"):
            listed = [{"id": name, "object": "model", "created": 1, "owned_by": "script"} for name in ANNOUNCED]
            return iter((whole(200, as_json({"object": "list", "data": listed})),))
        with self._arrived:
            self.requests.append(request)
            number = len(self.requests)
            self._arrived.notify_all()
        endpoint = endpoint_of(request.path)
        refused = endpoint.refusal(request) if endpoint is not None else None
        if refused is not None:
            return refused(request)
        if self.replies:
            return self.replies[min(number, len(self.replies)) - 1](request)
        if endpoint is None:
            return failure(404, "not_found", f"No such path: {request.path}")(request)
        by_model = {**endpoint.by_model, **self.by_model}
        return by_model.get(request.model, endpoint.otherwise)(request)

    async def held(self) -> None:
        """Wait until the test says go on."""
        await self._go_on.wait()

    @contextmanager
    def running(self) -> Generator[None]:
        """Serve from a thread of its own while the block runs."""
        started = threading.Event()
        thread = threading.Thread(target=self._run, args=(started,), name="scripted-upstream", daemon=True)
        thread.start()
        if not started.wait(START_LIMIT_S):
            message = "the scripted upstream did not start"
            raise RuntimeError(message)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join(START_LIMIT_S)

    def _run(self, started: threading.Event) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(_serve(self, started, self._stop))


@contextmanager
def scripted_upstream(*replies: Reply, by_model: Mapping[str, Reply] | None = None) -> Generator[Upstream]:
    """Run a provider on a free port until the block ends; calls that still hang are dropped then."""
    upstream = Upstream(replies, by_model or {})
    with upstream.running():
        yield upstream


async def _serve(upstream: Upstream, started: threading.Event, stop: asyncio.Event) -> None:
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream.connections += 1
        task = asyncio.get_running_loop().create_task(_connection(upstream, reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        # One that is cancelled before its first step has closed nothing.
        task.add_done_callback(lambda _task: writer.transport.abort())

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=HEAD_LIMIT_BYTES)
    upstream.port = server.sockets[0].getsockname()[1]
    started.set()
    await stop.wait()
    server.close()
    for task in tuple(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)  # the aborted transports close with the loop's next round


async def _connection(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while (request := await _read(reader)) is not None:
            if not await _answer(upstream, request, reader, writer):
                return
    except (ConnectionError, asyncio.IncompleteReadError):
        return
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _answer(
    upstream: Upstream, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Play the reply; return whether the connection may be used again. Callers here never send while they wait."""
    playing = asyncio.create_task(_play(upstream, request, writer))
    leaving = asyncio.create_task(_left(reader))
    try:
        done, _pending = await asyncio.wait((playing, leaving), return_when=asyncio.FIRST_COMPLETED)
        if playing not in done:
            request.left.set()
            return False
        try:
            return playing.result()
        except ConnectionError:
            request.left.set()
            return False
    finally:
        for task in (playing, leaving):
            task.cancel()
        await asyncio.gather(playing, leaving, return_exceptions=True)


async def _play(upstream: Upstream, request: Received, writer: asyncio.StreamWriter) -> bool:
    for step in upstream.reply_to(request):
        match step:
            case Send(content):
                writer.write(content)
                await writer.drain()
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case Hold():
                await upstream.held()
            case Close(reset):
                if reset:
                    writer.transport.abort()
                return False
    request.answered.set()
    return True


async def _left(reader: asyncio.StreamReader) -> None:
    """Return when the caller has closed the connection. Bytes of a next request stay in the reader."""
    while not reader.at_eof():  # noqa: ASYNC110 - a read that is cancelled late would eat the next request's first byte
        await asyncio.sleep(0.005)


async def _read(reader: asyncio.StreamReader) -> Received | None:
    try:
        top = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    lines = top.decode("latin-1").split("\r\n")
    method, path, _version = lines[0].split(" ", 2)
    pairs = (line.partition(":") for line in lines[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        raw = await _read_chunks(reader)
    else:
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method=method, path=path, headers=headers, raw=raw, body=_object(raw))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    content = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        content += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return content


def _object(raw: bytes) -> dict[str, Any]:
    if not raw:
        return {}
    value: Any = json.loads(raw)
    return value if isinstance(value, dict) else {"": value}  # pyright: ignore[reportUnknownVariableType]
