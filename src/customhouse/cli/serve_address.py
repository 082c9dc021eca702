# SPDX-License-Identifier: Apache-2.0
"""Where the server of a home directory listens: a line `host:port` in the file `serve.address`, for `doctor`.

The port is a choice of whoever started the server; another command of the same home cannot know it otherwise. That the
server lives is told by its lock, not by this file.
"""

import asyncio
import os
from pathlib import Path
from typing import Final

import uvicorn

ADDRESS: Final = "serve.address"
POLL_S: Final = 0.02


async def write_address(server: uvicorn.Server, home: Path) -> None:
    """Write where the server listens, as soon as it does; readable by the owner alone."""
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(POLL_S)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    descriptor = os.open(home / ADDRESS, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{host}:{port}\n")


def read_address(home: Path) -> tuple[str, int] | None:
    """Return where the last server of this home listened, or None when no file says so."""
    try:
        host, _, port = (home / ADDRESS).read_text(encoding="ascii").strip().rpartition(":")
        return (host, int(port)) if host else None
    except (OSError, ValueError):
        return None
