# SPDX-License-Identifier: Apache-2.0
"""Credentials that rotate: variables, files and commands; real files, real programs, a clock moved by hand."""

import asyncio
import logging
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest
from tests.planes.model.moved_clock import MovedClock

from customhouse.domain.errors import UpstreamFailed
from customhouse.outgoing import credential
from customhouse.outgoing.credential import UpstreamCredentials
from customhouse.outgoing.reference import Reference

FILE: Final = Reference("file", "azure-key")
COMMAND: Final = Reference("command", "entra-token")
SECRET: Final = "s3cret"


class House:
    """A credentials directory and what looks into it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(mode=0o700)
        self.clock = MovedClock()
        self.environ = {"HOME": str(directory.parent), "CUSTOMHOUSE_DATABASE": SECRET, "KEY": SECRET}
        self.credentials = UpstreamCredentials(directory, self.environ, self.clock)

    def file(self, value: str, name: str = FILE.name, mode: int = 0o600) -> Path:
        """Put a file into its place, as `mv` does."""
        new = self.directory / f"new-{name}"
        new.write_text(value)
        new.chmod(mode)
        return new.rename(self.directory / name)

    def command(self, script: str) -> Path:
        return self.file(f"#!/bin/sh\n{script}\n", COMMAND.name, 0o700)

    async def said(self, reference: Reference) -> str:
        try:
            return (await self.credentials.token(reference)).reveal()
        except UpstreamFailed as error:
            return f"{error.reason}: {error.detail}"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "credentials")


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await story()

    asyncio.run(main())


def test_a_variable_is_read_at_each_call(house: House) -> None:
    async def story() -> None:
        assert await house.said(Reference("env", "KEY")) == SECRET
        house.environ["KEY"] = "another"
        assert await house.said(Reference("env", "KEY")) == "another"
        house.environ["KEY"] = f"{SECRET}\r\nX-Evil: 1"
        assert "upstream.credential_failed" in await house.said(Reference("env", "KEY"))
        assert "upstream.credential_missing" in await house.said(Reference("env", "OTHER"))
        assert await house.credentials.renewed(Reference("env", "KEY"), credential.Token(SECRET)) is None

    run(story)


def test_a_file_is_read_again_when_it_has_changed(house: House) -> None:
    async def story() -> None:
        house.file("one\n")
        assert await house.said(FILE) == "one"
        house.file("two")
        assert await house.said(FILE) == "one", "looked at a second ago at most"
        house.clock.move(1)
        assert await house.said(FILE) == "two"

    run(story)


def test_a_refused_file_is_looked_at_at_once(house: House) -> None:
    async def story() -> None:
        house.file("one")
        old = await house.credentials.token(FILE)
        assert await house.credentials.renewed(FILE, old) is None
        house.file("two")
        new = await house.credentials.renewed(FILE, old)
        assert new is not None
        assert new.reveal() == "two"

    run(story)


def test_a_file_that_is_gone_stands_for_a_minute_and_that_is_said(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        house.file(SECRET).unlink()
        house.file(SECRET)
        assert await house.said(FILE) == SECRET
        (house.directory / FILE.name).unlink()
        house.clock.move(2)
        with caplog.at_level(logging.WARNING):
            assert await house.said(FILE) == SECRET
        assert [(trouble.reference, trouble.usable) for trouble in house.credentials.troubles()] == [(FILE, True)]
        house.clock.move(credential.FILE_STANDS_S)
        assert "upstream.credential_failed" in await house.said(FILE)
        assert [trouble.usable for trouble in house.credentials.troubles()] == [False]
        house.file("back")
        house.clock.move(1)
        assert await house.said(FILE) == "back"
        assert house.credentials.troubles() == ()

    run(story)
    assert "file azure-key" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("mode", "problem"),
    [(0o644, "open to others"), (0o604, "open to others"), (0o660, "open to others"), (0o640, None)],
)
def test_a_file_that_others_could_have_read_is_refused(house: House, mode: int, problem: str | None) -> None:
    async def story() -> None:
        house.file(SECRET, mode=mode)
        said = await house.said(FILE)
        assert said == SECRET if problem is None else problem in said and SECRET not in said

    run(story)


def test_what_kubernetes_mounts_is_read_and_followed(house: House) -> None:
    """A secret volume is links within one directory, and the inner one is moved when the secret changes."""

    async def story() -> None:
        for version, value in (("1", "one"), ("2", "two")):
            inner = house.directory / f"..{version}"
            inner.mkdir(mode=0o750)
            (inner / FILE.name).write_text(value)
            (inner / FILE.name).chmod(0o440)
        (house.directory / "..data").symlink_to("..1")
        (house.directory / FILE.name).symlink_to(f"..data/{FILE.name}")
        assert await house.said(FILE) == "one"
        (house.directory / "..new").symlink_to("..2")
        (house.directory / "..new").rename(house.directory / "..data")
        house.clock.move(1)
        assert await house.said(FILE) == "two"

    run(story)


def test_a_command_is_run_once_for_all_who_need_it(house: House) -> None:
    async def story() -> None:
        house.command('echo x >> runs; echo "token-$(wc -l < runs)"')
        found = await asyncio.gather(*(house.said(COMMAND) for _ in range(20)))
        assert found == ["token-1"] * 20
        assert (house.directory / "runs").read_text().count("x") == 1

    run(story)


def test_a_client_that_leaves_ends_no_run_that_others_wait_for(house: House) -> None:
    """Nor does it make one run for each of its requests, or keep a refused token in force for everybody."""

    async def story() -> None:
        # The command ends when `go` is there; how often it began is in `runs`.
        script = 'echo x >> runs; while [ ! -e go ]; do sleep 0.01; done; rm go; echo "t$(wc -l < runs)"'
        house.command(script)
        runs, go = house.directory / "runs", house.directory / "go"
        for _ in range(5):
            leaver = asyncio.create_task(house.said(COMMAND))
            while not runs.exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0)
            leaver.cancel()
            await asyncio.wait([leaver])
        go.touch()
        assert await house.said(COMMAND) == "t1"
        old = credential.Token("t1")
        leaver = asyncio.create_task(house.credentials.renewed(COMMAND, old))
        while runs.read_text().count("x") < 2:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0)
        leaver.cancel()
        await asyncio.wait([leaver])
        go.touch()
        assert await house.credentials.renewed(COMMAND, old) == credential.Token("t2")

    run(story)


def test_a_command_is_run_again_before_its_token_ends(house: House) -> None:
    async def story() -> None:
        house.command('echo x >> runs; echo "{\\"token\\": \\"t$(wc -l < runs)\\", \\"expires_in\\": 1000}"')
        assert await house.said(COMMAND) == "t1"
        house.clock.move(799)
        await house.credentials.renew_due()
        assert await house.said(COMMAND) == "t1"
        house.clock.move(1)
        await house.credentials.renew_due()
        assert await house.said(COMMAND) == "t2"

    run(story)


def test_a_command_nobody_needs_is_not_run(house: House) -> None:
    async def story() -> None:
        house.command("echo x >> runs; echo token")
        assert await house.said(COMMAND) == "token"
        for _ in range(100):
            house.clock.move(credential.PLAIN_S)
            await house.credentials.renew_due()
        assert (house.directory / "runs").read_text().count("x") <= 1 + credential.KEPT_S / credential.PLAIN_S

    run(story)


def test_the_old_token_stands_while_renewals_fail_until_it_ends(house: House, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        house.command(f'echo "{{\\"token\\": \\"{SECRET}\\", \\"expires_in\\": 1000}}"')
        assert await house.said(COMMAND) == SECRET
        house.command(f"echo {SECRET} >&2; exit 3")
        house.clock.move(900)
        with caplog.at_level(logging.DEBUG):
            await house.credentials.renew_due()
        assert await house.said(COMMAND) == SECRET
        (trouble,) = house.credentials.troubles()
        assert (trouble.usable, trouble.problem) == (True, "it ended with status 3")
        house.clock.move(100)
        assert "it ended with status 3" in await house.said(COMMAND)
        assert not house.credentials.troubles()[0].usable
        house.command("echo back")
        assert "upstream.credential_failed" in await house.said(COMMAND), "it is not run for every turn"
        house.clock.move(credential.RETRY_S)
        assert await house.said(COMMAND) == "back"

    run(story)
    assert "command entra-token" in caplog.text
    assert "stands for 100 s" in caplog.text
    assert SECRET not in caplog.text


def test_a_refused_token_is_renewed_once(house: House) -> None:
    async def story() -> None:
        house.command("echo x >> runs; echo same")
        old = await house.credentials.token(COMMAND)
        assert await house.credentials.renewed(COMMAND, old) is None
        assert await house.credentials.renewed(COMMAND, old) is None, "not with every turn that is refused"
        assert (house.directory / "runs").read_text().count("x") == 2
        house.command("echo new")
        house.clock.move(credential.RETRY_S)
        found = await asyncio.gather(*(house.credentials.renewed(COMMAND, old) for _ in range(5)))
        assert [each.reveal() for each in found if each] == ["new"] * 5

    run(story)


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("exit 1", "status 1"),
        ("true", "it is empty"),
        ("yes", "more than"),
        ("echo one; echo two", "more than one line"),
        ('echo \'{"token": "t", "expires_at": 5}\'', "ended already"),
        ("echo '{'", "its JSON"),
        ('echo \'{"token": "t", "expires_in": "nan"}\'', "its JSON"),
        ('echo \'{"token": "t", "expires_in": "inf"}\'', "its JSON"),
        ('printf \'{"token": "t", "expires_in": 1%0400d}\' 0', "its JSON"),
        ("kill -9 $$", "status -9"),
    ],
)
def test_what_a_command_can_do_wrong(house: House, script: str, problem: str) -> None:
    async def story() -> None:
        house.command(script)
        assert problem in await house.said(COMMAND)

    run(story)


@pytest.mark.parametrize("ends", ['"nan"', '"inf"', "1" + "0" * 400, "1" + "0" * 30])
def test_a_token_without_a_sensible_end_stops_no_renewals(house: House, ends: str) -> None:
    async def story() -> None:
        house.command('echo \'{"token": "one", "expires_in": 100}\'')
        assert await house.said(COMMAND) == "one"
        house.command(f'echo \'{{"token": "two", "expires_in": {ends}}}\'')
        house.clock.move(81)
        await house.credentials.renew_due()
        assert await house.said(COMMAND) == "one", "it stands; the task that renews goes on"
        (trouble,) = house.credentials.troubles()
        assert "its JSON" in trouble.problem

    run(story)


def test_a_command_that_hangs_is_killed_with_all_that_it_started(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credential, "COMMAND_S", 0.2)

    async def story() -> None:
        house.command("sleep 1000 & echo $! > child; wait")
        assert "longer than" in await house.said(COMMAND)
        child = int((house.directory / "child").read_text())
        state = Path(f"/proc/{child}/stat")
        assert not state.exists() or state.read_text().split()[2] == "Z"

    run(story)


def test_a_command_sees_nothing_of_our_environment(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMHOUSE_DATABASE", SECRET)

    async def story() -> None:
        house.command('env | cut -d= -f1 | sort > seen; echo "$#" >> seen; pwd >> seen; echo token')
        assert await house.said(COMMAND) == "token"
        seen = (house.directory / "seen").read_text().split()
        assert set(seen) == {"HOME", "LANG", "PATH", "PWD", "0", str(house.directory)}

    run(story)


def test_commands_run_on_a_loop_that_is_not_the_main_threads(house: House) -> None:
    """As under a server that a test, or another program, runs in a thread."""
    house.command("echo token")
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(house.said(COMMAND))))
    thread.start()
    thread.join(10)
    assert found == ["token"]


def test_a_secret_is_in_no_repr(house: House) -> None:
    async def story() -> None:
        house.file(SECRET)
        await house.credentials.token(FILE)
        held = vars(house.credentials)
        assert SECRET not in repr({key: value for key, value in held.items() if key != "_environ"})

    run(story)
    assert os.environ.get("KEY") != SECRET
