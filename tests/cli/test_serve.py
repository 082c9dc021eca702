# SPDX-License-Identifier: Apache-2.0
"""`customhouse serve` as its own process: it says its settings, refuses a second server, and ends cleanly."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

CUSTOMHOUSE = Path(sys.executable).with_name("customhouse")


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "CUSTOMHOUSE_LOG_LEVEL": "info"}
    command = [str(CUSTOMHOUSE), "--home", str(home), "serve", "--port", "0", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment)


def until(process: subprocess.Popen[str], words: str) -> list[str]:
    """Return the lines of the log up to the one that holds `words`."""
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError("".join(lines))


@pytest.mark.slow
@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(home: Path, name: signal.Signals) -> None:
    with start(home) as process:
        lines = until(process, "Uvicorn running")
        assert "max_turns=256" in lines[0]
        port = lines[-1].rpartition("127.0.0.1:")[2].split()[0]
        doctor = [str(CUSTOMHOUSE), "--home", str(home), "doctor"]
        looked = subprocess.run(doctor, capture_output=True, text=True, check=False)
        assert f"a server of this home answers on 127.0.0.1:{port}" in " ".join(looked.stdout.split())
        assert (home / "serve.address").stat().st_mode & 0o777 == 0o600
        process.send_signal(name)
        assert process.wait(30) == 0
    assert not (home / "customhouse.db-wal").exists(), "the database was not closed"


@pytest.mark.slow
def test_a_second_server_is_refused(home: Path) -> None:
    with start(home) as first:
        until(first, "Uvicorn running")
        with start(home) as second:
            until(second, "another server holds")
            assert second.wait(30) == 1
        first.terminate()
        assert first.wait(30) == 0


@pytest.mark.slow
def test_a_port_in_use_is_said_before_anything_is_opened(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with start(tmp_path / "home", "--port", str(port)) as process:
            (*_, last) = until(process, "Error:")
            assert process.wait(30) == 1
    assert f"Port {port} on 127.0.0.1, needed for the gateway, is in use" in last
    assert "--port" in last
    assert not (tmp_path / "home").exists()


def test_half_of_the_tls_pair_is_a_usage_error(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.touch()
    with start(tmp_path / "home", "--tls-key", str(key)) as process:
        assert process.wait(30) == 2
