# SPDX-License-Identifier: Apache-2.0
"""A mail server on a socket, as much of RFC 5321 as a submission needs: EHLO, STARTTLS, AUTH PLAIN, one message."""

import asyncio
import base64
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Mailbox:
    """What came, and how the server behaves."""

    starttls: ssl.SSLContext | None = None
    refused: frozenset[str] = frozenset()
    password: str | None = None
    injected: bytes = b""
    """Sent together with the answer to STARTTLS, in clear (the attack of RFC 3207, 6)."""
    silent: bool = False
    port: int = 0
    messages: list[bytes] = field(default_factory=list[bytes])
    recipients: list[str] = field(default_factory=list[str])
    clear: bytes = b""
    """Every byte that came before TLS."""
    serving: set["asyncio.Task[object]"] = field(default_factory=set["asyncio.Task[object]"])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self.serving.add(task)
        with suppress(OSError, asyncio.IncompleteReadError):  # a client may leave whenever it likes
            await self._talk(reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        encrypted = writer.get_extra_info("ssl_object") is not None
        if self.silent:
            await reader.read()
            return
        writer.write(b"220 mail.test\r\n")
        while line := await reader.readline():
            if not encrypted:
                self.clear += line
            verb = line.split()[0].upper()
            if verb == b"STARTTLS" and self.starttls is not None:
                writer.write(b"220 go on\r\n" + self.injected)
                await writer.start_tls(self.starttls)
                encrypted = True
                continue
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                content = await reader.readuntil(b"\r\n.\r\n")
                self.clear += b"" if encrypted else content
                self.messages.append(content)
            writer.write(self._answer(verb, line, encrypted=encrypted))
            if verb == b"QUIT":
                break

    def _answer(self, verb: bytes, line: bytes, *, encrypted: bool) -> bytes:
        if verb == b"EHLO":
            offered = b"250-STARTTLS\r\n" if self.starttls is not None and not encrypted else b""
            return (
                b"250-mail.test\r\n"
                + offered
                + (b"250-AUTH PLAIN\r\n" if self.password else b"")
                + b"250 SIZE 1000\r\n"
            )
        if verb == b"AUTH":
            given = base64.b64decode(line.split()[-1]).split(b"\0")[-1].decode()
            return b"235 welcome\r\n" if given == self.password else b"535 wrong\r\n"
        if verb == b"RCPT":
            address = line.decode().partition("<")[2].partition(">")[0]
            self.recipients.append(address)
            return b"550 nobody\r\n" if address in self.refused else b"250 ok\r\n"
        return b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n"


@asynccontextmanager
async def mailbox(box: Mailbox, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Mailbox]:
    """Run one; `tls` from the first byte."""
    async with await asyncio.start_server(box.serve, "127.0.0.1", 0, ssl=tls) as listener:
        box.port = listener.sockets[0].getsockname()[1]
        yield box
    await asyncio.gather(*box.serving)
