# SPDX-License-Identifier: Apache-2.0
"""Unmodified agents finish their work after a person's yes in the browser, and stop after a no.

Each agent looks an order up and is held at the refund, in the second request of its run. The program keeps what was
said until then, ends, and goes on from there in another process: long waits need nothing that is left running.
"""

import json
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, expect
from tests.browser.desk import PATIENCE_MS
from tests.clients.programs import FOLDER, REFUNDS, Program
from tests.gateway.running import BOT
from tests.gateway.waiting import CAPTAIN, Desk, waiting
from tests.upstream.refunding import LAST, LOOKS, PAYS, SAYS, refunding

from customhouse.planes.tools.document import Document as ToolsDocument
from customhouse.planes.tools.document import Grant

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
PATIENCE_S: Final = 120
POLICY: Final = ToolsDocument(
    grants={
        "get_order_status": Grant(permission="allow", effect="read"),
        "issue_refund": Grant(permission="approve", effect="irreversible"),
    }
)
WORDS: Final = {
    "approve": ("Approve this call", "approved, not used yet"),
    "deny": ("Deny it", "The call never goes out."),
}


HEADER: Final = [name for name in REFUNDS if "--items" not in REFUNDS[name].flags]
ITEMS: Final = [name for name in REFUNDS if "--items" in REFUNDS[name].flags]
JAVASCRIPT: Final = {True: "javascript", False: "no-javascript"}
CALLS: Final = ([*LOOKS], [*PAYS])


@contextmanager
def refunds(home: Path) -> Generator[Desk]:
    """Run a gateway whose model looks an order up, refunds it, and says so."""
    with waiting(home, POLICY) as desk:
        desk.upstream.by_model = {"held": refunding}
        yield desk


def say(desk: Desk, chromium: Browser, approval: str, verdict: str, *, javascript: bool) -> None:
    """Sign in as the captain in a browser of its own, read the call, and answer it."""
    context = chromium.new_context(java_script_enabled=javascript)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{desk.gateway.port}/approvals/{approval}")
    page.get_by_label("Operator key").fill(desk.keys[CAPTAIN])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("region", name="Arguments")).to_contain_text('"amount":"25.00"', timeout=PATIENCE_MS)
    button, then = WORDS[verdict]
    page.get_by_label("Why?").fill("I have looked at it.")
    page.get_by_role("button", name=button).click()
    expect(page.get_by_text(then)).to_be_visible(timeout=PATIENCE_MS)
    context.close()


@pytest.mark.parametrize(
    ("name", "javascript"),
    [(name, place % 2 == 0) for place, name in enumerate(HEADER)],
    ids=[f"{name}-{JAVASCRIPT[place % 2 == 0]}" for place, name in enumerate(HEADER)],
)
def test_an_agent_goes_on_after_a_yes(home: Path, chromium: Browser, name: str, *, javascript: bool) -> None:
    agent, state = REFUNDS[name], home.parent / "state.json"
    with refunds(home) as desk:
        first = run(agent, desk, state)
        assert first["calls"] == [CALLS[0]], "what reads ran; the refund did not"
        assert first["text"].startswith(SAYS)
        (approval,) = first["approvals"]
        assert f"/approvals/{approval}" in first["text"]
        assert (first["pieces"] > 0) == ("--stream" in agent.flags)
        early = run(agent, desk, state, "--approval", approval)
        assert (early["refused"]["status"], code(early), early["requests"]) == (409, "approval.pending", 1)
        say(desk, chromium, approval, "approve", javascript=javascript)
        asked = len(desk.upstream.requests)
        second = run(agent, desk, state, "--approval", approval)
        assert second["calls"] == [CALLS[1]], "the released call ran, once, and nothing before it again"
        assert (second["text"].strip(), second["requests"], second["approvals"]) == (LAST, 2, [])
        assert len(desk.upstream.requests) == asked + 1, "the model was asked for the last answer only"


@pytest.mark.parametrize("name", ["openai-agents", "openai-agents-streamed", "pydantic-ai", "pydantic-ai-chat"])
def test_an_agent_stops_after_a_no(home: Path, chromium: Browser, name: str) -> None:
    agent, state = REFUNDS[name], home.parent / "state.json"
    with refunds(home) as desk:
        (approval,) = run(agent, desk, state)["approvals"]
        say(desk, chromium, approval, "deny", javascript=True)
        asked = len(desk.upstream.requests)
        second = run(agent, desk, state, "--approval", approval)
        assert (second["refused"]["status"], code(second)) == (403, "approval.denied")
        assert second["requests"] == 1, "the SDK, with its default of retries, did not try again"
        assert (second["calls"], len(desk.upstream.requests)) == ([], asked)


@pytest.mark.parametrize("name", ITEMS)
def test_requests_for_approval_are_answered_within_the_run(home: Path, chromium: Browser, name: str) -> None:
    agent = REFUNDS[name]
    with refunds(home) as desk, started(agent, desk, home.parent / "state.json") as program:
        shown = heard(program)
        assert shown["tool"] == "issue_refund"
        say(desk, chromium, shown["asked"], "approve", javascript=True)
        seen = told(program, "approved")
        assert seen["calls"] == [*CALLS]
        assert (seen["text"].strip(), seen["requests"], seen["refused"]) == (LAST, 4, {})


def test_a_callback_that_says_yes_by_itself_releases_nothing(home: Path) -> None:
    agent = REFUNDS["openai-agents-items"]
    with refunds(home) as desk, started(agent, desk, home.parent / "state.json") as program:
        heard(program)
        seen = told(program, "approved")
        assert (seen["calls"], seen["refused"]["status"], code(seen)) == ([CALLS[0]], 409, "approval.pending")


def command(agent: Program, desk: Desk, state: Path, *more: str) -> list[str]:
    """Return what to run."""
    told = (desk.gateway.url, desk.gateway.key, BOT, "--state", str(state))
    return [str(agent.python), str(FOLDER / agent.file), *told, *agent.flags, *more]


def run(agent: Program, desk: Desk, state: Path, *more: str) -> dict[str, Any]:
    """Run a program to its end; return what it saw."""
    done = subprocess.run(
        command(agent, desk, state, *more), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def started(agent: Program, desk: Desk, state: Path) -> Generator[subprocess.Popen[str]]:
    """Run a program that waits for a word."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command(agent, desk, state), stdin=pipe, stdout=pipe, stderr=pipe, text=True) as program:
        try:
            yield program
        finally:
            program.kill()


def heard(program: subprocess.Popen[str]) -> dict[str, Any]:
    """Return what it says next."""
    assert program.stdout
    line = program.stdout.readline()
    assert line, program.communicate(timeout=PATIENCE_S)[1][-3000:]
    return json.loads(line)


def told(program: subprocess.Popen[str], word: str) -> dict[str, Any]:
    """Tell it a word; return what it saw in the end."""
    out, error = program.communicate(word + "\n", timeout=PATIENCE_S)
    assert program.returncode == 0, error[-3000:]
    return json.loads(out.splitlines()[-1])


def code(seen: dict[str, Any]) -> str:
    """Return the code of the error that ended a run."""
    return seen["refused"]["body"]["code"]
