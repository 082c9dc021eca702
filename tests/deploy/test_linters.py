# SPDX-License-Identifier: Apache-2.0
"""The files of `deploy/` before the linters of those who will read them. Nothing is run, and nothing is fetched."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from tests.deploy.files import COMPOSE, DEPLOY, MANIFESTS, UNIT

KUBERNETES: Final = "1.34"
STYLE: Final = (
    "{extends: default, rules: {line-length: disable, document-start: disable, comments: {min-spaces-from-content: 1}}}"
)
EXPOSURE: Final = 20
"""Of 100, as `systemd-analyze security` counts; a service without a line of hardening has 96."""
SHELLS: Final = tuple(sorted(DEPLOY.rglob("*.sh")))


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def test_yaml_is_clean() -> None:
    run(program("yamllint"), "--strict", "-d", STYLE, str(DEPLOY))


def test_the_compose_file_is_one() -> None:
    run(program("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(COMPOSE))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_the_manifest_is_what_the_api_server_takes(path: Path) -> None:
    run(program("kubernetes-validate"), "--strict", "-k", KUBERNETES, str(path))


@pytest.mark.parametrize("path", SHELLS, ids=lambda path: path.stem)
def test_the_script_parses(path: Path) -> None:
    shell = path.read_text(encoding="utf-8").splitlines()[0].rpartition("/")[2]
    run(shell, "-n", str(path))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="Debian's systemd has it")
def test_the_unit_is_one_and_is_closed(tmp_path: Path) -> None:
    # The verifier wants the programs to be there: those of another machine are looked up here.
    present = UNIT.read_text(encoding="utf-8").replace(
        "/usr/local/lib/customhouse/bin/customhouse", program("customhouse")
    )
    copy = tmp_path / UNIT.name
    copy.write_text(present, encoding="utf-8")
    assert "customhouse.service" not in run("systemd-analyze", "verify", "--man=no", str(copy))
    run("systemd-analyze", "security", "--no-pager", "--offline=yes", f"--threshold={EXPOSURE}", str(copy))
