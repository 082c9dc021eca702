# SPDX-License-Identifier: Apache-2.0
"""Start a server of this folder as a process of its own, on a free port."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]


@contextmanager
def started(module: str, *arguments: str) -> Generator[str]:
    """Run `module` and yield its URL, which is the first line that it prints."""
    command = (sys.executable, "-m", f"tests.mcp_servers.{module}", *arguments)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:"), f"{module} did not start"
            yield url
        finally:
            process.kill()
