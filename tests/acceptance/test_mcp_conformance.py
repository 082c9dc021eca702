# SPDX-License-Identifier: Apache-2.0
"""The everything-server passes what MCP's own suite requires of a server: the ground on which a gateway is judged."""

from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest
from tests.mcp_servers.started import started
from tests.mcp_servers.suite import Revision, conformance

_BOTH: Final = {
    "completion-complete",
    "dns-rebinding-protection",
    "prompts-get-embedded-resource",
    "prompts-get-simple",
    "prompts-get-with-args",
    "prompts-get-with-image",
    "prompts-list",
    "resources-list",
    "resources-read-binary",
    "resources-read-text",
    "resources-templates-read",
    "server-sse-multiple-streams",
    "tools-call-audio",
    "tools-call-embedded-resource",
    "tools-call-error",
    "tools-call-image",
    "tools-call-mixed-content",
    "tools-call-simple-text",
    "tools-call-with-progress",
    "tools-list",
}
REQUIRED: Final[dict[Revision, set[str]]] = {
    "2025-11-25": _BOTH
    | {
        "elicitation-sep1034-defaults",
        "elicitation-sep1330-enums",
        "logging-set-level",
        "ping",
        "resources-subscribe",
        "resources-unsubscribe",
        "server-initialize",
        "tools-call-elicitation",
        "tools-call-sampling",
        "tools-call-with-logging",
    },
    "2026-07-28": _BOTH
    | {
        "caching",
        "input-required-result-basic-elicitation",
        "input-required-result-basic-list-roots",
        "input-required-result-basic-sampling",
        "input-required-result-capability-check",
        "input-required-result-ignore-extra-params",
        "input-required-result-missing-input-response",
        "input-required-result-multi-round",
        "input-required-result-multiple-input-requests",
        "input-required-result-non-tool-request",
        "input-required-result-request-state",
        "input-required-result-result-type",
        "input-required-result-tampered-state",
        "input-required-result-unsupported-methods",
        "input-required-result-validate-input",
        "sep-2164-resource-not-found",
        "server-stateless",
    },
}
NOT_SCORED: Final[dict[Revision, dict[str, bool]]] = {
    "2025-11-25": {"json-schema-2020-12": True, "server-session-lifecycle": True, "server-sse-polling": False},
    "2026-07-28": {
        "http-custom-header-server-validation": True,
        "http-header-validation": True,
        "json-schema-2020-12": True,
        "tasks-capability-negotiation": False,
        "tasks-dispatch-and-envelope": False,
        "tasks-lifecycle": False,
        "tasks-mrtr-composition": False,
        "tasks-mrtr-input": False,
        "tasks-request-headers": False,
        "tasks-request-state-removal": False,
        "tasks-required-task-error": False,
        "tasks-status-notifications": False,
        "tasks-wire-fields": False,
    },
}
"""What the suite runs without requiring it, and whether this server passes: no tasks, no streams to come back to."""


@pytest.fixture(scope="module")
def everything() -> Generator[str]:
    with started("everything", "0") as url:
        yield url


@pytest.mark.slow
@pytest.mark.parametrize("revision", REQUIRED)
def test_the_everything_server_passes_what_is_required(everything: str, revision: Revision, tmp_path: Path) -> None:
    verdicts = conformance(everything, revision, tmp_path)
    assert verdicts.keys() == REQUIRED[revision] | NOT_SCORED[revision].keys()
    assert {name: verdicts[name].troubles for name in REQUIRED[revision] if not verdicts[name].passed} == {}
    assert {name: verdicts[name].passed for name in NOT_SCORED[revision]} == NOT_SCORED[revision]
