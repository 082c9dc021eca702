# SPDX-License-Identifier: Apache-2.0
"""The server of in-process gateways: it stops at once where uvicorn's looks ten times a second whether it should."""

import asyncio
import socket
from typing import Final

import uvicorn


class Server(uvicorn.Server):
    """uvicorn's server, which tests stop from their own thread; made within the loop that it serves on.

    Nothing is left out but waiting: open connections and running turns are still waited for as uvicorn does.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: Final = asyncio.get_running_loop()
        self._over: Final = asyncio.Event()

    def stop(self) -> None:
        """Begin to stop, from any thread."""
        self.should_exit = True
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._over.set)

    async def main_loop(self) -> None:
        """Serve until `stop`."""
        await self.on_tick(0)
        await self._over.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close what listens; wait for what is still open, if there is any."""
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
            return
        for server in self.servers:
            server.close()
            await server.wait_closed()
