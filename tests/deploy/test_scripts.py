# SPDX-License-Identifier: Apache-2.0
"""The two scripts of the compose file: secrets that a server takes, and a login role that a server can begin with."""

import os
import shutil
import stat
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import pytest
from tests import postgres as servers
from tests.deploy.files import COMPOSE, DEPLOY, compose

from customhouse.domain.clock import SystemClock
from customhouse.store.migrate_postgres import migrate
from customhouse.store.migration import packaged
from customhouse.vault.keyring import root_key
from customhouse.vault.sign import open_release_key, verify

SCRIPT: Final = DEPLOY / "compose" / "make-secrets.sh"
DATABASE: Final = DEPLOY / "compose" / "database.sh"


def made(folder: Path) -> subprocess.CompletedProcess[str]:
    copy = shutil.copy(SCRIPT, folder)
    return subprocess.run(["sh", copy], capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the script uses it")
def test_the_secrets_are_what_a_server_takes_and_are_made_once(tmp_path: Path) -> None:
    assert made(tmp_path).returncode == 0
    secrets = tmp_path / "secrets"
    before = {path.name: path.read_bytes() for path in secrets.iterdir()}
    assert len(root_key(secrets, SystemClock())) == 32
    key = open_release_key(secrets)
    assert verify((secrets / "release.pub").read_text(), b"release", key.sign(b"release"))
    assert (
        before["pgpass"].decode() == f"postgres:5432:customhouse:customhouse:{before['customhouse_password'].decode()}"
    )
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in secrets.iterdir()} == {0}
    assert made(tmp_path).returncode != 0, "keys are never made anew"
    assert {path.name: path.read_bytes() for path in secrets.iterdir()} == before


def test_the_compose_file_reads_what_the_script_makes() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    for secret in compose()["secrets"].values():
        assert f" {secret['file']}" in text or f">{secret['file']}" in text
    assert "path: secrets/providers.env" in COMPOSE.read_text(encoding="utf-8")


def test_the_login_role_is_no_superuser_and_can_begin(tmp_path: Path) -> None:
    """On a server of its own: only the first installation of a server makes the four roles."""
    data = Path(tempfile.mkdtemp(prefix="customhouse-pg-", dir="/tmp"))
    try:
        with servers.embedded(data) as server:
            begins(server, tmp_path)
    finally:
        shutil.rmtree(data, ignore_errors=True)


def begins(server: str, tmp_path: Path) -> None:
    name = f"login_{uuid.uuid4().hex[:8]}"
    password = tmp_path / "customhouse_password"
    password.write_text("a password\n")
    text = DATABASE.read_text(encoding="utf-8").replace("/run/secrets/customhouse_password", str(password))
    text = text.replace("ROLE customhouse ", f"ROLE {name} ").replace("DATABASE customhouse ", f"DATABASE {name} ")
    parts = urlsplit(server)
    place = parse_qs(parts.query).get("host", [parts.hostname or "localhost"])[0]
    environment = {
        **os.environ,
        "PATH": f"{servers.programs()}:{os.environ['PATH']}",
        "POSTGRES_USER": parts.username or "postgres",
        "PGHOST": place,
        "PGPORT": str(parts.port or 5432),
        "PGPASSWORD": parts.password or "",
    }
    script = text.replace("OWNER customhouse;", f"OWNER {name};")
    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
    login = servers.rows(server, "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = %s", name)
    assert login == [(False, False)]
    url = servers.named(server, name).replace(parts.netloc, f"{name}:a%20password@{parts.netloc.rpartition('@')[2]}")
    assert migrate(url, packaged("postgres")) > 0
