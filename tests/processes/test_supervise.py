# SPDX-License-Identifier: Apache-2.0
"""A supervised child is healthy when the block begins, comes back when it dies, and is gone when the block ends."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from customhouse.domain.errors import PortBusy, ProcessFailed
from customhouse.processes.supervise import LONGEST_DELAY_S, Child, delay_s, require_free, supervised

PROGRAM = Path(__file__).with_name("child.py")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def child(tmp_path: Path, manner: str = "good", start_limit_s: float = 20) -> Child:
    port = free_port()
    return Child(
        name="the child",
        command=(sys.executable, str(PROGRAM), str(port), manner),
        health_url=f"http://127.0.0.1:{port}/health",
        port=port,
        log=tmp_path / "child.log",
        start_limit_s=start_limit_s,
        stop_limit_s=0.2 if manner == "stubborn" else 5,
    )


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(("failures", "expected"), [(1, 0.25), (2, 0.5), (5, 4.0), (8, 30.0), (40, LONGEST_DELAY_S)])
def test_waits_longer_after_each_end(failures: int, expected: float) -> None:
    assert delay_s(failures) == expected


def test_runs_while_the_block_runs(tmp_path: Path) -> None:
    async def main() -> int:
        async with supervised(child(tmp_path), print) as running:
            assert running.healthy.is_set()
            assert running.pid is not None
            assert alive(running.pid)
            return running.pid

    assert not alive(asyncio.run(main()))


def test_starts_again_after_a_kill(tmp_path: Path) -> None:
    said: list[str] = []

    async def main() -> None:
        again = asyncio.Event()

        def say(line: str) -> None:
            said.append(line)
            if line.endswith("is well again"):
                again.set()

        async with supervised(child(tmp_path), say) as running:
            first = running.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            async with asyncio.timeout(20):
                await again.wait()
            assert running.restarts == 1
            assert running.pid != first

    asyncio.run(main())
    assert said[0] == "the child ended with code -9; starting it again in 0.25 s"


def test_a_stubborn_child_is_killed(tmp_path: Path) -> None:

    async def main() -> int:
        async with supervised(child(tmp_path, "stubborn"), print) as running:
            assert running.pid is not None
            return running.pid

    assert not alive(asyncio.run(main()))


def test_an_error_in_the_block_comes_out_as_it_is_and_the_child_is_gone(tmp_path: Path) -> None:
    pids: list[int] = []

    async def main() -> None:
        async with supervised(child(tmp_path), print) as running:
            pids.append(running.pid or 0)
            raise LookupError("from the block")

    with pytest.raises(LookupError, match="from the block"):
        asyncio.run(main())
    assert not alive(pids[0])


def test_a_child_that_ends_while_starting_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    async def main() -> None:
        async with supervised(child(tmp_path, "broken"), print):
            pytest.fail("the block must not begin")

    with pytest.raises(ProcessFailed, match=r"ended with code 1 while starting.*cannot open the model"):
        asyncio.run(main())


def test_a_child_that_never_gets_well_is_an_error(tmp_path: Path) -> None:
    async def main() -> None:
        async with supervised(child(tmp_path, "deaf", start_limit_s=0.5), print):
            pytest.fail("the block must not begin")

    with pytest.raises(ProcessFailed, match=r"not well within 0\.5 s"):
        asyncio.run(main())


def test_a_port_in_use_is_said_with_what_to_do() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(PortBusy, match=f"Port {port} .* needed for tea, is in use.*Drink water"):
            require_free(port, "tea", "Drink water.")


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    port = free_port()
    script = (
        "import subprocess,sys,time;"
        f"p=subprocess.Popen([sys.executable,{str(PROGRAM)!r},'{port}'],stdin=subprocess.PIPE);"
        "print(p.pid,flush=True);time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=tmp_path)
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        parent.stdout.read()  # ends when the grandchild has ended too: it holds the same pipe
    assert not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes()
