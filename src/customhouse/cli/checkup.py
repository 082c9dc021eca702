# SPDX-License-Identifier: Apache-2.0
"""What `customhouse doctor` looks at: each check returns findings, each finding says what to do.

Rules: nothing is repaired or created (a database of an older version is migrated, as by every command that opens it);
no key is sent anywhere; every wait has a deadline. A check that cannot be made is a finding, not a crash.
"""

import fcntl
import os
import shutil
import socket
import ssl
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from customhouse.cli.finding import Finding, fail, ok, warn
from customhouse.cli.logs import Logs, verify_logs
from customhouse.cli.serve_address import ADDRESS, read_address
from customhouse.domain.clock import SystemClock
from customhouse.domain.errors import CustomhouseError
from customhouse.ledger.append import Ledger
from customhouse.ledger.own_key import require_own_key
from customhouse.outgoing import credential_file
from customhouse.planes.model.document import Deployment
from customhouse.planes.model.reference import reference
from customhouse.processes import weights
from customhouse.registry.control import Control
from customhouse.registry.current import Current
from customhouse.settings import Settings
from customhouse.store import backup, moved
from customhouse.store.database import Database
from customhouse.store.migration import SchemaBehind
from customhouse.store.sqlite import open_sqlite
from customhouse.vault import keyring, sign

MIN_FREE_BYTES: Final = 200 * 1024 * 1024
"""Below this a busy gateway's log can fill the disk before anybody reacts."""
LOW_FREE_BYTES: Final = 2 * 1024 * 1024 * 1024
CONNECT_TIMEOUT_S: Final = 3.0
GIT_TIMEOUT_S: Final = 5.0
CLOCK_SLACK_S: Final = 60.0
EARLIEST_S: Final = 1_793_491_200
"""2026-11-01: no machine that runs this version lives before it."""


def machine(chosen: Settings) -> Iterator[Finding]:
    """Check what does not depend on a store: disk, clock, port, git."""
    yield _disk(_existing(chosen.home_path))
    yield _clock(chosen.database_path)
    yield _port(chosen)
    yield _git()


def home(chosen: Settings) -> Iterator[Finding]:
    """Check the home directory, its key files and its database."""
    directory = chosen.home_path
    if not directory.is_dir():
        yield warn(
            "home", f"{directory} does not exist", "run `customhouse up` or `customhouse serve`: it is made then"
        )
        return
    yield from _modes(directory)
    yield from _keys(chosen)
    if chosen.database:
        return
    if (mark := moved.read(directory)) is not None:
        yield fail("home", f"its database is {mark.state} to {mark.to}", "set CUSTOMHOUSE_DATABASE to it")
    yield _database(chosen)


async def contents(chosen: Settings) -> list[Finding]:
    """Check the evidence, and what is in force: that it verifies, its providers answer, its weights are right."""
    keys = (chosen.keys_path / "root.key", chosen.keys_path / sign.PRIVATE_NAME)
    needed = keys if chosen.database else (chosen.database_path, *keys)
    if not all(path.is_file() for path in needed):
        return []
    try:
        database = await _opened(chosen)
    except SchemaBehind as error:
        return [warn("schema", error.detail, "back up, then start the server; doctor looks at the rest afterwards")]
    try:
        clock = SystemClock()
        await require_own_key(database, chosen.keys_path, clock)
        ledger = Ledger(database, keyring.root_key(chosen.keys_path, clock), clock)
        control = Control(database, ledger, sign.open_release_key(chosen.keys_path), clock)
        current = Current(control)
        await current.refresh()
        logs = await database.read(verify_logs)
    finally:
        await database.close()
    found = [_evidence(logs)]
    found += [
        fail("release", f"{assistant} in {environment}: {reason}", "promote a release that verifies, or roll back")
        for (environment, assistant), reason in current.refused.items()
    ]
    used = {
        deployment.label: deployment
        for environment in ("dev", "staging", "production")
        for assistant in current.assistants(environment)
        if (snapshot := current.get(environment, assistant)) is not None
        for deployment in snapshot.documents.model.deployments.values()
    }
    for _, deployment in sorted(used.items()):
        found += [*upstream(deployment, chosen.credentials_path), *released_weights(deployment)]
    return found


async def _opened(chosen: Settings) -> Database:
    if not chosen.database:
        return await open_sqlite(chosen.database_path, upgrade=False)
    from customhouse.store.postgres import open_postgres  # noqa: PLC0415 - only who uses it pays for its driver

    return await open_postgres(chosen.database, "control", deadline_s=None)


def _evidence(logs: Logs) -> Finding:
    if logs.problem is not None:
        return fail("evidence", logs.problem, "keep this home as it is, and restore the last backup into another one")
    return ok("evidence", f"{logs.records} records in {logs.logs} logs verify from the first to the head")


def upstream(deployment: Deployment, credentials: Path) -> Iterator[Finding]:
    """Check that a deployment's provider can be connected to, and that its key is there.

    The key is not sent, and no command is run.
    """
    name = f"upstream {deployment.label}"
    yield from _credential(name, deployment, credentials)
    parts = urlsplit(deployment.base_url)
    where = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    try:
        with socket.create_connection(where, CONNECT_TIMEOUT_S) as connection:
            if parts.scheme == "https":
                with ssl.create_default_context().wrap_socket(connection, server_hostname=where[0]):
                    pass
    except OSError as error:
        local = deployment.posture in {"self_hosted", "embedded"}
        advice = "start it: `customhouse up` starts the local model" if local else "check network, name and proxy"
        yield warn(name, f"{where[0]}:{where[1]} does not answer: {error}", advice)
    else:
        yield ok(name, f"{where[0]}:{where[1]} answers")


