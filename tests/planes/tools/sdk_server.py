# SPDX-License-Identifier: Apache-2.0
"""A tool server made with the `mcp` SDK, over HTTP in a thread and over stdio as a program: both eras, as the SDK does.

with sdk_server() as url:        # streamable HTTP
python -m tests.planes.tools.sdk_server          # stdio
"""

import asyncio
import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context


def built(mark: threading.Event | None = None) -> MCPServer:
    """Return the server; `mark` is set when a call is cancelled."""
    server = MCPServer("tools of a test", log_level="ERROR")

    @server.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @server.tool()
    async def count(to: int, context: Context) -> str:
        """Count, and say how far."""
        for number in range(to):
            await context.report_progress(number + 1, to, f"at {number + 1}")
        return f"counted to {to}"

    @server.tool()
    async def wait() -> str:
        """Wait for ever."""
        try:
            await asyncio.Event().wait()
        finally:
            if mark is not None:
                mark.set()
        return "never"

    @server.tool()
    def fail() -> str:
        """Fail."""
        raise ValueError("it went wrong")

    return server


@contextmanager
def sdk_server(mark: threading.Event | None = None, *, json: bool = False, stateless: bool = False) -> Generator[str]:
    """Serve over HTTP while the block runs; give the address."""
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    app = built(mark).streamable_http_app(json_response=json, stateless_http=stateless)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, name="sdk-server", daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        server.should_exit = True
        thread.join(10)


if __name__ == "__main__":
    built().run("stdio")
