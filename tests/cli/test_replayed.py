# SPDX-License-Identifier: Apache-2.0
"""`diff --replay`: what people read of recorded calls that were decided again."""

from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from tests.cli.shop import Shop, shop

from customhouse.api.replay import MAX_CALLS, Replay
from customhouse.audit.replay import ReplayedCall, Ruling
from customhouse.cli.replayed import MAX_TOLD, told

ALLOW: Final = Ruling(outcome="allow", reason="tool.granted")
HOLD: Final = Ruling(outcome="hold", reason="tool.needs_approval")
CALL: Final = ReplayedCall(
    trace_id="t1",
    tenant="acme",
    at="2026-11-25T08:00:00.000000Z",
    tool="issue_refund",
    recorded=ALLOW,
    ended=None,
    before=ALLOW,
    after=HOLD,
)
OTHERWISE: Final = (
    "2 were recorded with another outcome than the first version gives: a switch, a budget of an hour or a day, "
    "another release or a person decided then"
)
NONE: Final = Replay(
    assistant="bot",
    environment="dev",
    calls=0,
    whole=True,
    changed={},
    unsaid={},
    recorded_otherwise=0,
    listed=(),
)


def lines(**changes: Any) -> list[str]:  # noqa: ANN401 - fields of the answer
    return list(told(msgspec.structs.replace(NONE, **changes)))


def test_what_would_change_comes_first() -> None:
    gone = msgspec.structs.replace(CALL, trace_id="t2", before=None, after=None, unsaid="arguments_gone")
    assert lines(
        calls=9,
        changed={"allow -> hold": 1},
        unsaid={"arguments_gone": 1},
        recorded_otherwise=2,
        listed=(CALL, gone),
    ) == [
        "of the last 9 recorded tool calls of bot in dev, 1 would be decided differently: 1 allow -> hold",
        "  2026-11-25T08:00:00Z issue_refund: allow (tool.granted) -> hold (tool.needs_approval), trace t1",
        "nothing can be said of 1: its arguments are not kept any more (such as in trace t2)",
        OTHERWISE,
    ]


def test_nothing_changes() -> None:
    assert lines(calls=3) == ["of the last 3 recorded tool calls of bot in dev, none would be decided differently"]


def test_nothing_is_there() -> None:
    assert lines() == ["no recorded tool call of bot in dev was found"]
    assert lines(whole=False) == ["no recorded tool call of bot in dev was found among the newest records"]


def test_a_long_list_is_cut_and_says_so() -> None:
    found = lines(calls=99, changed={"allow -> hold": MAX_TOLD + 7}, listed=(CALL,) * (MAX_TOLD + 7))
    assert len(found) == MAX_TOLD + 2
    assert found[-1] == "  … and 7 more; --json lists all of them"


def test_a_definition_that_changes_is_said() -> None:
    (_, line) = lines(calls=1, changed={"x": 1}, listed=(msgspec.structs.replace(CALL, redefined=True),))
    assert line.endswith("trace t1; the versions define it differently")


@pytest.fixture
def opened(home: Path) -> Generator[Shop]:
    with shop(home) as running:
        yield running


def test_against_what_is_in_force_and_against_a_release(opened: Shop) -> None:
    opened.release()
    here = ("-m", str(opened.manifest))
    for way in ((), ("support",), ("support", "--from", "support@1")):
        said = opened.good("dana", "diff", *way, "--replay", "5", *here)
        assert said.splitlines() == ["no change", "", "no recorded tool call of support in dev was found"]
    found = opened.json("dana", "diff", "--replay", "5", *here)
    assert (found["assistants"], found["replay"]["calls"], found["replay"]["whole"]) == ([], 0, True)
    assert "nothing of support is in force in staging" in opened.refused(
        "dana", "diff", "--replay", "5", *here, "-e", "staging"
    )


def test_usage(opened: Shop) -> None:
    opened.release()
    here = ("-m", str(opened.manifest))
    for way in (("--replay", "0"), ("--replay", str(MAX_CALLS + 1)), ("--replay", "5", "--from", "other@1")):
        assert opened.run("dana", "diff", *way, *here).exit_code == 2  # noqa: PLR2004 - usage