def _credential(name: str, deployment: Deployment, credentials: Path) -> Iterator[Finding]:
    found = reference(deployment)
    if found is None:
        return
    if found.kind == "env":
        if not os.environ.get(found.name):
            advice = f"set it where the server starts: {deployment.provider} asks for it"
            yield warn(name, f"{found.name} is not set here", advice)
        return
    problem = credential_file.problem(credentials, found)
    if problem is not None:
        yield warn(name, f"{found} in {credentials}: {problem}", "put it there, for the server's user alone")


def released_weights(deployment: Deployment) -> Iterator[Finding]:
    """Check that the weights and the tokenizer on this machine are the released ones, where a deployment names them."""
    pattern = weights.ONNX if deployment.kind == "embedding" else weights.GGUF
    for what, released, wanted in (
        ("weights", deployment.weights, pattern),
        ("tokenizer", deployment.tokenizer, weights.TOKENIZER),
    ):
        if released is None:
            continue
        name = f"{what} {deployment.label}"
        try:
            path = weights.find(released.source, wanted)
            weights.verify(path, released.digest)
        except CustomhouseError as error:
            yield warn(name, error.detail, "only the machine that runs the model needs them")
        else:
            yield ok(name, f"{path.name} is {released.digest[:19]}…")


def _existing(path: Path) -> Path:
    """Return the nearest directory that exists."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


def _disk(directory: Path) -> Finding:
    free = shutil.disk_usage(directory).free
    shown = f"{free / 1024**3:.1f} GiB free at {directory}"
    if free < MIN_FREE_BYTES:
        return fail("disk", shown, "free some space: a ledger that cannot write refuses every turn")
    if free < LOW_FREE_BYTES:
        return warn("disk", shown, "free some space before the evidence fills it")
    return ok("disk", shown)


def _clock(database: Path) -> Finding:
    now_s = time.time()
    if now_s < EARLIEST_S:
        return fail("clock", f"the clock says {time.ctime(now_s)}", "set the clock (NTP): evidence carries its time")
    newest_s = max(
        (path.stat().st_mtime for path in (database, database.with_suffix(".db-wal")) if path.exists()), default=0
    )
    if newest_s > now_s + CLOCK_SLACK_S:
        behind = f"the database was written {newest_s - now_s:.0f} s in the future"
        return fail("clock", behind, "set the clock (NTP): it went backwards since the last record")
    return ok("clock", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_s)))


def _port(chosen: Settings) -> Finding:
    where = f"{chosen.host}:{chosen.port}"
    if _serving(chosen.home_path):
        address = read_address(chosen.home_path) or (chosen.host, chosen.port)
        where = f"{address[0]}:{address[1]}"
        try:
            with socket.create_connection(address, CONNECT_TIMEOUT_S):
                return ok("port", f"a server of this home answers on {where}")
        except OSError as error:
            return warn(
                "port", f"a server holds {chosen.home_path} and {where} does not answer: {error}", "see its log"
            )
    try:
        with socket.create_server((chosen.host, chosen.port)):
            return ok("port", f"{where} is free")
    except OSError as error:
        return fail("port", f"{where}: {error.strerror}", "stop the other program, or set CUSTOMHOUSE_PORT")


def _serving(directory: Path) -> bool:
    try:
        with (directory / backup.LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _git() -> Finding:
    try:
        done = subprocess.run(["git", "--version"], capture_output=True, text=True, timeout=GIT_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return warn("git", "git is not here", "install git: staging and production refuse a release without a commit")
    return ok("git", done.stdout.strip())


def _modes(directory: Path) -> Iterator[Finding]:
    """Check that nobody but the owner can read the home directory, its database and its secret keys."""
    expected = {directory: 0o700, directory / "keys": 0o700}
    files = [
        directory / "customhouse.db",
        directory / "dev-key",
        directory / ADDRESS,
        *sorted((directory / "keys").glob("*")),
    ]
    expected |= {path: 0o600 for path in files if path.is_file() and path.suffix != ".pub"}
    wrong = False
    for path, mode in expected.items():
        if not path.exists():
            continue
        about = path.stat()
        found = stat.S_IMODE(about.st_mode)
        if found & ~mode:
            wrong = True
            yield fail("modes", f"{path} has mode {found:04o}", f"chmod {mode:04o} {path}, and ask who could read it")
        if about.st_uid != os.geteuid():
            wrong = True
            yield warn("modes", f"{path} belongs to user {about.st_uid}", "run as the owner of the home directory")
    if not wrong:
        yield ok("modes", f"only its owner can read {directory}")


def _keys(chosen: Settings) -> Iterator[Finding]:
    readers = {
        "root.key": lambda: keyring.root_key(chosen.keys_path, SystemClock()),
        sign.PRIVATE_NAME: lambda: sign.open_release_key(chosen.keys_path),
    }
    for name, reader in readers.items():
        path = chosen.keys_path / name
        if not path.exists():
            verdict, advice = warn, "it is made at the first start"
            if chosen.database:
                advice = "copy it from another replica or a backup; only the very first server makes it"
            elif chosen.database_path.exists():
                verdict, advice = fail, "restore it from a backup"
            yield verdict(f"key {name}", f"{path} does not exist", advice)
            continue
        try:
            reader()
        except CustomhouseError as error:
            yield fail(f"key {name}", error.detail, "do what it says, or restore the file from a backup")
            continue
        yield ok(f"key {name}", f"{path} can be used")


def _database(chosen: Settings) -> Finding:
    path = chosen.database_path
    if not path.exists():
        return warn("database", f"{path} does not exist", "it is made at the first start")
    if found := backup.problems(path):
        return fail("database", f"{path}: {found[0]}", "stop the server and restore the last backup")
    return ok("database", f"{path} is sound, {path.stat().st_size / 1024**2:.1f} MiB")
