# SPDX-License-Identifier: Apache-2.0
"""Where a command's request goes, where a key never goes, and what a refusal looks like."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from tests.cli.served import served
from tests.upstream.server import Upstream

from customhouse.access.people import People
from customhouse.cli.client import Client, client, segment
from customhouse.cli.main import customhouse
from customhouse.cli.options import Options
from customhouse.cli.transport import Remote, Reply

KEY = "cho_" + "A" * 43


def ask(*, local: bool = False, home: Path | None = None, path: str = "/api/v1/people") -> Result:
    @click.command()
    @click.pass_context
    def command(ctx: click.Context) -> None:
        ctx.obj = Options(local=local, home=home)
        click.echo(client(ctx).call("GET", path))

    return CliRunner().invoke(command)


@pytest.mark.parametrize(
    ("url", "because"),
    [
        ("http://customhouse.example", "clear text over a network"),
        ("http://10.0.0.1:8080", "likewise"),
        ("http://localhost.evil.test", "only looks local"),
        ("http://127.0.0.1@evil.test", "likewise"),
        ("http://0.0.0.0:8080", "every address is not this machine"),
        ("http://[::ffff:10.0.0.1]", "a mapped address"),
        ("ftp://127.0.0.1", "another protocol"),
        ("127.0.0.1:8080", "no scheme"),
        ("https://", "no host"),
        ("https://user:pass@customhouse.example", "credentials in a URL"),
        ("https://customhouse.example?x=1", "a query"),
        ("https://customhouse.example:port", "no port"),
    ],
)
def test_where_a_key_never_goes(monkeypatch: pytest.MonkeyPatch, url: str, because: str) -> None:
    monkeypatch.setenv("CUSTOMHOUSE_URL", url)
    monkeypatch.setenv("CUSTOMHOUSE_KEY", KEY)
    result = ask()
    assert result.exit_code == 2, because
    assert KEY not in result.output


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1", "http://127.8.9.1:1"])
def test_a_server_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("CUSTOMHOUSE_URL", url)
    monkeypatch.setenv("CUSTOMHOUSE_KEY", KEY)
    result = ask()
    assert result.exit_code == 1
    assert "Is the server running?" in result.stderr


@pytest.mark.parametrize("name", ["CUSTOMHOUSE_URL", "CUSTOMHOUSE_KEY"])
def test_half_a_server_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "https://customhouse.example")
    result = ask()
    assert result.exit_code == 2
    assert "is not set" in result.stderr


def test_no_server_and_no_store_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    result = ask()
    assert result.exit_code == 2
    assert "there is no .customhouse here" in result.stderr
    assert list(tmp_path.iterdir()) == [], "nothing was made"


def test_a_store_here_is_used_and_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".customhouse").mkdir(mode=0o700)
    result = ask()
    assert result.exit_code == 0, result.output
    assert result.stdout == "{'people': []}\n"
    assert "using the local store .customhouse" in result.stderr


def test_local_means_here_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("CUSTOMHOUSE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("CUSTOMHOUSE_KEY", KEY)
    result = ask(local=True, home=home)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "{'people': []}\n", "")
    assert home.is_dir()


def test_a_refusal_shows_sentence_code_and_trace(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    with served(home) as server:
        monkeypatch.setenv("CUSTOMHOUSE_URL", server.url + "/")
        monkeypatch.setenv("CUSTOMHOUSE_KEY", KEY)
        result = ask()
        assert result.exit_code == 1
        assert "the key is unknown or revoked" in result.stderr
        assert "(identity.unauthenticated, trace " in result.stderr
        monkeypatch.setenv("CUSTOMHOUSE_KEY", server.run(server.house.person("ada@acme.test", "admin")) + "\n")
        assert ask().exit_code == 0, "a newline at the end of a key file is no part of the key"


def test_something_else_on_the_port_is_recognised(monkeypatch: pytest.MonkeyPatch, upstream: Upstream) -> None:
    root = upstream.base_url.removesuffix("/v1")
    monkeypatch.setenv("CUSTOMHOUSE_KEY", KEY)
    for url, hint in ((root, "is this a Customhouse?"), (f"{root}/v1", f"leave out /v1: CUSTOMHOUSE_URL={root}")):
        monkeypatch.setenv("CUSTOMHOUSE_URL", url)
        result = ask(path="/nowhere")
        assert result.exit_code == 1
        assert f"from {url}: {hint} (http.error)" in result.stderr


def test_the_gateways_own_form_of_errors_is_no_explanation_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMHOUSE_URL", "http://127.0.0.1:8080/v1/")
    with pytest.raises(click.ClickException, match=r"HTTP 404 from .*/v1/: leave out /v1: .*8080 \(http.error\)"):
        Client(Scripted(404, b'{"error": {"message": "no such path", "code": "request.not_found"}}')).call("GET", "/x")


def test_a_segment_cannot_leave_its_place() -> None:
    assert segment("a/../b?c#d e@f") == "a%2F..%2Fb%3Fc%23d%20e%40f"


def test_a_key_is_not_part_of_what_is_printed_about_a_client() -> None:
    assert KEY not in repr(Remote("https://customhouse.example", KEY))


def test_home_before_the_verb_is_used(home: Path) -> None:
    result = CliRunner().invoke(customhouse, ["--local", "--home", str(home), "people", "list", "--json"])
    assert result.exit_code == 0, result.output
    assert (home / "customhouse.db").is_file()


class Scripted:
    """A transport that answers with one reply."""

    def __init__(self, status: int, body: bytes) -> None:
        self._reply = Reply(status, body)

    def send(self, method: str, target: str, body: bytes | None) -> Reply:
        del method, target, body
        return self._reply

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"<html>", "is not understood"),
        (200, b"", "is not understood"),
        (200, b'{"people":7}', r"\$\.people"),
        (302, b"", "HTTP 302"),
        (101, b"", "HTTP 101"),
        (404, b"<html>", "HTTP 404"),
        (409, b'{"code":"state.conflict","detail":"No \\u001b[2J."}', r"No ␛\[2J\. \(state\.conflict\)"),
        (500, b'{"code":7}', "HTTP 500"),
        (0, b"", "HTTP 0"),
    ],
)
def test_answers_that_are_refused_in_a_sentence(status: int, body: bytes, expected: str) -> None:
    with pytest.raises(click.ClickException, match=expected) as caught:
        Client(Scripted(status, body)).fetch("GET", "/api/v1/people", People)
    assert caught.value.exit_code == 1
