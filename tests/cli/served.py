# SPDX-License-Identifier: Apache-2.0
"""The control API on a real socket, in a thread with its own event loop: what a remote command line meets."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import uvicorn
from tests.api.house import OWN_ROUTES, House, open_house
from tests.gateway.server import Server

from customhouse.api.route import Route

T = TypeVar("T")

SHUTDOWN_LIMIT_S = 2


@dataclass(frozen=True, slots=True)
class Served:
    """A running API and a way to work on its house from the test's thread."""

    url: str
    house: House
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine where the house lives."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)


@contextmanager
def served(home: Path, routes: Sequence[Route] = OWN_ROUTES) -> Generator[Served]:
    """Serve the API over a fresh house in `home`."""
    listener = socket.create_server(("127.0.0.1", 0))
    started, box = threading.Event(), list[tuple[House, asyncio.AbstractEventLoop, Callable[[], None]]]()

    async def main() -> None:
        async with open_house(home) as house:
            app = house.app(routes)
            server = Server(
                uvicorn.Config(
                    app, lifespan="off", log_level="error", access_log=False, timeout_graceful_shutdown=SHUTDOWN_LIMIT_S
                )
            )

            box.append((house, asyncio.get_running_loop(), server.stop))
            started.set()
            await server.serve(sockets=[listener])

    thread = threading.Thread(target=lambda: asyncio.run(main()), name="served-api", daemon=True)
    thread.start()
    try:
        assert started.wait(10)
        house, loop, stop = box[0]
        try:
            yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}", house, loop)
        finally:
            stop()
    finally:
        thread.join(10)
        listener.close()
