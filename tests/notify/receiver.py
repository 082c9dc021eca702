# SPDX-License-Identifier: Apache-2.0
"""A receiver of webhooks on a socket: keeps every byte that came, answers what it was told to."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
MOVED = b"HTTP/1.1 307 Temporary Redirect\r\nlocation: %s\r\ncontent-length: 0\r\n\r\n"
DOWN = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"


@dataclass
class Receiver:
    """What came, one entry a request: head and body. Answers are given in turn, the last one for ever."""

    port: int = 0
    scheme: str = "http"
    answers: Sequence[bytes] = (OK,)
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list[tuple[dict[str, str], bytes]])
    raw: bytes = b""
    more: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at each request."""
    silent: bool = False
    serving: set["asyncio.Task[object]"] = field(default_factory=set["asyncio.Task[object]"])

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self.serving.add(task)
        with suppress(OSError, asyncio.IncompleteReadError):  # a client may leave whenever it likes
            await self._answer(reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().split("\r\n")[1:-2]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.raw += head + body
        answer = self.answers[min(len(self.came), len(self.answers) - 1)]
        self.came.append((headers, body))
        self.more.set()
        if self.silent:
            await reader.read()  # until the client has had enough
        else:
            writer.write(answer)
            await writer.drain()

    async def until(self, count: int) -> None:
        """Wait until so many requests have come."""
        while len(self.came) < count:
            self.more.clear()
            await self.more.wait()


@asynccontextmanager
async def receiver(
    *answers: bytes, silent: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncGenerator[Receiver]:
    """Run one."""
    running = Receiver(answers=answers or (OK,), silent=silent, scheme="https" if tls else "http")
    async with await asyncio.start_server(running.serve, "127.0.0.1", 0, ssl=tls) as listener:
        running.port = listener.sockets[0].getsockname()[1]
        yield running
    await asyncio.gather(*running.serving)
